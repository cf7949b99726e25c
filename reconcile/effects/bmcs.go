package effects

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/gitmetal/ingot/boot/redfish"
	"github.com/gitmetal/ingot/inventory"
)

// bmcs keeps one conversation per host, and begins a new conversation when address, trust or credentials change.
type bmcs struct {
	secrets Secrets
	open    func(redfish.Config) (*redfish.Client, error)
	fence   func() error

	profiles Profiles // nil: none are kept
	log      *slog.Logger

	mu    sync.Mutex
	known map[inventory.MachineID]*conversation
	reach map[inventory.MachineID]inventory.Reach // at the last try
	ended sync.WaitGroup                          // conversations that are being ended
}

type conversation struct {
	key     [sha256.Size]byte
	client  *redfish.Client
	profile []byte // as it was kept last
}

// logReach logs that a BMC is not reached any more, or is reached again: the phase of a host at rest does not show it.
func (b *bmcs) logReach(host inventory.MachineID, is inventory.BMCState) {
	if is.Reach == inventory.NotAsked {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	switch was := b.reach[host]; {
	case is.Reach.Failed() && is.Reach != was:
		b.log.Warn("BMC not reached", "host", host, "cause", is.Reach, "why", is.Error)
	case !is.Reach.Failed() && was.Failed():
		b.log.Info("BMC reached again", "host", host)
	}
	b.reach[host] = is.Reach
}

// closeTimeout bounds the end of a session; a session that is not ended times out at the BMC.
const closeTimeout = 10 * time.Second

// openClient gives the conversation with the host's BMC. The errors are for people: an error says what the fleet lacks.
func (b *bmcs) openClient(ctx context.Context, desired inventory.Desired) (*redfish.Client, error) {
	config, err := b.readConfig(desired)
	if err != nil {
		return nil, err
	}
	key := digestConfig(config)
	old := b.findConversation(desired.ID)
	if old != nil && old.key == key {
		return old.client, nil
	}
	client, err := b.open(config)
	if err != nil {
		return nil, err
	}
	b.loadProfile(ctx, desired, client)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.known[desired.ID] = &conversation{key: key, client: client}
	if old != nil {
		b.ended.Go(func() { endSession(context.WithoutCancel(ctx), old.client) })
	}
	return client, nil
}

func (b *bmcs) findConversation(host inventory.MachineID) *conversation {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.known[host]
}

// keptProfile is a profile with the BMC that it is of.
type keptProfile struct {
	Address string `json:"address"`
	redfish.Profile
}

// loadProfile has a client begin with what an earlier daemon learned of the same BMC.
func (b *bmcs) loadProfile(ctx context.Context, desired inventory.Desired, client *redfish.Client) {
	if b.profiles == nil {
		return
	}
	var kept keptProfile
	document, err := b.profiles.LoadProfile(ctx, desired.ID)
	if err == nil && document != nil {
		err = json.Unmarshal(document, &kept)
	}
	if err != nil {
		b.log.Debug("what was learned of the BMC is learned anew", "host", desired.ID, "error", err)
		return
	}
	if kept.Address == desired.BMC.Address {
		client.UseProfile(kept.Profile)
	}
}

// saveProfile keeps what was learned of a host's BMC, if it is more or other than before.
func (b *bmcs) saveProfile(ctx context.Context, desired inventory.Desired) {
	c := b.findConversation(desired.ID)
	if b.profiles == nil || c == nil {
		return
	}
	document, err := json.Marshal(keptProfile{desired.BMC.Address, c.client.Profile()})
	if err == nil && bytes.Equal(document, c.profile) {
		return
	}
	if err == nil {
		err = b.profiles.SaveProfile(ctx, desired.ID, document)
	}
	if err != nil {
		b.log.Debug("what was learned of the BMC is not kept", "host", desired.ID, "error", err)
		return
	}
	c.profile = document
}

// secretError is why the Secret with a BMC's credentials cannot be opened.
type secretError struct{ error }

func (b *bmcs) readConfig(desired inventory.Desired) (redfish.Config, error) {
	bmc := desired.BMC
	data, err := b.secrets(bmc.Credentials)
	if err != nil {
		return redfish.Config{}, secretError{err}
	}
	return redfish.Config{
		Address: bmc.Address, Username: data["username"].Reveal(), Password: data["password"],
		TLS: redfish.TLS{Fingerprint: bmc.TLS.Fingerprint, CA: bmc.TLS.CA}, Fence: b.fence,
	}, nil
}

// digestConfig is different for different configurations. The digest stays in memory.
func digestConfig(c redfish.Config) [sha256.Size]byte {
	hash := sha256.New()
	for _, part := range []string{c.Address, c.Username, c.Password.Reveal(), c.TLS.Fingerprint, c.TLS.CA} {
		fmt.Fprintf(hash, "%d:%s", len(part), part)
	}
	return [sha256.Size]byte(hash.Sum(nil))
}

func (b *bmcs) findConsole(host inventory.MachineID) (redfish.SerialConsole, error) {
	known := b.findConversation(host)
	if known == nil {
		return redfish.SerialConsole{}, errors.New("its BMC was not looked at yet")
	}
	switch console, read := known.client.Console(); {
	case !read:
		return redfish.SerialConsole{}, errors.New("its BMC was not looked at yet")
	case console == nil:
		return redfish.SerialConsole{},
			errors.New("its BMC offers no serial console over SSH (SerialConsole.SSH of its ComputerSystem): update " +
				"its firmware, or read it by IPMI")
	case !console.Enabled:
		return redfish.SerialConsole{}, errors.New("its BMC's serial console over SSH is switched off: enable it there")
	case console.Shared && console.Entry == "":
		return redfish.SerialConsole{},
			errors.New("its BMC has the serial console behind its command line, and does not say how it is entered " +
				"(ConsoleEntryCommand)")
	default:
		return *console, nil
	}
}

// closeSessions ends every session.
func (b *bmcs) closeSessions(ctx context.Context) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for host, c := range b.known {
		delete(b.known, host)
		b.ended.Go(func() { endSession(ctx, c.client) })
	}
	b.ended.Wait()
}

func endSession(ctx context.Context, client *redfish.Client) {
	ctx, cancel := context.WithTimeout(ctx, closeTimeout)
	defer cancel()
	_ = client.Close(ctx)
}
