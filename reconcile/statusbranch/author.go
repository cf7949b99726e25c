package statusbranch

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/format"
	"github.com/gitmetal/ingot/reconcile/status"
)

// Author is this life of the daemon as the writer of the status branch. Every push carries the life, the number of the
// push and a random id in the fleet's page: a tip with an id that the life did not give was pushed by another daemon.
// The zero value has no life yet. Not safe for concurrent use.
type Author struct {
	Claimed bool // the branch has named this life

	daemon status.Daemon
	sent   []string // ids of the newest pushes that may have arrived, the newest last
}

// maxSent is how many ids of pushes are kept. An older push is told by its number.
const maxSent = 1024

// BeginLife gives the author its life. A call with the present life changes nothing.
func (a *Author) BeginLife(host string, life inventory.Life, since time.Time) {
	if a.daemon.Life != life {
		*a = Author{daemon: status.Daemon{Host: host, Life: life, Since: since.UTC().Truncate(time.Second)}}
	}
}

// Life is the author's life.
func (a *Author) Life() inventory.Life { return a.daemon.Life }

// Daemon is the author as the fleet's page names it, with the last push; nil before the first.
func (a *Author) Daemon() *status.Daemon {
	if a.daemon.Push == 0 {
		return nil
	}
	daemon := a.daemon
	return &daemon
}

// SignPush begins another push with a random id.
func (a *Author) SignPush(id string) {
	a.daemon.Push++
	a.daemon.PushID = id
	a.sent = append(a.sent, id)
	a.sent = a.sent[max(0, len(a.sent)-maxSent):]
}

// DropPush says that the last push certainly did not arrive.
func (a *Author) DropPush() {
	if len(a.sent) > 0 {
		a.sent = a.sent[:len(a.sent)-1]
	}
}

// Recognizes reports whether a tip's fleet page is of this life's own push.
func (a *Author) Recognizes(there *status.Daemon) bool {
	switch {
	case there == nil, there.Life != a.daemon.Life:
		return false
	default:
		return slices.Contains(a.sent, there.PushID) || there.Push+maxSent <= a.daemon.Push
	}
}

// FindOther says which other daemon wrote a tip, by the tip's fleet page, as a clause for people; "" when the page
// tells of none: the page names no daemon, an earlier life, or this life with a push of its own.
//
//	the page names                            the writer
//	no daemon                                 an older version, or nobody
//	a lower life                              a predecessor: the branch is an old copy
//	a higher life                             a daemon that was started later
//	the same number, and another life         a daemon that was started at the same time
//	this life, and a push of this life        this daemon: the answer was lost, or the branch is an old copy
//	this life, and another push               a copy of this daemon
func (a *Author) FindOther(there *status.Daemon) string {
	mine := a.daemon.Life
	switch {
	case there == nil, mine.ID == "", there.Life.Number < mine.Number:
		return ""
	case there.Life != mine:
		return fmt.Sprintf("the one on %s; this is life %d", there.Label(), mine.Number)
	case !a.Recognizes(there):
		return fmt.Sprintf("a copy of it, on %s too, made push %d to the status branch", there.Host, there.Push)
	default:
		return ""
	}
}

// ReadWriter reads which daemon pushed the tip last, from the fleet's genuine page; nil when the page tells nobody. The
// error says that only a newer ingot may read the page.
func ReadWriter(page []byte) (*status.Daemon, error) {
	if page == nil {
		return nil, nil
	}
	fleet, err := status.ParseFleet(page)
	if errors.Is(err, format.ErrNewer) {
		return nil, fmt.Errorf("%s: %w", status.FleetPath, err)
	}
	return fleet.Daemon, nil // a genuine page of no version tells nobody
}

// IsMoved reports whether a push was refused because somebody else moved the tip: the new pages are read first.
func IsMoved(err error) bool {
	var m interface{ Moved() bool }
	return errors.As(err, &m) && m.Moved()
}

// TakeFleet says what a person does about two daemons.
const TakeFleet = "stop the other one, then start this one with `ingot serve --take-fleet`"

// DescribeConflict says which page another daemon wrote, and what to do.
func DescribeConflict(there inventory.Record, why, tip string) string {
	by := ""
	if tip != "" {
		by = " (written by " + tip + ")"
	}
	return fmt.Sprintf("another daemon runs this fleet: on the page of %s%s, %s: %s", there.ID, by, why, TakeFleet)
}
