package daemon

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"sync"
	"time"

	"filippo.io/age"

	"github.com/gitmetal/ingot/boot/console"
	"github.com/gitmetal/ingot/internal/daemon/config"
	"github.com/gitmetal/ingot/internal/daemon/rotations"
	"github.com/gitmetal/ingot/internal/secret"
	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/secrets"
	"github.com/gitmetal/ingot/inventory/secrets/ageplugin"
	"github.com/gitmetal/ingot/inventory/secrets/sops"
)

// vault opens the Secrets of the accepted fleet, every Secret once and only when it is used.
type vault struct {
	keys    secrets.Keys
	plugins bool // a key is one of an age plug-in, a program that takes its time
	program sops.Program
	now     func() time.Time

	// newer gives the values of a Secret that the BMC has and the trunk does not yet
	newer func(name string) (data map[string]secret.Value, has bool, err error)

	everOpened console.Secrets // every opened value, masked in the output of machines

	running sync.Mutex // one run of the program at a time: many hosts share a Secret

	mu     sync.Mutex
	sealed map[string]inventory.Sealed
	opened map[string]map[string]secret.Value
	failed map[string]failure // of a program
}

// failure is why a Secret could not be opened.
type failure struct {
	err error
	at  time.Time
}

// failureTTL is how long a failure of the program is remembered: an unreachable key service must not delay the looks at
// every host.
const failureTTL = time.Minute

func newVault(keyFile string, other config.Secrets) (*vault, error) {
	v := &vault{program: other.NewProgram(os.LookupEnv), now: time.Now, newer: (*rotations.Keeper)(nil).Open}
	v.replaceSecrets(nil)
	if keyFile == "" {
		return v, nil
	}
	var err error
	v.keys, err = secrets.LoadKeys(keyFile, func(text string) (age.Identity, error) {
		v.plugins = true
		return ageplugin.NewIdentity(text)
	})
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("%w: name the file that `age-keygen -o FILE` made", err)
	}
	return v, err
}

// describeOpener says whose Secrets the vault opens.
func (v *vault) describeOpener() *inventory.Opener {
	return &inventory.Opener{Recipients: v.keys.Recipients(), OtherKeys: v.keys.HasOthers() || v.program.Path != ""}
}

// replaceSecrets replaces the Secrets by the Secrets of a new commit.
func (v *vault) replaceSecrets(sealed map[string]inventory.Sealed) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.sealed, v.opened, v.failed = sealed, map[string]map[string]secret.Value{}, map[string]failure{}
}

func (v *vault) openSecret(ctx context.Context, name string) (map[string]secret.Value, error) {
	if data, has, err := v.newer(name); has || err != nil {
		return data, err
	}
	data, sealed, err := v.findSecret(name)
	if data != nil || err != nil {
		return data, err
	}
	if v.plugins {
		data, err = v.openOnce(sealed, func(now inventory.Sealed) (map[string]secret.Value, error) {
			return v.openWithKeys(ctx, now)
		})
	} else if data, err = secrets.OpenSecret(sealed.Document, v.keys); errors.As(err, new(secrets.OtherKeys)) {
		data, err = v.openOnce(sealed, func(now inventory.Sealed) (map[string]secret.Value, error) {
			return v.askProgram(ctx, now)
		})
	}
	if err != nil {
		return nil, fmt.Errorf("the Secret %s (%s) cannot be opened: %w", name, sealed.File, err)
	}
	v.keepResult(sealed, data, nil)
	return maps.Clone(data), nil
}

// openWithKeys opens a Secret with the age keys, else with the program.
func (v *vault) openWithKeys(ctx context.Context, sealed inventory.Sealed) (map[string]secret.Value, error) {
	data, err := secrets.OpenSecret(sealed.Document, v.keys)
	if errors.As(err, new(secrets.OtherKeys)) {
		return v.askProgram(ctx, sealed)
	}
	return data, err
}

// askProgram has the program open a Secret that no age key opens.
func (v *vault) askProgram(ctx context.Context, sealed inventory.Sealed) (map[string]secret.Value, error) {
	data, err := v.program.OpenSecret(ctx, sealed.Document)
	if err != nil {
		err = fmt.Errorf("no age key opens it: %w", err)
	}
	return data, err
}

// openOnce opens a Secret with another program, sops or a plug-in of age: one run at a time, and not again for a while
// after a failure.
func (v *vault) openOnce(
	sealed inventory.Sealed, open func(inventory.Sealed) (map[string]secret.Value, error),
) (map[string]secret.Value, error) {
	v.running.Lock()
	defer v.running.Unlock()
	data, now, err := v.findSecret(sealed.Name)
	if data != nil || err != nil {
		return data, err
	}
	v.mu.Lock()
	last := v.failed[sealed.Name]
	v.mu.Unlock()
	if last.err != nil && v.now().Before(last.at.Add(failureTTL)) {
		return nil, last.err
	}
	data, err = open(now)
	v.keepResult(now, data, err)
	return data, err
}

// findSecret gives a Secret's opened values, if it was opened, and the sealed document.
func (v *vault) findSecret(name string) (map[string]secret.Value, inventory.Sealed, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	sealed, ok := v.sealed[name]
	if !ok {
		return nil, sealed, fmt.Errorf("there is no Secret %q", name)
	}
	return maps.Clone(v.opened[name]), sealed, nil
}

// keepResult remembers the opened values or the error, unless the fleet has a different document meanwhile. Opened
// values are masked in any case, because they are used.
func (v *vault) keepResult(sealed inventory.Sealed, data map[string]secret.Value, err error) {
	_, account := data["password"]
	for key, value := range data {
		if key != "username" || !account { // the name of an account is not masked
			v.everOpened.Add(value)
		}
	}
	for _, key := range sealed.Binary {
		if bytes, err := base64.StdEncoding.DecodeString(data[key].Reveal()); err == nil {
			v.everOpened.Add(secret.New(string(bytes)))
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
