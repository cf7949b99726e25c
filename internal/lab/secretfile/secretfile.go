// Package secretfile has Secrets for tests that can be opened: the reader of a fleet refuses a sops section that nobody could
// open. Take BMC where the credentials of BMCs are needed, and SealFile for any other Secret. Identity opens both. The
// key is public: do not use the package for anything but tests and made-up fleets.
package secretfile

import (
	_ "embed" // the files beside this one
	"strings"
	"sync"
	"time"

	"filippo.io/age"

	"github.com/gitmetal/ingot/inventory/secrets"
)

// BMC is the Secret bmc for all hosts, with the keys username and password, as `ingot secret create` made the file.
//
//go:embed bmc.yaml
var BMC string

// Identity is the age identity that opens the Secrets of this package.
//
//go:embed bmc.key
var Identity string

// Marker is the last line of a Secret in clear that SealFile seals.
const Marker = "sops: sealed\n"

// border parts the documents of a file.
const border = "---\n"

var (
	mu    sync.Mutex
	known = map[string]string{} // sealed by clear text: the same text is sealed once
)

// SealFile gives a file with each Secret in clear that ends with the Marker sealed for Identity; all else stays as it
// is. The same text gives the same file as long as the process runs.
func SealFile(file string) string {
	documents := strings.Split(file, border)
	for i, text := range documents {
		if clear, marked := strings.CutSuffix(text, Marker); marked {
			documents[i] = sealOnce(clear)
		}
	}
	return strings.Join(documents, border)
}

func sealOnce(clear string) string {
	mu.Lock()
	defer mu.Unlock()
	if known[clear] == "" {
		known[clear] = seal(clear)
	}
	return known[clear]
}

// seal panics where the text is no Secret: the text stands in a test.
func seal(clear string) string {
	identity, err := age.ParseX25519Identity(strings.TrimSpace(Identity))
	if err != nil {
		panic(err)
	}
	document, err := secrets.SealText([]byte(clear), nil, []age.Recipient{identity.Recipient()}, time.Unix(1e9, 0))
	if err != nil {
		panic(err)
	}
	return string(document)
}
