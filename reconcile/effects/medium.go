package effects

import (
	"context"

	"github.com/gitmetal/ingot/agent/wire"
	"github.com/gitmetal/ingot/inventory"
)

// served is the medium that this process serves to a host.
type served struct {
	boot  string
	epoch inventory.Epoch
	url   string
	// shown is how the BMC names the URL: some rewrite it.
	shown string
}

// serve lets the agent of the record's boot in and serves its medium, from the moment the boot is opened until it is closed. It is repeated at every
// look, so that all of it is there again after a restart, and a medium ends with its boot.
func (e *Effects) serve(ctx context.Context, desired inventory.Desired, record inventory.Record) error {
	if err := e.withdraw(record); err != nil {
		return err
	}
	boot := record.Boot
	if boot == nil || boot.Target != inventory.FromRamdisk {
		return nil
	}
	if err := e.config.Hub.Expect(ctx, record.Host, boot.ID, boot.Epoch); err != nil {
		return err
	}
	return e.publish(desired, record)
}

// publish serves the boot's medium, once per process.
func (e *Effects) publish(desired inventory.Desired, record inventory.Record) error {
	boot := record.Boot
	if e.serving(record.Host).boot == boot.ID {
		return nil
	}
	medium := Medium{Config: wire.BootConfig{
		Version: wire.Version,
		Host:    record.Host,
		Boot:    boot.ID,
		Epoch:   boot.Epoch,
		Token:   e.config.Hub.Token(record.Host, boot.ID, boot.Epoch).Reveal(),
		URLs:    e.config.URLs,
		Pins:    []string{e.config.Pin},
		Time:    e.config.Now().UTC(),
	}}
	if desired.Network != nil {
		medium.Network = desired.Network.Ramdisk
	}
	url, err := e.config.Media.Publish(medium)
	if err != nil {
		return err
	}
	e.serves(record.Host, served{boot: boot.ID, epoch: boot.Epoch, url: url, shown: url})
	return nil
}

// withdraw ends the serving of every medium but that of the record's boot; its URL is dead from then on.
func (e *Effects) withdraw(record inventory.Record) error {
	old := e.serving(record.Host)
	if old.boot == "" || (record.Boot != nil && record.Boot.ID == old.boot) {
		return nil
	}
	if err := e.config.Media.Withdraw(record.Host, old.boot, old.epoch); err != nil {
		return err
	}
	e.serves(record.Host, served{})
	return nil
}

func (e *Effects) serving(host string) served {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.served[host]
}

func (e *Effects) serves(host string, s served) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.served[host] = s
}

func (e *Effects) observeMedia(record inventory.Record) inventory.MediaState {
	boot := record.Boot
	if boot == nil || boot.Target != inventory.FromRamdisk {
		return inventory.MediaState{}
	}
	state := inventory.MediaState{URL: e.serving(record.Host).url}
	state.Reads, state.Last = e.config.Media.Reads(record.Host, boot.ID, boot.Epoch)
	return state
}
