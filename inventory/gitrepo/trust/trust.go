// Package trust says who may change a fleet: which signatures count, and which paths are reserved for some signers.
// Call New, then Verify and AllowsChange. Anything that New does not understand is refused, never ignored: do not call
// a Policy's methods after an error of New.
package trust

import (
	"bytes"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/hiddeco/sshsig"
	"golang.org/x/crypto/ssh"
)

// Config names the signers. SSH and PGP keys may be given together.
type Config struct {
	AllowedSigners []byte // OpenSSH's allowed_signers file (ssh-keygen(1), ALLOWED SIGNERS)
	RevokedKeys    []byte // OpenSSH public keys, one a line: refused even when an allowed signer has the key
	PGPKeys        []byte // armored public keys
	Paths          []Rule
	Now            func() time.Time // default time.Now
}

// Rule reserves paths for some signers. The first rule that matches a path counts. Every signer may change a path
// without a rule.
type Rule struct {
	Path string `json:"path"` // path.Match pattern, or a directory with a final slash for everything below
	// principals of allowed_signers, or identities of PGP keys ("Jo <jo@example.com>", or only the address)
	Signers []string `json:"signers"`
}

// Policy checks signatures. It is safe for concurrent use.
type Policy struct {
	signers []sshSigner
	revoked map[string]bool // by marshalled key
	pgp     openpgp.EntityList
	rules   []Rule
	now     func() time.Time
}

// sshSigner is one line of allowed_signers.
type sshSigner struct {
	principal     string
	key           ssh.PublicKey
	after, before time.Time // zero for no bound
}

// New reads the keys and reports all problems at once. A Policy without a signer is an error: such a policy would
// accept nothing.
func New(c Config) (*Policy, error) {
	p := &Policy{rules: c.Paths, now: c.Now, revoked: map[string]bool{}}
	if p.now == nil {
		p.now = time.Now
	}
	problems := append(p.readSigners(c.AllowedSigners), p.readRevoked(c.RevokedKeys)...)
	if len(c.PGPKeys) > 0 {
		var err error
		if p.pgp, err = openpgp.ReadArmoredKeyRing(bytes.NewReader(c.PGPKeys)); err != nil {
			problems = append(problems, fmt.Errorf("pgpKeys: %w: `gpg --armor --export KEY` prints what belongs there",
				err))
		}
	}
	if len(problems) == 0 && len(p.signers) == 0 && len(p.pgp) == 0 {
		problems = append(problems, errors.New("allowedSigners and pgpKeys name no signer: write a signer's key there"))
	}
	for _, rule := range p.rules {
		problems = append(problems, p.checkRule(rule)...)
	}
	return p, errors.Join(problems...)
}

func (p *Policy) checkRule(rule Rule) (problems []error) {
	if _, err := path.Match(strings.TrimSuffix(rule.Path, "/"), ""); err != nil || rule.Path == "" {
		problems = append(problems, fmt.Errorf("path %q is no pattern", rule.Path))
	}
	for _, name := range rule.Signers {
		if !slices.ContainsFunc(p.listNames(), func(known string) bool { return known == name }) {
			problems = append(problems, fmt.Errorf("path %q names signer %q, who has no key", rule.Path, name))
		}
	}
	return problems
}

// listNames gives all names of all signers.
func (p *Policy) listNames() []string {
	var names []string
	for _, s := range p.signers {
		names = append(names, s.principal)
	}
	for _, entity := range p.pgp {
		names = append(names, pgpNames(entity)...)
	}
	return names
}

func (p *Policy) readSigners(text []byte) (problems []error) {
	for number, line := range strings.Split(string(text), "\n") {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		signers, err := parseSigner(line)
		if err != nil {
			problems = append(problems, fmt.Errorf("allowed signers, line %d: %w", number+1, err))
		}
		p.signers = append(p.signers, signers...)
	}
	return problems
}

func (p *Policy) readRevoked(text []byte) (problems []error) {
	for number, line := range strings.Split(string(text), "\n") {
		if line = strings.TrimSpace(line); line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(line))
		if err != nil {
			problems = append(problems, fmt.Errorf("revoked keys, line %d: %w: only public keys are read, no KRL",
				number+1, err))
			continue
		}
		p.revoked[string(key.Marshal())] = true
	}
	return problems
}

// parseSigner reads principals, options and a key. ssh.ParseAuthorizedKey reads options and key the same way.
func parseSigner(line string) ([]sshSigner, error) {
	principals, rest, ok := strings.Cut(line, " ")
	if !ok {
		return nil, errors.New("want principals, options and a public key")
	}
	key, _, options, _, err := ssh.ParseAuthorizedKey([]byte(rest))
	if err != nil {
		return nil, err
	}
	signer := sshSigner{key: key}
	for _, option := range options {
		if err := signer.readOption(option); err != nil {
			return nil, err
		}
	}
	var signers []sshSigner
	for name := range strings.SplitSeq(principals, ",") {
		if name == "" || strings.ContainsAny(name, "*?!\"") {
			return nil, fmt.Errorf("principal %q: patterns are not read, name each signer", name)
		}
		signer.principal = name
		signers = append(signers, signer)
	}
	return signers, nil
}

func (s *sshSigner) readOption(option string) error {
	name, value, _ := strings.Cut(option, "=")
	value = strings.Trim(value, `"`)
	switch strings.ToLower(name) {
	case "namespaces":
		if !slices.Contains(strings.Split(value, ","), "git") {
			return fmt.Errorf("option %s: the key is not for the namespace git", option)
		}
		return nil
	case "valid-after":
		return readTime(&s.after, option, value)
	case "valid-before":
		return readTime(&s.before, option, value)
	default:
		return fmt.Errorf("option %q is not read", option)
	}
}

// readTime reads YYYYMMDD[HHMM[SS]][Z]. Without Z OpenSSH means local time, which depends on where the daemon runs:
// such a time is refused.
func readTime(at *time.Time, option, value string) error {
	text, utc := strings.CutSuffix(value, "Z")
	layouts := map[int]string{8: "20060102", 12: "200601021504", 14: "20060102150405"}
	parsed, err := time.Parse(layouts[len(text)], text)
	if err != nil || !utc {
		return fmt.Errorf("option %s: want a time such as 20261231Z, in UTC", option)
	}
	*at = parsed
	return nil
}

// Verify gives the names of the signers of the payload, or says why the signature does not count. Signatures are
// armored, of SSH (PROTOCOL.sshsig, namespace git) or of PGP.
func (p *Policy) Verify(signature string, payload []byte) (names []string, err error) {
	switch {
	case strings.TrimSpace(signature) == "":
		return nil, errors.New("it is not signed")
	case strings.Contains(signature, "BEGIN SSH SIGNATURE"):
		return p.verifySSH(signature, payload)
	case strings.Contains(signature, "BEGIN PGP SIGNATURE"):
		return p.verifyPGP(signature, payload)
	default:
		return nil, errors.New("its signature is neither SSH's nor PGP's")
	}
}

func (p *Policy) verifySSH(signature string, payload []byte) ([]string, error) {
	parsed, err := sshsig.Unarmor([]byte(signature))
	if err != nil {
		return nil, fmt.Errorf("its signature cannot be read: %w", err)
	}
	key := parsed.PublicKey
	if p.revoked[string(key.Marshal())] {
		return nil, fmt.Errorf("its key %s is revoked", ssh.FingerprintSHA256(key))
	}
	if err := sshsig.Verify(bytes.NewReader(payload), parsed, key, parsed.HashAlgorithm, "git"); err != nil {
		return nil, fmt.Errorf("its signature is wrong: %w", err)
	}
	var names []string
	for _, s := range p.signers {
		now := p.now()
		if bytes.Equal(s.key.Marshal(), key.Marshal()) && !now.Before(s.after) &&
			(s.before.IsZero() || now.Before(s.before)) {
			names = append(names, s.principal)
		}
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("its key %s is not an allowed signer's", ssh.FingerprintSHA256(key))
	}
	return names, nil
}

func (p *Policy) verifyPGP(signature string, payload []byte) ([]string, error) {
	entity, err := openpgp.CheckArmoredDetachedSignature(p.pgp, bytes.NewReader(payload), strings.NewReader(signature),
		nil)
	if err != nil {
		return nil, fmt.Errorf("its PGP signature does not count: %w", err)
	}
	return pgpNames(entity), nil
}

func pgpNames(entity *openpgp.Entity) []string {
	var names []string
	for name, identity := range entity.Identities {
		names = append(names, name)
		if identity.UserId != nil && identity.UserId.Email != "" {
			names = append(names, identity.UserId.Email)
		}
	}
	slices.Sort(names)
	return names
}

// AllowsChange reports whether a signer of these names may change a path, and otherwise which signers may.
func (p *Policy) AllowsChange(names []string, file string) (allowed bool, mayChange []string) {
	for _, rule := range p.rules {
		if dir, isDirectory := strings.CutSuffix(rule.Path, "/"); isDirectory {
			if !strings.HasPrefix(file, dir+"/") {
				continue
			}
		} else if matched, err := path.Match(rule.Path, file); err != nil || !matched {
			continue
		}
		return slices.ContainsFunc(names, func(name string) bool { return slices.Contains(rule.Signers, name) }),
			rule.Signers
	}
	return true, nil
}
