package notify

import (
	"context"
	"time"

	"github.com/gitmetal/ingot/internal/httppost"
	"github.com/gitmetal/ingot/reconcile/notices"
)

// longestWait is the longest pause that a forge may ask for, in minutes.
const longestWait = 60

// refusals are the commit statuses that the forge did not take. Only the newest verdict of each commit is tried:
// nothing piles up.
type refusals struct {
	byStatus map[[2]string]refusal // by commit and context
	until    time.Time             // nothing is sent before: the forge does not answer, or said so
	fails    int                   // in a row, of a forge that does not answer
}

type refusal struct {
	fails int
	next  time.Time
}

// serveForge has the forge show what it does not show yet.
func (n *Notifier) serveForge(ctx context.Context) error {
	wake, refused, fails := n.wake[len(n.wake)-1], refusals{byStatus: map[[2]string]refusal{}}, false
	for ctx.Err() == nil {
		s, found, wait := n.nextStatus(&refused)
		if !found {
			pause(ctx, wake, wait)
			continue
		}
		answer := n.config.Forge.PostStatus(ctx, s)
		if ctx.Err() != nil {
			break
		}
		if answer.Err != nil && !fails {
			n.config.Log.Warn("commit status not sent: it is tried again", "context", s.Context, "commit", s.Commit, "error",
				answer.Err)
		}
		if answer.Err == nil && fails {
			n.config.Log.Info("commit statuses are sent again")
		}
		fails = answer.Err != nil
		n.settleStatus(ctx, s, &refused, answer)
	}
	return ctx.Err()
}

// nextStatus is the commit status that is to be sent now, or how long there is none.
func (n *Notifier) nextStatus(r *refusals) (notices.CommitStatus, bool, time.Duration) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.mayTell {
		return notices.CommitStatus{}, false, minute
	}
	now := time.Now()
	due, again := n.memory.DueStatuses(n.verdicts, now)
	n.config.Meter.SetCommitStatusesWaiting(len(due))
	wait := minute
	if !again.IsZero() {
		wait = min(wait, again.Sub(now))
	}
	if pause := r.until.Sub(now); pause > 0 {
		return notices.CommitStatus{}, false, pause
	}
	for _, s := range due {
		next := r.byStatus[[2]string{s.Commit, s.Context}].next
		if !now.Before(next) {
			return s, true, 0
		}
		wait = min(wait, next.Sub(now))
	}
	if len(due) == 0 {
		clear(r.byStatus)
	}
	return notices.CommitStatus{}, false, wait
}

// settleStatus records what became of a try.
func (n *Notifier) settleStatus(ctx context.Context, s notices.CommitStatus, r *refusals, answer httppost.Answer) {
	n.mu.Lock()
	defer n.mu.Unlock()
	now, key := time.Now(), [2]string{s.Commit, s.Context}
	if answer.Err == nil {
		delete(r.byStatus, key)
		r.until, r.fails = time.Time{}, 0
		n.memory.KeepSent(s, now)
		n.config.Meter.CountCommitStatus(Sent)
		n.saveMemory(ctx)
		return
	}
	n.config.Meter.CountCommitStatus(Fail)
	asked := min(answer.RetryAfter, longestWait*n.config.Pace.Minute)
	// Gitea answers 500 for a commit that it does not have: that says nothing about the other commits
	if answer.Down && (answer.Status < 500 || asked > 0) {
		r.fails++
		r.until = now.Add(max(n.backOff(r.fails), asked))
		return
	}
	one := r.byStatus[key]
	one.fails++
	one.next = now.Add(n.backOff(one.fails))
	r.byStatus[key] = one
}

// backOff is the pause after so many failures in a row: half a minute, doubled up to ten minutes.
func (n *Notifier) backOff(fails int) time.Duration {
	return min(n.config.Pace.Minute/2<<min(fails-1, 10), 10*n.config.Pace.Minute)
}
