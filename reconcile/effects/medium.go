package effects

import (
	"context"
	"errors"

	"github.com/gitmetal/ingot/agent/hub"
	"github.com/gitmetal/ingot/agent/wire"
	"github.com/gitmetal/ingot/boot/media"
	"github.com/gitmetal/ingot/boot/network"
	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/schemas"
)

func mediumKey(record inventory.Record) media.Key {
	return media.Key{Host: string(record.ID), Boot: record.Boot.ID, Epoch: record.Boot.Epoch}
}

func bootsRamdisk(record inventory.Record) bool {
	return record.Boot != nil && record.Boot.Target == inventory.FromRamdisk
}

// Serve lets the agent of the record's boot enrol, and serves the boot's medium, from the opening of the boot to the
// end of the boot. Call Serve before every look, so that agents find a restarted daemon unchanged; a repeated call
// changes nothing.
func (e *Effects) Serve(ctx context.Context, desired inventory.Desired, record inventory.Record) inventory.Served {
	err := e.serveBoot(ctx, desired, record)
	if errors.Is(err, hub.ErrStale) {
		return inventory.Served{Stale: explainUnknownAgent(err)}
	}
	return inventory.Served{Unknown: explainUnknownAgent(err)}
}

func (e *Effects) serveBoot(ctx context.Context, desired inventory.Desired, record inventory.Record) error {
	if !bootsRamdisk(record) {
		e.config.Media.Withdraw(string(record.ID))
		return nil
	}
	if bootsKernel(record) {
		return e.serveKernel(desired, record)
	}
	boot := record.Boot
	if err := e.config.Hub.Expect(ctx, string(record.ID), boot.ID, boot.Epoch, boot.Agent); err != nil {
		return err
	}
	if boot.Agent != "" { // runs from the discovery medium
		e.config.Media.Withdraw(string(record.ID))
		return nil
	}
	if e.config.Media.Published(mediumKey(record)) {
		return nil
	}
	files, err := e.buildBootFiles(desired, record)
	if err != nil {
		return err
	}
	return e.config.Media.Publish(mediumKey(record), files)
}

// buildBootFiles are the files that tie the ramdisk to this boot.
func (e *Effects) buildBootFiles(desired inventory.Desired, record inventory.Record) ([]media.File, error) {
	var wanted *schemas.Network
	if desired.Network != nil {
		wanted = desired.Network.Ramdisk
	}
	boot := record.Boot
	return media.BootFiles(wire.BootConfig{
		Version: wire.Version,
		Host:    string(record.ID),
		Boot:    boot.ID,
		Epoch:   boot.Epoch,
		Token:   e.config.Hub.BootToken(string(record.ID), boot.ID, boot.Epoch).Reveal(),
		URLs:    e.config.URLs,
		Pins:    []string{e.config.Pin},
		Time:    e.config.Now().UTC(),
	}, network.Networkd(wanted))
}

func (e *Effects) observeMedia(record inventory.Record) inventory.MediaState {
	if !bootsRamdisk(record) || !e.config.Media.Published(mediumKey(record)) {
		return inventory.MediaState{}
	}
	reads := e.config.Media.Reads(mediumKey(record))
	return inventory.MediaState{URL: e.config.Media.URL(mediumKey(record)), Reads: reads.Requests, Last: reads.Last,
		Parts: reads.Parts}
}
