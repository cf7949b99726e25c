package agent

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// loadKey reads the key that an earlier process of this boot made, or makes and keeps a new key. A file without a key
// is an error: the daemon takes a second key with the same token for a theft of the token.
func loadKey(file string) (*ecdsa.PrivateKey, error) {
	if file == "" {
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	}
	der, err := os.ReadFile(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return makeKey(file)
	case err != nil:
		return nil, fmt.Errorf("read the agent's key: %w", err)
	}
	key, err := x509.ParseECPrivateKey(der)
	if err != nil {
		return nil, fmt.Errorf("%s is not the key of an agent, reboot the machine: %w", file, err)
	}
	return key, nil
}

// makeKey writes a new key to the file before the first use of the key. The file is written completely or not at all.
func makeKey(file string) (*ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make a key: %w", err)
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("make a key: %w", err)
	}
	temporary, err := os.CreateTemp(filepath.Dir(file), ".key-") // mode 0600
	if err != nil {
		return nil, fmt.Errorf("keep the agent's key: %w", err)
	}
	_, err = temporary.Write(der)
	if err = errors.Join(err, temporary.Close()); err == nil {
		err = os.Rename(temporary.Name(), file)
	}
	if err != nil {
		os.Remove(temporary.Name())
		return nil, fmt.Errorf("keep the agent's key: %w", err)
	}
	return key, nil
}
