package results

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/gitmetal/ingot/inventory/format"
	"github.com/gitmetal/ingot/inventory/runs"
)

// Upload is bytes of one file of a run.
type Upload struct {
	Run, Name string
	Offset    int64 // of the first byte of Body in the file
	// Size is the size of the whole file; -1 where it is not known: such an upload begins at 0 and cannot be resumed.
	Size int64
	Body io.Reader
	// Interrupt ends a read of Body, for the next upload of the same file: a link that broke may look open for long.
	Interrupt func()
}

// OffsetError says that an upload does not begin where the stored part ends.
type OffsetError struct{ At int64 }

func (e OffsetError) Error() string {
	return fmt.Sprintf("the upload does not begin at byte %d, where the stored part ends", e.At)
}

// part is a file on its way. busy and interrupt are guarded by Store.mu; sum and summed belong to the upload.
type part struct {
	stem      string
	size      int64         // of the whole file; -1 unknown
	at        atomic.Int64  // bytes stored
	sum       hash.Hash     // of the first bytes
	summed    int64         // how many; less than at after a restart
	busy      chan struct{} // closed at the end of the upload; nil without an upload
	interrupt func()
}

// fileRecord is <name>.json: a stored file, or without a digest the name and size of a part.
type fileRecord struct {
	runs.File
	// Unknown holds a newer ingot's members, to write back.
	Unknown format.Unknown `json:"-"`
}

// Put stores the bytes of an upload. With the last byte the file is whole, and Put gives the file with its digest;
// without the last byte, done is false and the error is that of Body. What arrived of a file of a known size stays, and
// Status says how much. An upload that begins at 0 begins the file anew.
func (s *Store) Put(u Upload) (file runs.File, done bool, err error) {
	if err := runs.CheckName(u.Name); err != nil {
		return runs.File{}, false, fmt.Errorf("%w: %w", ErrName, err)
	}
	p, most, err := s.claim(u)
	if err != nil {
		return runs.File{}, false, err
	}
	defer s.release(u, p)
	copied, err := s.receive(u, p, most)
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return runs.File{}, false, fmt.Errorf("store %s of run %s: %w: %w", u.Name, u.Run, ErrFull, err)
	case err != nil:
		return runs.File{}, false, fmt.Errorf("store %s of run %s: %w", u.Name, u.Run, err)
	case u.Size >= 0 && p.at.Load() < u.Size:
		return runs.File{}, false, fmt.Errorf("store %s of run %s: %d bytes came: %w", u.Name, u.Run, copied, io.ErrUnexpectedEOF)
	}
	file, err = s.commit(u, p)
	return file, err == nil, err
}

// claim makes the part of an upload, and gives how many bytes it may have in all. Another upload of the same file is
// interrupted first.
func (s *Store) claim(u Upload) (p *part, most int64, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		r := s.open[u.Run]
		if r == nil {
			return nil, 0, s.whyClosed(u.Run)
		}
		r.heard = s.options.Now()
		if p = r.parts[u.Name]; p == nil || p.busy == nil {
			break
		}
		busy := p.busy
		p.interrupt()
		s.mu.Unlock()
		<-busy
		s.mu.Lock()
	}
	r := s.open[u.Run]
	if most, err = s.admit(r, u); err != nil {
		return nil, 0, err
	}
	if p, err = s.place(r, u); err != nil {
		return nil, 0, err
	}
	p.busy, p.interrupt = make(chan struct{}), u.Interrupt
	return p, most, nil
}

// whyClosed says why a run gets no file.
func (s *Store) whyClosed(id string) error {
	if _, ended := s.ended[id]; ended {
		return fmt.Errorf("run %s: %w", id, ErrEnded)
	}
	return fmt.Errorf("run %s: %w", id, ErrUnknown)
}

// admit compares an upload with the limits of its run and the room of the store. The caller holds the lock.
func (s *Store) admit(r *openRun, u Upload) (most int64, err error) {
	l := r.Limits
	if !l.Keeps(u.Name) {
		return 0, fmt.Errorf("%w: results.files of workload %s does not name %s", ErrName, r.Run.Workload, u.Name)
	}
	if other := r.findClash(u.Name); other != "" {
		return 0, fmt.Errorf("%w: %s and %s cannot be files of one directory", ErrName, u.Name, other)
	}
	others, count := int64(0), 1
	for name, file := range r.files {
		if name != u.Name {
			others, count = others+file.Size, count+1
		}
	}
	for name, p := range r.parts {
		if _, stored := r.files[name]; name != u.Name && !stored {
			others, count = others+max(p.size, p.at.Load()), count+1
		}
	}
	most = l.MaxSize - others
	switch {
	case count > l.MaxFiles:
		return 0, fmt.Errorf("%w: results.maxFiles is %d", ErrLimit, l.MaxFiles)
	case u.Size > most, most < 0:
		return 0, fmt.Errorf("%w: results.maxSize is %d bytes, %d are stored, %s has %d", ErrLimit, l.MaxSize, others, u.Name, u.Size)
	case s.isFull(max(0, u.Size-u.Offset)):
		return 0, fmt.Errorf("%w: results.keep.size is %d bytes, and no finished batch can be swept", ErrFull, s.options.Keep.Size)
	case u.Size >= 0:
		most = u.Size
	}
	return most, nil
}

// findClash finds a file of the run that would have to be a directory for a file with a name, or the other way round.
func (r *openRun) findClash(name string) string {
	for other := range r.files {
		if strings.HasPrefix(other, name+"/") || strings.HasPrefix(name, other+"/") {
			return other
		}
	}
	return ""
}

// isFull reports whether a number of bytes more is over the store's own size, also after a sweep.
func (s *Store) isFull(more int64) bool {
	size := s.options.Keep.Size
	if size <= 0 || s.used.Load()+more <= size {
		return false
	}
	if more > size {
		return true // nothing is swept for a file that cannot fit
	}
	if since := s.options.Now().Sub(s.swept); since >= 0 && since < sweepPause {
		return true
	}
	s.swept = s.options.Now()
	if err := s.sweepLocked(size - more); err != nil {
		s.options.Log.Error("the store of results is full, and nothing can be swept", "error", err)
	}
	return s.used.Load()+more > size
}

// sweepPause is how long no upload sweeps again: a sweep reads every manifest, and full stores are asked by every agent.
const sweepPause = 10 * time.Second

// place finds or makes the part of an upload. The caller holds the lock.
func (s *Store) place(r *openRun, u Upload) (*part, error) {
	p := r.parts[u.Name]
	at := int64(0)
	if p != nil {
		at = p.at.Load()
	}
	if stored, whole := r.files[u.Name]; whole && u.Offset > 0 {
		at = stored.Size
	}
	if u.Offset != 0 && (p == nil || u.Offset != at || u.Size != p.size) {
		return nil, OffsetError{At: at}
	}
	if u.Offset != 0 {
		return p, nil
	}
	if p != nil {
		s.used.Add(-p.at.Load())
	}
	p = &part{stem: stemOf(u.Name), size: u.Size, sum: sha256.New()}
	dir := s.runFile(u.Run, "files")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("results.dir: %w", err)
	}
	if err := os.WriteFile(filepath.Join(dir, p.stem+".part"), nil, 0o600); err != nil {
		return nil, fmt.Errorf("results.dir: %w", err)
	}
	if _, whole := r.files[u.Name]; !whole && u.Size >= 0 {
		record := fileRecord{File: runs.File{Name: u.Name, Size: u.Size}}
		if err := writeDocument(filepath.Join(dir, p.stem+".json"), record); err != nil {
			return nil, fmt.Errorf("results.dir: %w", err)
		}
	}
	r.parts[u.Name] = p
	return p, nil
}

// receive appends the body to the part.
func (s *Store) receive(u Upload, p *part, most int64) (copied int64, err error) {
	file, err := os.OpenFile(s.runFile(u.Run, "files", p.stem+".part"), os.O_RDWR, 0o600)
	if err != nil {
		return 0, err
	}
	defer file.Close()
	if err := p.sumUp(file); err != nil {
		return 0, err
	}
	if _, err := file.Seek(p.at.Load(), io.SeekStart); err != nil {
		return 0, err
	}
	written := counted{to: io.MultiWriter(file, p.sum), store: s, part: p}
	copied, err = io.CopyBuffer(writerOnly{&written}, io.LimitReader(u.Body, most-p.at.Load()), make([]byte, 256<<10))
	if err != nil {
		return copied, err
	}
	if u.Size < 0 && p.at.Load() == most {
		if n, _ := io.ReadFull(u.Body, make([]byte, 1)); n > 0 {
			return copied, fmt.Errorf("%w: results.maxSize allows %d bytes more", ErrLimit, most)
		}
	}
	return copied, file.Sync()
}

// sumUp reads the bytes that the digest lacks: after a restart, those of the stored part.
func (p *part) sumUp(file *os.File) error {
	if p.sum == nil {
		p.sum, p.summed = sha256.New(), 0
	}
	at := p.at.Load()
	n, err := io.Copy(p.sum, io.NewSectionReader(file, p.summed, at-p.summed))
	p.summed += n
	if err == nil && p.summed != at {
		err = errors.New("the stored part is shorter than it was")
	}
	return err
}

// writerOnly hides ReadFrom, which would bring a buffer of its own.
type writerOnly struct{ io.Writer }

// counted counts what is written, for the part and for the store. A write that failed in the middle leaves a part whose
// digest is read anew.
type counted struct {
	to    io.Writer
	store *Store
	part  *part
}

func (c *counted) Write(b []byte) (int, error) {
	n, err := c.to.Write(b)
	c.part.at.Add(int64(n))
	c.store.used.Add(int64(n))
	if c.part.summed += int64(n); err != nil {
		c.part.sum, c.part.summed = nil, 0
	}
	return n, err
}

// release ends an upload. A part that nobody can resume is dropped.
func (s *Store) release(u Upload, p *part) {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(p.busy)
	p.busy = nil
	if r := s.open[u.Run]; p.size < 0 && r != nil && r.parts[u.Name] == p {
		delete(r.parts, u.Name)
		s.used.Add(-p.at.Load())
		_ = os.Remove(s.runFile(u.Run, "files", p.stem+".part")) // else the end of the run removes it
	}
}

// commit makes a whole part a file of the run.
func (s *Store) commit(u Upload, p *part) (runs.File, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.open[u.Run]
	if r == nil {
		return runs.File{}, s.whyClosed(u.Run)
	}
	if _, err := s.admit(r, Upload{Run: u.Run, Name: u.Name, Offset: p.at.Load(), Size: p.at.Load()}); err != nil {
		return runs.File{}, err
	}
	file := runs.File{Name: u.Name, Size: p.at.Load(), SHA256: hex.EncodeToString(p.sum.Sum(nil))}
	if err := s.keepBlob(s.runFile(u.Run, "files", p.stem+".part"), file); err != nil {
		return runs.File{}, fmt.Errorf("store %s of run %s: %w", u.Name, u.Run, err)
	}
	if err := writeDocument(s.runFile(u.Run, "files", p.stem+".json"), fileRecord{File: file}); err != nil {
		return runs.File{}, fmt.Errorf("store %s of run %s: %w", u.Name, u.Run, err)
	}
	r.files[u.Name] = file
	delete(r.parts, u.Name)
	return file, nil
}

// stopUploads interrupts the uploads of a run, and waits for their end.
func (s *Store) stopUploads(id string) {
	for {
		s.mu.Lock()
		var busy chan struct{}
		if r := s.open[id]; r != nil {
			for _, p := range r.parts {
				if p.busy != nil {
					busy = p.busy
					p.interrupt()
					break
				}
			}
		}
		s.mu.Unlock()
		if busy == nil {
			return
		}
		<-busy
	}
}

// Status says how much of a file of an open run is stored: the file with its digest where it is whole, else the bytes
// of its part.
func (s *Store) Status(id, name string) (file runs.File, whole bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.open[id]
	if r == nil {
		return runs.File{}, false, s.whyClosed(id)
	}
	if p := r.parts[name]; p != nil && p.size >= 0 {
		return runs.File{Name: name, Size: s.partSize(id, p)}, false, nil
	}
	if file, stored := r.files[name]; stored {
		return file, true, nil
	}
	return runs.File{}, false, fmt.Errorf("%s of run %s: %w", name, id, ErrUnknown)
}

// partSize is the size of a part, of which an upload may be writing.
func (s *Store) partSize(id string, p *part) int64 {
	info, err := os.Stat(s.runFile(id, "files", p.stem+".part"))
	if err != nil {
		return 0
	}
	return info.Size()
}
