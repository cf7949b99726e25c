package sim

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"slices"

	"github.com/gitmetal/ingot/agent/wire"
)

// diskSize is the size of every disk that a machine has from its maker, or that replaces one.
const diskSize = 64 << 30

// pageSize is the unit in which bytes are kept.
const pageSize = 4 << 10

// holds says what a disk really holds, whoever believes what.
type holds string

// Contents of a disk.
const (
	nothing  holds = "nothing"
	aForeign holds = "another system" // installed by a person
	aPartial holds = "half an install"
	aSystem  holds = "an install"
	// aPrepared is what the script of an operation wrote, whole or not
	aPrepared holds = "what a script wrote"
)

// disk keeps the bytes that are not zero, and what they are.
type disk struct {
	serial  string
	model   string
	size    int64
	pages   map[int64][]byte
	holds   holds
	install string // id of the operation of aSystem and aPartial
	foreign int    // number of the system that a person installed
	used    int    // counts what running systems wrote
	system  system // of aSystem
	writer  *writer
	data    bool     // a script may write to the disk, and no install
	blanked bool     // a look says that it cannot be read
	mark    string   // of aSystem: the GUID of its partition table
	halves  []string // installs that ended in the middle, one over the other, before the half install that is there
}

// system is what an install left on a disk, as far as its system needs it.
type system struct {
	host, install, commit string
	epoch                 uint64
	attempt               int
	token                 string
}

// writer is one process of an agent that writes.
type writer struct {
	machine *machine
	boot    string
	job     string
	attempt int
	dead    bool
}

func newDisk(serial string) *disk {
	return &disk{serial: serial, model: "simulated", size: diskSize, pages: map[int64][]byte{}, holds: nothing}
}

// newDataDisk is a disk that the fleet names for steps: blank, or with somebody's data.
func (w *world) newDataDisk(serial string) *disk {
	data := newDisk(serial)
	data.model, data.size, data.data = "data", diskSize/4, true
	if newDice(w.seed, "data on "+serial).chance(0.4) {
		w.people.installs++
		data.holds, data.foreign = aForeign, w.people.installs
	}
	return data
}

// newSecondDisk is a disk beside the root disk: like the root disk, or of another size, or of another model; blank, or
// with somebody's data.
func (w *world) newSecondDisk(serial string, d *dice) *disk {
	extra := newDisk(serial)
	switch d.below(3) {
	case 0:
		extra.size = diskSize / 2
	case 1:
		extra.model = "another"
	}
	if d.chance(0.5) {
		w.people.installs++
		extra.holds, extra.foreign = aForeign, w.people.installs
	}
	return extra
}

// wipe makes the disk as new.
func (d *disk) wipe() {
	clear(d.pages)
	d.holds, d.install, d.foreign, d.used, d.system, d.halves = nothing, "", 0, 0, system{}, nil
}

// label is what the disk holds, for stories and rules.
func (d *disk) label() string {
	switch d.holds {
	case aSystem, aPartial:
		return string(d.holds) + " of " + d.install
	case aForeign:
		return fmt.Sprintf("%s %d", d.holds, d.foreign)
	default:
		return string(d.holds)
	}
}

// content is the disk as a look of the agent finds it.
func (d *disk) content() wire.Content {
	switch {
	case d.blanked:
		return wire.Content{Unreadable: "read /dev/vda: input/output error"}
	case d.holds == nothing:
		return wire.Content{Blank: true}
	}
	h := fnv.New64a()
	fmt.Fprintf(h, "%s %s %d %d", d.holds, d.install, d.foreign, d.used)
	return wire.Content{Signature: "v2:" + hex.EncodeToString(h.Sum(nil)), Summary: "gpt: " + string(d.holds)}
}

// table is the partition table as a look of the agent finds it.
func (d *disk) table() *wire.Table {
	switch {
	case d.blanked:
		return nil
	case d.holds == nothing, d.holds == aPartial:
		return &wire.Table{Kind: wire.TableNone, Valid: true, Alone: true}
	}
	guid := d.mark
	if d.holds == aForeign {
		guid = fmt.Sprintf("00000000-0000-4000-a000-%012d", d.foreign)
	}
	return &wire.Table{Kind: wire.TableGPT, Valid: true, GUID: guid, Sector: 512,
		Partitions: []wire.Partition{{Number: 1, GUID: "of the image", First: 2048, Last: 1 << 20}}}
}

// countFitting is how many disks of the machine a host's hint fits.
func (m *machine) countFitting(h hostSpec) (count int) {
	for _, d := range m.disks {
		if h.fits(d) {
			count++
		}
	}
	return count
}

// diskOf is the index of the disk with a serial.
func (m *machine) diskOf(serial string) int {
	return slices.IndexFunc(m.disks, func(d *disk) bool { return d.serial == serial })
}

// opened is a disk that an agent has opened.
type opened struct {
	disk *disk
	who  *writer
}

var errUnplugged = errors.New("no such device")

// ReadAt implements steps.Device.
func (o *opened) ReadAt(p []byte, at int64) (int, error) {
	if o.who.dead {
		return 0, errUnplugged
	}
	if at >= o.disk.size {
		return 0, io.EOF
	}
	clear(p)
	for i := 0; i < len(p); {
		page := (at + int64(i)) / pageSize
		start := int(at + int64(i) - page*pageSize)
		n := min(len(p)-i, pageSize-start)
		if have := o.disk.pages[page]; have != nil {
			copy(p[i:i+n], have[start:])
		}
		i += n
	}
	return len(p), nil
}

var zeros [pageSize]byte

// WriteAt implements steps.Device. Only the bytes that are not zero are kept.
func (o *opened) WriteAt(p []byte, at int64) (int, error) {
	if o.who.dead {
		return 0, errUnplugged
	}
	o.who.machine.w.checks.diskIsWritten(o.disk, o.who)
	if len(p) >= 1<<20 && isZero(p) {
		for page := range o.disk.pages {
			if page*pageSize >= at && (page+1)*pageSize <= at+int64(len(p)) {
				delete(o.disk.pages, page)
			}
		}
		return len(p), nil
	}
	for i := 0; i < len(p); {
		page := (at + int64(i)) / pageSize
		start := int(at + int64(i) - page*pageSize)
		n := min(len(p)-i, pageSize-start)
		have := o.disk.pages[page]
		if have == nil {
			have = make([]byte, pageSize)
			o.disk.pages[page] = have
		}
		copy(have[start:], p[i:i+n])
		i += n
	}
	return len(p), nil
}

func isZero(p []byte) bool {
	for len(p) >= pageSize {
		if !bytes.Equal(p[:pageSize], zeros[:]) {
			return false
		}
		p = p[pageSize:]
	}
	return bytes.Equal(p, zeros[:len(p)])
}

// Path implements steps.Device.
func (o *opened) Path() string { return "/dev/disk/by-id/" + o.disk.serial }

// Sync implements steps.Device.
func (o *opened) Sync() error {
	if o.who.dead {
		return errUnplugged
	}
	return nil
}

// Close implements steps.Device.
func (o *opened) Close() error { return nil }
