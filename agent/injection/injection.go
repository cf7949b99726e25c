// Package injection puts files into the system that an install wrote (the step inject-files). Inject is the step: it places
// every file first, reports all mistakes together, and writes only when there are none. What is written is read back.
//
// A path never leads out of its file system: links are followed as the system itself would follow them, with the partition's
// root in place of /, and the last part of a path is never followed (openat2(2), RESOLVE_IN_ROOT).
package injection

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/gitmetal/ingot/agent/steps"
	"github.com/gitmetal/ingot/agent/volumes"
	"github.com/gitmetal/ingot/agent/wire"
)

// Tools are what Inject needs of the machine.
type Tools struct {
	Machine volumes.Machine
	Files   steps.Images // opens a file that the job names by its digest
	Facts   wire.Facts   // of the machine, for ${machine.serial} and ${machine.uuid}
	Report  func(wire.Progress)
}

// placed is a file with its place in a file system.
type placed struct {
	wire.InjectFile
	volume *volumes.Volume
	inside string // path below the root of the volume, without a slash in front
}

// Inject puts the files of a job into the system. Every partition is unmounted at the end, also after an error.
func Inject(ctx context.Context, job wire.Inject, with Tools) (err error) {
	system, err := volumes.Open(ctx, with.Machine, job.Disk, job.Mark)
	defer func() {
		if closed := system.Close(); closed != nil {
			err = errors.Join(err, fmt.Errorf("the disk may not hold the files: %w", closed))
		}
	}()
	if err != nil {
		return err
	}
	files, err := placeAll(system, job.Files)
	if err != nil {
		return fmt.Errorf("%w; nothing was written", err)
	}
	if err := checkAll(system, files); err != nil {
		return fmt.Errorf("%w; nothing was written", err)
	}
	for _, file := range files {
		dir, err := system.Mount(file.volume, true)
		if err != nil {
			return err
		}
		said, err := file.write(ctx, dir, job, with)
		if err != nil {
			return fmt.Errorf("%s: %w", file.Path, err)
		}
		with.Report(wire.Progress{Lines: []string{fmt.Sprintf("%s on partition %s: %s", file.Path, file.volume, said)}})
	}
	return nil
}

// placeAll finds the partition of every file. All mistakes come together.
func placeAll(system *volumes.System, files []wire.InjectFile) (list []placed, err error) {
	finder := lookAround(system)
	var failed []error
	for _, file := range files {
		next, err := finder.place(file)
		if err != nil {
			failed = append(failed, fmt.Errorf("%s: %w", file.Path, err))
			continue
		}
		list = append(list, next)
	}
	return list, errors.Join(failed...)
}

// checkAll compares every file with what is in its place. All mistakes come together.
func checkAll(system *volumes.System, files []placed) error {
	var failed []error
	for _, file := range files {
		dir, err := system.Mount(file.volume, false)
		if err == nil {
			err = file.check(dir)
		}
		if err != nil {
			failed = append(failed, fmt.Errorf("%s: %w", file.Path, err))
		}
	}
	return errors.Join(failed...)
}

// fillMachine replaces ${machine.NAME} in the content of a file; $${machine.NAME} stands for the text itself. Package load has
// checked the names.
func fillMachine(content []byte, job wire.Inject, facts wire.Facts) []byte {
	return []byte(strings.NewReplacer("$${machine.", "${machine.", "${machine.id}", job.MachineID, "${machine.name}", job.MachineName,
		"${machine.serial}", facts.System.Serial, "${machine.uuid}", facts.System.UUID).Replace(string(content)))
}
