package steps

import (
	"context"
	"fmt"
	"time"

	"github.com/gitmetal/ingot/agent/wire"
)

// readBytes is the size of a read.
const readBytes = 256 << 10

const (
	firstPause = 250 * time.Millisecond
	maxPause   = 10 * time.Second
)

// Download reads the image of a job from the daemon.
type Download struct {
	Image    wire.Image
	Images   Images
	Report   func(wire.Progress)
	Patience time.Duration // without a new byte, until the transfer is given up
}

// Copy gives the image's bytes to take, in order. A broken transfer goes on at the byte reached, so that a restart of
// the daemon costs no attempt; an error of take ends the copy, and is returned as it is. The digest is the caller's to
// check.
func (d Download) Copy(ctx context.Context, take func(chunk []byte) error) error {
	var done int64
	buffer := make([]byte, readBytes)
	for pause, moved := firstPause, time.Now(); ; pause = min(2*pause, maxPause) {
		before := done
		var refused error // of take: the bytes are gone, so no new transfer helps
		err := d.copyPart(ctx, &done, buffer, func(chunk []byte) error { refused = take(chunk); return refused })
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case refused != nil:
			return refused
		case done > before:
			pause, moved = firstPause, time.Now()
		case time.Since(moved) > d.Patience:
			return fmt.Errorf("fetch the image: stuck at byte %d for %s: %w", done, d.Patience, err)
		}
		d.Report(wire.Progress{Lines: []string{fmt.Sprintf("image: stopped at byte %d, trying again: %v", done, err)}})
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
		case <-timer.C:
		}
		timer.Stop()
	}
}

// copyPart reads from byte *done until the image is whole or the transfer breaks.
func (d Download) copyPart(ctx context.Context, done *int64, buffer []byte, take func([]byte) error) error {
	body, err := d.Images.Image(ctx, d.Image.SHA256, *done)
	if err != nil {
		return err
	}
	defer body.Close()
	for *done < d.Image.Size {
		n, err := body.Read(buffer[:min(int64(len(buffer)), d.Image.Size-*done)])
		if n > 0 {
			*done += int64(n)
			if err := take(buffer[:n]); err != nil {
				return err
			}
		}
		if err != nil && *done < d.Image.Size {
			return fmt.Errorf("the transfer broke: %w", err)
		}
	}
	return nil
}
