package daemon

import (
	"fmt"
	"maps"
	"sync"

	"github.com/gitmetal/ingot/internal/secret"
	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/secrets"
)

// vault opens the Secrets of the accepted fleet, when they are used and not before, and once each.
type vault struct {
	keys secrets.Keys

	mu     sync.Mutex
	sealed map[string]inventory.Sealed
	opened map[string]map[string]secret.Value
}

func newVault(keyFile string) (*vault, error) {
	v := &vault{opened: map[string]map[string]secret.Value{}}
	if keyFile == "" {
		return v, nil
	}
	var err error
	v.keys, err = secrets.LoadKeys(keyFile)
	return v, err
}

// take replaces the Secrets by those of another commit.
func (v *vault) take(sealed map[string]inventory.Sealed) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.sealed, v.opened = sealed, map[string]map[string]secret.Value{}
}

func (v *vault) open(name string) (map[string]secret.Value, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if data, ok := v.opened[name]; ok {
		return maps.Clone(data), nil
	}
	sealed, ok := v.sealed[name]
	if !ok {
		return nil, fmt.Errorf("there is no Secret %q", name)
	}
	data, err := secrets.Open(sealed.Document, v.keys)
	if err != nil {
		return nil, fmt.Errorf("secret %s (%s): %w", name, sealed.File, err)
	}
	v.opened[name] = data
	return maps.Clone(data), nil
}
