package effects

import (
	"fmt"

	"github.com/gitmetal/ingot/agent/wire"
	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/refs"
	"github.com/gitmetal/ingot/inventory/steps"
	"github.com/gitmetal/ingot/schemas"
)

// maxInjected is the most bytes of the files of a step that travel in the job, so that a job stays below wire.MaxBody.
const maxInjected = 2 << 20

// buildInject names the disk that the operation wrote, and the files with the secrets in their places.
func (e *Effects) buildInject(step inventory.Step, desired inventory.Desired, record inventory.Record) (*wire.Inject, error) {
	args, err := step.Open(func(ref refs.Secret) (string, error) {
		value, err := e.openSecret(ref)
		return value.Reveal(), err
	})
	if err != nil {
		return nil, fmt.Errorf("files of step %s: %w", step.Key(), err)
	}
	files, err := step.ReadFiles(args)
	if err != nil {
		return nil, fmt.Errorf("files of step %s: %w", step.Key(), err)
	}
	root := record.Operation.Root()
	inject := &wire.Inject{Disk: referToDisk(root, wire.ContentAny), Mark: root.Mark, MachineID: string(record.ID), MachineName: desired.Name}
	size := 0
	for _, f := range files {
		next := wire.InjectFile{Path: f.Path, Partition: f.Partition, Content: f.Content, Template: f.Template, SHA256: f.SHA256,
			Delete: f.Delete, Mode: f.Mode, DirMode: f.DirMode, Owner: f.Owner, Group: f.Group, Overwrite: f.Overwrite}
		if f.SHA256 != "" {
			if next.Size, err = e.sizeOfInjected(step, f.SHA256); err != nil {
				return nil, err
			}
		}
		size += len(f.Content)
		inject.Files = append(inject.Files, next)
	}
	if size > maxInjected {
		return nil, fmt.Errorf("the files of step %s have %d bytes, at most %d can be delivered: give large ones a url", step.Key(), size, maxInjected)
	}
	return inject, nil
}

// sizeOfInjected is the size of a file in the mirror. A file of a later commit may not be there yet: the mirror is asked to
// fetch it.
func (e *Effects) sizeOfInjected(step inventory.Step, sha256 string) (int64, error) {
	file, size, err := e.config.Images.Open(sha256)
	if err != nil {
		for _, from := range step.Files {
			if from.SHA256 == sha256 {
				e.config.Images.Ensure(imageRef(steps.Fetched{Image: schemas.Image{URL: from.URL, SHA256: sha256}, Injected: true}))
			}
		}
		return 0, fmt.Errorf("a file of step %s is not in the mirror: %w", step.Key(), err)
	}
	return size, file.Close()
}
