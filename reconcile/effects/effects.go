// Package effects touches the machines for the loop: over the BMC, the boot medium, the image mirror and the agents'
// hub. Call New, then Effects.Serve and Effects.Observe to look at a host, and Effects.Do to carry out one action of a
// plan.
//
// Do not decide here: the planner answers every question, and the loop does every wait and every retry. An effect
// starts something or finds the work done, and returns.
package effects

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/gitmetal/ingot/agent/hub"
	"github.com/gitmetal/ingot/boot/images"
	"github.com/gitmetal/ingot/boot/media"
	"github.com/gitmetal/ingot/boot/redfish"
	"github.com/gitmetal/ingot/internal/secret"
	"github.com/gitmetal/ingot/inventory"
)

// Secrets opens a Secret of the accepted fleet by its name.
type Secrets func(name string) (map[string]secret.Value, error)

// Profiles keeps a document per host with what was learned of the host's BMC. A lost document costs requests only.
type Profiles interface {
	// LoadProfile gives nil for a host without a document.
	LoadProfile(ctx context.Context, id inventory.MachineID) ([]byte, error)
	SaveProfile(ctx context.Context, id inventory.MachineID, document []byte) error
}

// Config is what effects need. All members but Now, Log, Profiles and OpenBMC are required.
type Config struct {
	Hub     *hub.Hub
	Media   *media.Server
	Images  *images.Store
	Secrets Secrets
	URLs    []string // base URLs of the agents' API, as machines reach the API
	Pin     string   // of the key behind the URLs: hub.Identity.Pin
	Now     func() time.Time
	Log     *slog.Logger
	OpenBMC func(redfish.Config) (*redfish.Client, error) // default redfish.Open
	// Profiles keeps what was learned of the BMCs over restarts. Default: nothing is kept.
	Profiles Profiles
	// Runs takes what runs of kernels of one's own say. Without it no such run begins.
	Runs Runs
	// Fence is asked right before each request that changes something at a BMC; an error keeps the request back.
	// Default: none.
	Fence func() error
	// Mask hides known secrets in the words of BMCs and machines, before the words are kept or shown. Default: as said.
	Mask func(string) string
}

// Effects implements the loop's Observer and Executor. Calls for several hosts may overlap; calls for one host may not.
type Effects struct {
	config  Config
	bmcs    bmcs
	configs configs
	kernels kernels
}

// New makes effects. The caller closes the effects.
func New(config Config) (*Effects, error) {
	if config.Hub == nil || config.Media == nil || config.Images == nil || config.Secrets == nil ||
		len(config.URLs) == 0 || config.Pin == "" {
		return nil, errors.New("effects lack one of their parts")
	}
	if config.Now == nil {
		config.Now = time.Now
	}
	if config.Log == nil {
		config.Log = slog.New(slog.DiscardHandler)
	}
	if config.Mask == nil {
		config.Mask = func(text string) string { return text }
	}
	if config.OpenBMC == nil {
		config.OpenBMC = redfish.Open
	}
	return &Effects{
		config: config,
		bmcs: bmcs{secrets: config.Secrets, open: config.OpenBMC, fence: config.Fence,
			profiles: config.Profiles, log: config.Log, known: map[inventory.MachineID]*conversation{},
			reach: map[inventory.MachineID]inventory.Reach{}},
	}, nil
}

// Console is the serial console of a host's BMC, as the last look found the console; an error says why the console is
// unknown.
func (e *Effects) Console(host inventory.MachineID) (redfish.SerialConsole, error) {
	return e.bmcs.findConsole(host)
}

// Close ends the sessions at the BMCs.
func (e *Effects) Close(ctx context.Context) { e.bmcs.closeSessions(ctx) }
