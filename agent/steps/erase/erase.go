// Package erase erases disks. Prepare asks a disk what it declares and decides which method fits a policy, before
// anything is written; Eraser.Erase erases the disk and reads back whether the disk is erased. Call both only with an
// open disk for which the daemon gave leave (package steps does). An error of Erase always means "not erased", whatever
// the disk answered: do not look for another method after an error.
package erase

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"time"
)

// Disk is an open disk for which there is leave.
type Disk interface {
	io.ReaderAt
	io.WriterAt
	// Flush writes what the kernel keeps of the disk, and makes the next reads come from the disk.
	Flush() error
	// Commands sends commands to the disk; nil for a disk without commands of its own.
	Commands() Commands
	// Residue says which partition table or signature the disk still shows, or "".
	Residue() (string, error)
}

// Commands sends commands of NVMe and SCSI to a disk. An error means that nothing is known of the command.
type Commands interface {
	SendNVMe(NVMeCommand) (NVMeAnswer, error)
	SendSCSI(SCSICommand) (SCSIAnswer, error)
}

// Subject is the disk to erase, as the agent describes it.
type Subject struct {
	Disk
	Name      string // of the kernel
	Transport string // nvme, sata, sas, usb, virtio…
	Size      int64  // bytes
	// Parts are where the partitions are, in bytes: their signatures are wiped too.
	Parts []Part
}

// Part is a part of a disk, in bytes.
type Part struct{ First, Size int64 }

// Receipt is the proof of an erased disk.
type Receipt struct {
	Policy  Policy
	Method  Method
	Passed  []string // methods before Method, and why they were not used
	Words   []string // what the disk declares
	Begun   time.Time
	Ended   time.Time
	Samples int // blocks of 4 KiB that were read back
	// Known is how many of the samples were not zero before: none of them was found again.
	Known int
}

// Eraser erases disks.
type Eraser struct {
	Now func() time.Time
	// Random chooses the samples. It must not be guessed by what is on the disk.
	Random *rand.Rand
	Report func(done, total uint64) // bytes
}

// Deadline of a disk: its size at the slowest speed, at least minTime, or twice the disk's own estimate.
const (
	slowest = 50 << 20 // bytes a second
	minTime = 30 * time.Minute
)

// limitOf is how long the erase of a disk may take. estimate is the disk's own, 0 for none.
func limitOf(size int64, estimate time.Duration) time.Duration {
	return max(minTime, 2*estimate, time.Duration(size/slowest)*time.Second)
}

// Prepared is a disk with the method that will erase the disk. Only Prepare makes one.
type Prepared struct {
	subject Subject
	request Request
	has     Capabilities
	choice  Choice
}

// Prepare asks a disk what the disk declares, and chooses the method. Nothing is written. An error says that no
// declared method fits the policy.
func Prepare(s Subject, request Request) (Prepared, error) {
	has := readCapabilities(s)
	choice, err := Choose(request, has)
	return Prepared{s, request, has, choice}, err
}

// Erase erases a disk: take samples where the method leaves no zeros, wipe both ends so that no half erased system
// starts, run the method, and read back.
func (e Eraser) Erase(ctx context.Context, p Prepared) (Receipt, error) {
	s, has, choice := p.subject, p.has, p.choice
	receipt := Receipt{Policy: p.request.Policy, Method: choice.Method, Passed: choice.Passed, Words: has.Words(),
		Begun: e.Now()}
	ctx, cancel := context.WithTimeout(ctx, limitOf(s.Size, estimateOf(choice.Method, has, s)))
	defer cancel()
	before, err := e.takeSamples(ctx, s, choice.Method)
	if err != nil {
		return Receipt{}, fmt.Errorf("read the disk before: %w; nothing was written", err)
	}
	if err := wipeSignatures(ctx, s); err != nil {
		return Receipt{}, notErased(choice.Method, err)
	}
	if err := e.runMethod(ctx, s, choice.Method, has); err != nil {
		return Receipt{}, notErased(choice.Method, err)
	}
	if err := s.Flush(); err != nil {
		return Receipt{}, notErased(choice.Method, err)
	}
	if receipt.Samples, err = e.verify(ctx, s, choice.Method, before); err != nil {
		return Receipt{}, notErased(choice.Method, err)
	}
	receipt.Known, receipt.Ended = len(before), e.Now()
	return receipt, nil
}

// notErased is the error of a disk that may have been changed.
func notErased(method Method, err error) error {
	return fmt.Errorf("not erased by %s: %w", method, err)
}

// runMethod runs the method until the disk says that it has ended.
func (e Eraser) runMethod(ctx context.Context, s Subject, method Method, has Capabilities) error {
	switch method {
	case Metadata:
		return nil // the signatures are wiped
	case Overwrite:
		return e.overwrite(ctx, s)
	case NVMeFormatUserData, NVMeFormatCrypto:
		return formatNVMe(ctx, s, method, *has.NVMe)
	case NVMeSanitizeCrypto, NVMeSanitizeBlock:
		return e.sanitizeNVMe(ctx, s, method, *has.NVMe)
	case ATASecurityErase, ATAEnhancedErase:
		return eraseATA(ctx, s, method == ATAEnhancedErase)
	case ATASanitizeCrypto, ATASanitizeBlock:
		return e.sanitizeATA(ctx, s, method)
	case SCSISanitizeCrypto, SCSISanitizeBlock:
		return e.sanitizeSCSI(ctx, s, method)
	default:
		panic("erase: unknown method " + string(method))
	}
}

// readCapabilities asks a disk what it declares. Only disks of NVMe and SCSI (with ATA) are asked, by their kernel
// names.
func readCapabilities(s Subject) Capabilities {
	commands := s.Commands()
	switch {
	case commands == nil:
		return Capabilities{}
	case strings.HasPrefix(s.Name, "nvme"):
		n, err := identifyNVMe(commands)
		if err != nil {
			return Capabilities{Unknown: err.Error()}
		}
		return Capabilities{NVMe: &n}
	case strings.HasPrefix(s.Name, "sd"):
		return identifySCSI(commands, s.Transport == "usb")
	default:
		return Capabilities{}
	}
}

// estimateOf is the disk's own estimate for a method, or 0.
func estimateOf(method Method, has Capabilities, s Subject) time.Duration {
	switch method {
	case ATASecurityErase, ATAEnhancedErase:
		return time.Duration(has.ATA.estimateMinutes(method == ATAEnhancedErase)) * time.Minute
	case NVMeSanitizeCrypto, NVMeSanitizeBlock:
		if log, err := readSanitizeLog(s.Commands()); err == nil {
			return log.estimate(method)
		}
	}
	return 0
}

// pollPause is the time between two questions for the progress of a disk.
const pollPause = 5 * time.Second

// poll asks until the disk says that it has ended. A disk that does not end before the deadline is not erased.
func (e Eraser) poll(ctx context.Context, ask func() (ended bool, part float64, err error)) error {
	for {
		ended, part, err := ask()
		if err != nil || ended {
			return err
		}
		e.Report(uint64(part*100), 100)
		timer := time.NewTimer(pollPause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return fmt.Errorf("the disk did not end: %d%% were done: %w", int(part*100), ctx.Err())
		}
	}
}

// timeLeft is the time until the deadline of the disk, for a command that answers at its end.
func timeLeft(ctx context.Context) time.Duration {
	if deadline, has := ctx.Deadline(); has {
		return max(time.Second, time.Until(deadline))
	}
	return minTime
}
