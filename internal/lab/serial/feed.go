package serial

import (
	"context"
	"errors"
	"io"
	"os"
	"sync"
	"time"
)

// Feed hands what a machine's serial port says to all who read it at that time. The zero Feed is ready.
type Feed struct {
	mu      sync.Mutex
	readers map[chan []byte]struct{}
}

// queue is how many pieces a reader may be behind; then it misses some, as with a BMC.
const queue = 1024

// Write implements io.Writer; it never waits.
func (f *Feed) Write(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for reader := range f.readers {
		select {
		case reader <- append([]byte(nil), p...):
		default:
		}
	}
	return len(p), nil
}

// Readers is how many read.
func (f *Feed) Readers() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.readers)
}

// Stream writes to a reader what comes from now on, until ctx ends.
func (f *Feed) Stream(ctx context.Context, out io.Writer) error {
	pieces := make(chan []byte, queue)
	f.mu.Lock()
	if f.readers == nil {
		f.readers = map[chan []byte]struct{}{}
	}
	f.readers[pieces] = struct{}{}
	f.mu.Unlock()
	defer func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(f.readers, pieces)
	}()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case piece := <-pieces:
			if _, err := out.Write(piece); err != nil {
				return err
			}
		}
	}
}

// often is how long what is appended to a file may lie there.
const often = 100 * time.Millisecond

// Follow hands on what is appended to a file, which need not be there yet, until ctx ends.
func (f *Feed) Follow(ctx context.Context, path string) error {
	at := int64(0)
	if info, err := os.Stat(path); err == nil {
		at = info.Size()
	}
	tick := time.NewTicker(often)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		n, err := f.copy(path, at)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		at += n
	}
}

func (f *Feed) copy(path string, from int64) (int64, error) {
	file, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer file.Close()
	if _, err := file.Seek(from, io.SeekStart); err != nil {
		return 0, err
	}
	return io.Copy(f, io.LimitReader(file, 1<<20))
}
