package effects

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/gitmetal/ingot/boot/ignition"
	"github.com/gitmetal/ingot/internal/secret"
	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/refs"
	"github.com/gitmetal/ingot/schemas"
)

// configs remembers the results of renderings. A rendered config holds secrets and is not kept.
type configs struct {
	rendering sync.Mutex // one rendering at a time: a config may be large

	mu    sync.Mutex
	known map[[sha256.Size]byte]renderResult // by the digest of all inputs
}

// renderResult is the result of one rendering.
type renderResult struct {
	err error
	at  time.Time
}

// Bounds of the memory.
const (
	maxKnown     = 20_000      // over the bound the memory starts afresh
	failurePause = time.Minute // a failed rendering is repeated after the pause: a disk may have been full
)

// observeConfig renders the host's config, with secrets, as far as a rendering is possible before the operation. A host
// without a due config gets the zero state.
func (e *Effects) observeConfig(desired inventory.Desired, record inventory.Record) inventory.ConfigState {
	if !isConfigDue(desired, record) {
		return inventory.ConfigState{}
	}
	key, err := e.digestConfigInputs(desired)
	if err == nil {
		err = e.tryConfig(key, desired)
	}
	if err == nil {
		return inventory.ConfigState{}
	}
	return inventory.ConfigState{Error: fmt.Sprintf("the config of workload %s cannot be rendered for this host: %s",
		desired.Workload.Name, strings.ReplaceAll(err.Error(), "\n", "; "))}
}

// isConfigDue reports whether a config may be needed: the host does not run the workload, and no operation has written
// the config.
func isConfigDue(desired inventory.Desired, record inventory.Record) bool {
	switch op := record.Operation; {
	case desired.Workload == nil:
		return false
	case op != nil:
		return !op.Verified()
	default:
		return !record.Has(desired.Workload)
	}
}

// tryConfig renders a config, or gives the remembered result. Hosts with the same inputs share a result.
func (e *Effects) tryConfig(key [sha256.Size]byte, desired inventory.Desired) error {
	if last, known := e.findLastTry(key); known {
		return last.err
	}
	e.configs.rendering.Lock()
	defer e.configs.rendering.Unlock()
	if last, known := e.findLastTry(key); known { // meanwhile
		return last.err
	}
	request := ignition.NewRequest(desired)
	request.Host, request.Secrets = "this host", e.openSecret
	if desired.Workload.PhoneHome != schemas.PhoneHomeDisabled {
		request.PhoneHome = &ignition.PhoneHome{URLs: e.config.URLs, Pin: e.config.Pin,
			Token: secret.New("the token of an operation that is not there yet")}
	}
	_, _, err := e.renderConfig(request, desired, "an operation that is not there yet")
	e.configs.mu.Lock()
	defer e.configs.mu.Unlock()
	if e.configs.known == nil || len(e.configs.known) >= maxKnown {
		e.configs.known = map[[sha256.Size]byte]renderResult{}
	}
	e.configs.known[key] = renderResult{err, e.config.Now()}
	return err
}

func (e *Effects) findLastTry(key [sha256.Size]byte) (renderResult, bool) {
	e.configs.mu.Lock()
	defer e.configs.mu.Unlock()
	last, known := e.configs.known[key]
	return last, known && (last.err == nil || e.config.Now().Before(last.at.Add(failurePause)))
}

// digestConfigInputs is different for different inputs of a config. The call opens the secrets; an error names the
// secret that cannot be opened.
func (e *Effects) digestConfigInputs(desired inventory.Desired) ([sha256.Size]byte, error) {
	w := desired.Workload
	parts := []string{w.PhoneHome, w.Ignition, w.Parts["butane"], w.Parts["vars"]}
	if w.WritesImage() { // what the steps say is in the drive
		parts = append(parts, w.Inputs, fmt.Sprint(desired.Vars))
	}
	if w.Butane != nil && w.Parts["butane"] == "" {
		return [sha256.Size]byte{}, errors.New("it was not resolved from a commit: this is a bug in ingot")
	}
	for _, disk := range w.OtherDisks {
		parts = append(parts, disk.String())
	}
	network, err := json.Marshal(ignition.NewRequest(desired).Network)
	if err != nil {
		return [sha256.Size]byte{}, fmt.Errorf("encode the network: %w", err)
	}
	parts = append(parts, string(network))
	for _, ref := range w.Secrets {
		value, err := e.openSecret(ref)
		if err != nil {
			return [sha256.Size]byte{}, err
		}
		parts = append(parts, refs.Ref{Secret: ref}.String(), value.Reveal())
	}
	hash := sha256.New()
	for _, part := range parts {
		fmt.Fprintf(hash, "%d:%s", len(part), part)
	}
	return [sha256.Size]byte(hash.Sum(nil)), nil
}
