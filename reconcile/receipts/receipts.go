// Package receipts knows the receipts of erased disks on the status branch: a file for each disk of a machine, with
// every verified erase of that disk. Files.Note takes the receipts from a host's document, Files.EncodeDue gives the files
// to push; Decode reads a file, and FindFailed says which disks a document calls not erased. Do not decide from a file
// whether a disk may be written: the host's record does. Pure.
package receipts

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/format"
	"github.com/gitmetal/ingot/reconcile/status"
	"github.com/gitmetal/ingot/schemas"
)

// Kind is the kind of a file.
const Kind = "EraseReceipts"

// MaxErases is how many erases of a disk a file keeps, the newest.
const MaxErases = 500

// File is the file of one disk: receipts/<id>/<disk>.yaml.
type File struct {
	APIVersion string              `json:"apiVersion"`
	Kind       string              `json:"kind"`
	Machine    inventory.MachineID `json:"machine"`
	Disk       string              `json:"disk"`   // WWN, else serial, else the name in the fleet
	Erases     []Receipt           `json:"erases"` // the newest first
	// Unknown holds a newer ingot's members, to write back.
	Unknown format.Unknown `json:"-"`
}

// Receipt is the receipt of one erase.
type Receipt struct {
	Host      string `json:"host"` // name of the host at that time
	Operation string `json:"operation"`
	Step      string `json:"step"`
	Commit    string `json:"commit"` // of the fleet that asked for the erase
	inventory.Erased
}

// key tells the receipts of one disk apart.
type key struct {
	operation, step, name string
	disk                  inventory.DiskID
	begun                 time.Time
}

func (r Receipt) key() key {
	return key{r.Operation, r.Step, r.Name, inventory.ErasedDisk(r.Erased), r.Begun.UTC()}
}

// label is the name of the disk.
func (r Receipt) label() string {
	return cmp.Or(inventory.ErasedDisk(r.Erased).Label(), r.Name)
}

// List gives the receipts in a document: of the operation under way, and of the last one.
func List(d status.Document) (all []Receipt) {
	for _, op := range []*inventory.Operation{d.LastOperation, d.Operation} {
		if op == nil {
			continue
		}
		for _, step := range op.Steps {
			for _, erased := range step.Erased {
				all = append(all, Receipt{Host: d.Metadata.Name, Operation: op.ID, Step: step.Key(), Commit: op.Commit,
					Erased: erased})
			}
		}
	}
	return all
}

var (
	filePath = regexp.MustCompile(`^receipts/[a-z0-9-]{1,63}/[A-Za-z0-9][A-Za-z0-9._-]{0,127}\.yaml$`)
	notPlain = regexp.MustCompile(`[^A-Za-z0-9._-]+`)
)

// IsFile reports whether a path of the status branch is the path of a file of this package.
func IsFile(file string) bool { return filePath.MatchString(file) }

// Path is the path of a disk's file. A name that cannot be part of a path is changed, with a hash of the name.
func Path(id inventory.MachineID, disk string) string {
	name := strings.Trim(notPlain.ReplaceAllString(disk, "_"), "._-")
	if name = name[:min(len(name), 64)]; name == "" || name != disk {
		hash := fnv.New32a()
		_, _ = hash.Write([]byte(disk))
		name = fmt.Sprintf("%s-%08x", cmp.Or(name, "disk"), hash.Sum32())
	}
	return fmt.Sprintf("receipts/%s/%s.yaml", id, name)
}

// Decode reads a file. The error says why the file is not believed.
func Decode(file string, data []byte) (File, error) {
	var f File
	if len(data) > status.MaxDocument {
		return f, fmt.Errorf("it has %d bytes, at most %d are read", len(data), status.MaxDocument)
	}
	if err := status.Decode(data, &f); err != nil {
		return f, err
	}
	if f.APIVersion != schemas.APIVersion || f.Kind != Kind || Path(f.Machine, f.Disk) != file {
		return f, fmt.Errorf("it is no %s of this path", Kind)
	}
	return f, nil
}

// Has reports whether a file has a receipt.
func (f File) Has(r Receipt) bool {
	return slices.ContainsFunc(f.Erases, func(known Receipt) bool { return known.key() == r.key() })
}

// With is the file with a receipt that it does not have.
func (f File) With(r Receipt) File {
	f.Erases = append(slices.Clone(f.Erases), r)
	slices.SortStableFunc(f.Erases, func(a, b Receipt) int {
		return cmp.Or(b.Ended.Compare(a.Ended), strings.Compare(a.Operation, b.Operation), strings.Compare(a.Step, b.Step))
	})
	f.Erases = f.Erases[:min(len(f.Erases), MaxErases)]
	return f
}

// MachineOf is the machine in a path. Call IsFile first.
func MachineOf(file string) inventory.MachineID {
	return inventory.MachineID(path.Base(path.Dir(file)))
}
