package effects

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/gitmetal/ingot/boot/redfish"
	"github.com/gitmetal/ingot/inventory"
)

// bmcs keeps one conversation per host, and begins a new conversation when address, trust or credentials change.
type bmcs struct {
	secrets Secrets
	open    func(redfish.Config) (*redfish.Client, error)

	mu    sync.Mutex
	known map[inventory.MachineID]*conversation
	ended sync.WaitGroup // conversations that are being ended
}

type conversation struct {
	key    [sha256.Size]byte
	client *redfish.Client
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
	b.mu.Lock()
	defer b.mu.Unlock()
	old := b.known[desired.ID]
	if old != nil && old.key == key {
		return old.client, nil
	}
	client, err := b.open(config)
	if err != nil {
		return nil, err
	}
	b.known[desired.ID] = &conversation{key, client}
	if old != nil {
		b.ended.Go(func() { endSession(context.WithoutCancel(ctx), old.client) })
	}
	return client, nil
}

func (b *bmcs) readConfig(desired inventory.Desired) (redfish.Config, error) {
	bmc := desired.BMC
	data, err := b.secrets(bmc.Credentials)
	if err != nil {
		return redfish.Config{}, fmt.Errorf("credentials of the BMC: %w", err)
	}
	return redfish.Config{
		Address: bmc.Address, Username: data["username"].Reveal(), Password: data["password"],
		TLS: redfish.TLS{Fingerprint: bmc.TLS.Fingerprint, CA: bmc.TLS.CA},
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
	b.mu.Lock()
	known := b.known[host]
	b.mu.Unlock()
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
