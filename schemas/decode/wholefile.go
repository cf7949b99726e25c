package decode

import (
	"regexp"

	"go.yaml.in/yaml/v3"

	"github.com/gitmetal/ingot/schemas"
)

// wholeFile are the beginnings of files that programs encrypt as a whole, as bytes: ansible-vault (docs.ansible.com,
// vault guide), age (age-encryption.org/v1), OpenPGP (RFC 9580, packets 1 and 3, and armour), openssl enc and git-crypt
// (crypto.hpp of github.com/AGWA/git-crypt).
var wholeFile = []struct {
	program string
	start   *regexp.Regexp
}{
	{"ansible-vault", regexp.MustCompile(`\A\$ANSIBLE_VAULT;`)},
	{"age", regexp.MustCompile(`\A\s*(-----BEGIN AGE ENCRYPTED FILE-----|age-encryption\.org/v1\n)`)},
	{"gpg", regexp.MustCompile(`\A\s*-----BEGIN PGP MESSAGE-----`)},
	{"git-crypt", regexp.MustCompile(`\A\x00GITCRYPT\x00`)},
	{"openssl", regexp.MustCompile(`\A(Salted__|U2FsdGVkX1)`)},
	{"sops", regexp.MustCompile(`\A\s*\{\s*"data"\s*:\s*"ENC\[AES256_GCM,`)}, // as JSON, what sops calls binary
	{"sops", regexp.MustCompile(`(?m)^sops_mac=ENC\[AES256_GCM,`)},           // dotenv
	{"sops", regexp.MustCompile(`(?m)^\[sops\]\s*$(?s:.*)^mac\s*=\s*ENC\[AES256_GCM,`)},
}

// FindEncryption names the program that encrypted a file as a whole, "" for other files.
func FindEncryption(data []byte) string {
	for _, form := range wholeFile {
		if form.start.Match(data) {
			return form.program
		}
	}
	if isOpenPGP(data) {
		return "gpg"
	}
	return ""
}

// isOpenPGP reports whether a file begins with a session key for a public key or a passphrase, in binary: a tag, a length,
// and the version of the packet. No text in UTF-8 begins so.
func isOpenPGP(data []byte) bool {
	if len(data) < 4 {
		return false
	}
	switch data[0] {
	case 0x84, 0xc1: // public key, a length of one byte, or of one or two
		return data[2] == 3 || data[3] == 3
	case 0x85: // public key, a length of two bytes
		return data[3] == 3
	case 0x8c, 0xc3: // passphrase
		return data[2] == 4 || data[2] == 5 || data[2] == 6
	default:
		return false
	}
}

// WholeFileHint is what to do about a file that a program encrypted as a whole.
const WholeFileHint = "decrypt the file, and put what is secret into a Secret: `ingot secret create`"

// EncryptedFinding is the finding about such a file.
func EncryptedFinding(file, program string) schemas.Finding {
	return schemas.Finding{Position: schemas.Position{File: file, Line: 1, Col: 1}, Severity: schemas.Error,
		Message: "the file is encrypted as a whole by " + program + ", so that nobody sees what it is", Hint: WholeFileHint}
}

// isForeignSOPS reports whether a YAML document is a file of sops that is no document of the fleet.
func isForeignSOPS(root *yaml.Node) bool {
	section := topField(root, "sops")
	return section != nil && section.Kind == yaml.MappingNode && topField(section, "mac") != nil
}
