package steps

import (
	"context"
	crypto "crypto/rand"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/gitmetal/ingot/agent/steps/erase"
	"github.com/gitmetal/ingot/agent/wire"
)

// EraseTools are the parts of EraseDisks that differ between a real and a simulated machine.
type EraseTools struct {
	DiskTools
	// NoteErased is given the receipts of the disks that were erased, also when another disk was not.
	NoteErased func([]wire.Erased)
	Report     func(wire.Progress)
	Agent      string // version of the agent, for the receipts
}

// EraseDisks erases disks at the same time, and reads each back: open all, verify, ask for leave, stop what holds the
// disks, ask every disk for its methods, erase. Nothing is written before leave, nor where one disk declares no method
// for the policy. An error means that a disk is not erased; there are receipts for the others.
func EraseDisks(ctx context.Context, job wire.Erase, with EraseTools) error {
	_, err := WithDisks(ctx, job.Disks, with.DiskTools, func(given []GivenDisk) (string, error) {
		return "", eraseGiven(ctx, job, given, with)
	})
	return err
}

func eraseGiven(ctx context.Context, job wire.Erase, given []GivenDisk, with EraseTools) error {
	prepared, err := prepareAll(job, given)
	if err != nil {
		return Failure{Err: err, Final: true}
	}
	meter := newMeter(given, with.Report)
	receipts, failures := make([]*wire.Erased, len(given)), make([]error, len(given))
	var all sync.WaitGroup
	for i, g := range given {
		all.Go(func() {
			e := erase.Eraser{Now: time.Now, Random: newRandom(), Report: meter.Of(i)}
			receipt, err := e.Erase(ctx, prepared[i])
			if err != nil {
				failures[i] = fmt.Errorf("disk %s %w", g.label(), err)
				return
			}
			with.say(fmt.Sprintf("disk %s is erased by %s", g.label(), receipt.Method))
			receipts[i] = g.receipt(receipt, with.Agent)
		})
	}
	all.Wait()
	var noted []wire.Erased
	for _, receipt := range receipts {
		if receipt != nil {
			noted = append(noted, *receipt)
		}
	}
	with.NoteErased(noted)
	if err := errors.Join(failures...); err != nil {
		return Failure{Err: err}
	}
	return nil
}

func (t EraseTools) say(line string) {
	t.Report(wire.Progress{Lines: []string{strings.ToValidUTF8(line, "")}})
}

func newMeter(given []GivenDisk, report func(wire.Progress)) *erase.Meter {
	var sizes []uint64
	for _, g := range given {
		sizes = append(sizes, g.disk.Size)
	}
	return erase.NewMeter(sizes, func(done, total uint64) { report(wire.Progress{Done: done, Total: total}) })
}

// prepareAll chooses the methods of all disks. One disk without a method refuses the job.
func prepareAll(job wire.Erase, given []GivenDisk) (prepared []erase.Prepared, err error) {
	request := erase.Request{Policy: erase.Policy(job.Policy), OrClear: job.OrClear}
	var refused []error
	for _, g := range given {
		next, err := erase.Prepare(g.subject(), request)
		if err != nil {
			refused = append(refused, fmt.Errorf("disk %s: %w; nothing was written", g.label(), err))
		}
		prepared = append(prepared, next)
	}
	return prepared, errors.Join(refused...)
}

// newRandom chooses samples that nobody can foresee.
func newRandom() *rand.Rand {
	var seed [32]byte
	_, _ = crypto.Read(seed[:]) // never fails (Go 1.24)
	return rand.New(rand.NewChaCha8(seed))
}

// label names a disk for people.
func (g GivenDisk) label() string {
	if g.disk.Serial != "" {
		return g.disk.Serial
	}
	return g.path
}

func (g GivenDisk) receipt(r erase.Receipt, agent string) *wire.Erased {
	return &wire.Erased{Name: g.name, Serial: g.disk.Serial, WWN: g.disk.WWN, Model: g.disk.Model, Size: g.disk.Size,
		Policy: string(r.Policy), Method: string(r.Method), Passed: r.Passed, Capabilities: r.Words, Begun: r.Begun,
		Ended: r.Ended, Samples: r.Samples, Known: r.Known, Agent: agent}
}

// subject is the disk as it is erased.
func (g GivenDisk) subject() erase.Subject {
	s := erase.Subject{Disk: erasable{g.open}, Name: g.disk.Name, Transport: g.disk.Transport, Size: int64(g.disk.Size)}
	if table := g.disk.Table; table != nil {
		sector := int64(max(table.Sector, 512))
		for _, p := range table.Partitions {
			s.Parts = append(s.Parts, erase.Part{First: int64(p.First) * sector, Size: int64(p.Last-p.First+1) * sector})
		}
	}
	return s
}

// erasable is a given device as package erase takes it.
type erasable struct{ Device }

// commander is a device whose descriptor takes commands.
type commander interface {
	Descriptor() (d erase.Descriptor, takes bool)
}

func (e erasable) descriptor() (d erase.Descriptor, takes bool) {
	if c, ok := e.Device.(commander); ok {
		return c.Descriptor()
	}
	return 0, false
}

// Flush implements erase.Disk.
func (e erasable) Flush() error {
	if err := e.Sync(); err != nil {
		return err
	}
	if d, takes := e.descriptor(); takes {
		return d.ForgetPages()
	}
	return nil
}

// Commands implements erase.Disk.
func (e erasable) Commands() erase.Commands {
	if d, takes := e.descriptor(); takes {
		return d
	}
	return nil
}

// Residue implements erase.Disk.
func (e erasable) Residue() (string, error) {
	seen, err := e.Disk()
	switch {
	case err != nil:
		return "", err
	case seen.Content.Unreadable != "" || seen.Table == nil:
		return "", errors.New("it cannot be read: " + seen.Content.Unreadable)
	case seen.Table.Kind != wire.TableNone:
		return "a partition table is found again: " + seen.Table.Kind, nil
	case len(seen.Superblocks) > 0:
		return "a signature is found again: " + seen.Superblocks[0].Type, nil
	default:
		return "", nil
	}
}
