package daemon

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"sync"
	"time"

	"github.com/gitmetal/ingot/boot/console"
	"github.com/gitmetal/ingot/internal/daemon/config"
	"github.com/gitmetal/ingot/internal/secret"
	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/secrets"
	"github.com/gitmetal/ingot/inventory/secrets/sops"
)

// vault opens the Secrets of the accepted fleet, when they are used and not before, and once each.
type vault struct {
	keys    secrets.Keys
	program sops.Program
	now     func() time.Time

	ever console.Secrets // all that were opened, to be masked wherever machines speak

	running sync.Mutex // one run of the program at a time: many hosts share a Secret

	mu     sync.Mutex
	sealed map[string]inventory.Sealed
	opened map[string]map[string]secret.Value
	failed map[string]failure // of the program
}

// failure is why a Secret could not be opened.
type failure struct {
	err error
	at  time.Time
}

// pause is how long a failure of the program is taken for its answer: a key service that is away must not hold up everybody's looks.
const pause = time.Minute

func newVault(keyFile string, other config.Secrets) (*vault, error) {
	v := &vault{program: other.Program(os.LookupEnv), now: time.Now}
	v.take(nil)
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
	v.sealed, v.opened, v.failed = sealed, map[string]map[string]secret.Value{}, map[string]failure{}
}

func (v *vault) open(ctx context.Context, name string) (map[string]secret.Value, error) {
	data, sealed, err := v.look(name)
	if data != nil || err != nil {
		return data, err
	}
	data, err = secrets.OpenSecret(sealed.Document, v.keys)
	if errors.As(err, new(secrets.OtherKeys)) {
		data, err = v.ask(ctx, sealed)
	}
	if err != nil {
		return nil, fmt.Errorf("secret %s (%s): %w", name, sealed.File, err)
	}
	v.keep(sealed, data, nil)
	return maps.Clone(data), nil
}

// ask has the program open what no age key opens.
func (v *vault) ask(ctx context.Context, sealed inventory.Sealed) (map[string]secret.Value, error) {
	v.running.Lock()
	defer v.running.Unlock()
	data, now, err := v.look(sealed.Name)
	if data != nil || err != nil {
		return data, err
	}
	v.mu.Lock()
	last := v.failed[sealed.Name]
	v.mu.Unlock()
	if last.err != nil && v.now().Before(last.at.Add(pause)) {
		return nil, last.err
	}
	if data, err = v.program.OpenSecret(ctx, now.Document); err != nil {
		err = fmt.Errorf("no age key opens it: %w", err)
	}
	v.keep(now, data, err)
	return data, err
}

// look gives what is opened already, or else what is sealed.
func (v *vault) look(name string) (map[string]secret.Value, inventory.Sealed, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	sealed, ok := v.sealed[name]
	if !ok {
		return nil, sealed, fmt.Errorf("there is no Secret %q", name)
	}
	return maps.Clone(v.opened[name]), sealed, nil
}

// keep remembers what was opened, or why it could not be, unless the fleet has another meanwhile: that is masked all the same, since it is used.
func (v *vault) keep(sealed inventory.Sealed, data map[string]secret.Value, err error) {
	_, account := data["password"]
	for key, value := range data {
		if key != "username" || !account { // the name of an account is no secret
			v.ever.Add(value)
		}
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	switch now := v.sealed[sealed.Name]; {
	case now.File != sealed.File || string(now.Document) != string(sealed.Document):
	case err != nil:
		v.failed[sealed.Name] = failure{err, v.now()}
	default:
		v.opened[sealed.Name] = data
	}
}
