package consoles

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/gitmetal/ingot/boot/console"
	"github.com/gitmetal/ingot/boot/logins"
	"github.com/gitmetal/ingot/reconcile"
)

// readConsole reads a host's console until ctx or the connection ends. The error is never nil.
func (c *Reader) readConsole(ctx context.Context, w *keptConsole, h reconcile.HostView) error {
	offered, err := c.config.Offered(h.ID)
	if err != nil {
		return err
	}
	account, err := c.config.Open(ctx, h.Desired.BMC.Credentials)
	if err != nil {
		return err
	}
	c.openSecrets(ctx, h)
	log, err := c.config.Dir.Open(string(h.ID), c.config.Secrets)
	if err != nil {
		return err
	}
	log.Continue(c.recentLines(h.ID))
	defer func() {
		_ = log.Close() // a failed write was reported before
		c.mu.Lock()
		defer c.mu.Unlock()
		w.recent = log.Recent(time.Now())
	}()
	target := console.Target{
		Address: joinConsoleAddress(h.Desired.BMC, offered.Port), Fingerprint: h.Desired.BMC.Console.Fingerprint,
		Username: account["username"].Reveal(), Password: account["password"],
		Account: logins.AccountAt(h.Desired.BMC.Address, account["username"].Reveal()),
	}
	if offered.Shared { // on a port that is not shared, the line would go to the machine: to GRUB, or to a shell
		target.Entry = offered.Entry
	}
	out := &markedLog{log: log}
	err = console.Read(ctx, target, c.config.Limits, console.Reading{Out: out, Begun: func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		w.log, w.state, w.text = log, Reads, "It is read since "+time.Now().UTC().Format(time.RFC3339)+"."
	}})
	if out.began {
		why := err
		if ctx.Err() != nil {
			why = errors.New("nothing is under way and nobody looks at it, or others come first, or the daemon ends")
		}
		_ = log.WriteNote(time.Now(), "not read any more: "+why.Error()) // err says already if the log fails
	}
	return err
}

// openSecrets opens the Secrets of a host's workload, so that they are masked: a daemon that has just started has
// opened none, and the machine may know them from the daemon before. Secrets that cannot be opened are skipped.
func (c *Reader) openSecrets(ctx context.Context, h reconcile.HostView) {
	if h.Desired.Workload == nil {
		return
	}
	for _, s := range h.Desired.Workload.Secrets {
		_, _ = c.config.Open(ctx, s.Name)
	}
}

// markedLog writes a note into a log before the first output.
type markedLog struct {
	log   *console.Log
	began bool
}

var _ io.Writer = (*markedLog)(nil)

func (n *markedLog) Write(p []byte) (int, error) {
	if !n.began {
		n.began = true
		if err := n.log.WriteNote(time.Now(), "read from here on: what came before is not known"); err != nil {
			return 0, err
		}
	}
	return n.log.Write(p)
}
