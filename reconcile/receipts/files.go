package receipts

import (
	"bytes"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/status"
	"github.com/gitmetal/ingot/schemas"
)

// Files are the files of all disks, as they are to read, and what of them the status branch has. Nothing is ever taken
// out of a file, but the oldest of MaxErases. Make Files with NewFiles. Not safe for concurrent use.
type Files struct {
	files map[string]*diskFile
	due   map[string]bool
}

type diskFile struct {
	file   File
	pushed []byte // bytes on the branch; nil without a genuine file
}

// NewFiles makes Files without a file.
func NewFiles() Files { return Files{files: map[string]*diskFile{}, due: map[string]bool{}} }

// Note adds the receipts in a host's document that are new.
func (s Files) Note(d status.Document) {
	id := d.Metadata.Host()
	for _, receipt := range List(d) {
		file := Path(id, receipt.label())
		known := s.open(file, id, receipt.label())
		if !known.file.Has(receipt) {
			known.file = known.file.With(receipt)
			s.index(file)
		}
	}
}

func (s Files) open(file string, id inventory.MachineID, disk string) *diskFile {
	known := s.files[file]
	if known == nil {
		known = &diskFile{file: File{APIVersion: schemas.APIVersion, Kind: Kind, Machine: id, Disk: disk}}
		s.files[file] = known
	}
	return known
}

// Restore adds the receipts of a file on the branch, nil for a file that is not genuine. The error says why the file is
// not believed: the file stays as it is until another erase of the disk.
func (s Files) Restore(file string, content []byte) error {
	there, err := Decode(file, content)
	if err != nil {
		return err
	}
	known := s.open(file, there.Machine, there.Disk)
	for _, receipt := range known.file.Erases {
		if !there.Has(receipt) {
			there = there.With(receipt)
		}
	}
	known.file, known.pushed = there, content
	s.index(file)
	return nil
}

// index notes whether a file is due, after every change of the file.
func (s Files) index(file string) {
	if known := s.files[file]; bytes.Equal(status.Encode(known.file), known.pushed) {
		delete(s.due, file)
	} else {
		s.due[file] = true
	}
}

// HasDue reports whether there is a file to push.
func (s Files) HasDue() bool { return len(s.due) > 0 }

// OwesMachine reports whether there is a file of a machine to push.
func (s Files) OwesMachine(id inventory.MachineID) bool {
	for file := range s.due {
		if MachineOf(file) == id {
			return true
		}
	}
	return false
}

// EncodeDue gives the files to push, by path.
func (s Files) EncodeDue() map[string][]byte {
	files := make(map[string][]byte, len(s.due))
	for file := range s.due {
		files[file] = status.Encode(s.files[file].file)
	}
	return files
}

// Settle records pushed files; other paths are passed over.
func (s Files) Settle(pushed map[string][]byte) {
	for file, content := range pushed {
		if known := s.files[file]; known != nil {
			known.pushed = bytes.Clone(content)
			s.index(file)
		}
	}
}

// CompareTip has every file written again that the branch's tip does not have as it was pushed, and returns their number.
func (s Files) CompareTip(there map[string][]byte) (differ int) {
	for file, known := range s.files {
		if known.pushed != nil && !bytes.Equal(there[file], known.pushed) {
			known.pushed = nil
			s.due[file] = true
			differ++
		}
	}
	return differ
}
