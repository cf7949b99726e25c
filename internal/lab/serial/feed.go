package serial

import (
	"context"
	"errors"
	"io"
	"os"
	"sync"
	"time"
)

// Feed passes the output of a machine's serial port to all present readers. The zero Feed is ready.
type Feed struct {
	mu      sync.Mutex
	readers map[chan []byte]struct{}
}

// queueLength is how many pieces a reader may be behind; beyond, pieces are dropped, as with a BMC.
const queueLength = 1024

// Write implements io.Writer; Write never waits.
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

// Readers is the number of readers.
func (f *Feed) Readers() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.readers)
}

// Stream writes new output to out until ctx ends.
func (f *Feed) Stream(ctx context.Context, out io.Writer) error {
	pieces := make(chan []byte, queueLength)
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

// followEvery is the pause between two looks at a followed file.
const followEvery = 100 * time.Millisecond

// Follow passes on the bytes appended to a file, which may not exist yet, until ctx ends.
func (f *Feed) Follow(ctx context.Context, path string) error {
	at := int64(0)
	if info, err := os.Stat(path); err == nil {
		at = info.Size()
	}
	tick := time.NewTicker(followEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		n, err := f.copyFile(path, at)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		at += n
	}
}

func (f *Feed) copyFile(path string, from int64) (int64, error) {
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
