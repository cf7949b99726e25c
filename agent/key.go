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

// loadKey reads the key that an agent of this boot made before, or makes one and keeps it. A file that holds no key is an error: another key with
// the same token would be taken for a theft of it.
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

// makeKey keeps the key before it is used for the first time; the file is there whole or not at all.
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
