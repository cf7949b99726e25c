package steps

import (
	"errors"
	"fmt"

	"github.com/gitmetal/ingot/agent/facts/partitions"
	"github.com/gitmetal/ingot/agent/wire"
)

// setMark sets the disk GUID by which the install is recognised later, once the image is verified and before the
// machine can start from the disk, and gives the partition table, as it was read back, to note. A disk without a GPT
// has no mark: nothing is noted, and the daemon does not recognise the install. First boots keep the mark: Fedora
// CoreOS replaces only the GUID of its images (coreos-gpt-setup).
func setMark(verified Verified, mark string, note func(wire.Table)) error {
	if mark == "" {
		return nil
	}
	table, err := partitions.SetGUID(verified.device, verified.size, verified.sector, mark)
	if errors.Is(err, partitions.ErrNoGPT) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("mark %s: %w", verified.device.Path(), err)
	}
	if note != nil {
		note(table)
	}
	return nil
}
