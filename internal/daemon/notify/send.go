package notify

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"time"

	"github.com/gitmetal/ingot/internal/httppost"
	"github.com/gitmetal/ingot/internal/secret"
	"github.com/gitmetal/ingot/reconcile/notices"
)

// Headers of a notification. The signature is HMAC-SHA-256 over the body, in hex.
const (
	SignatureHeader = "X-Ingot-Signature" // sha256=<hex>
	EventHeader     = "X-Ingot-Event-Id"
)

// serveReceiver sends a receiver its events, one after the other.
func (n *Notifier) serveReceiver(ctx context.Context, i int) error {
	r := n.config.Receivers[i]
	attempts, fails := notices.Attempts{Minute: n.config.Pace.Minute}, false
	for ctx.Err() == nil {
		event, found, wait := n.nextEvent(r.Name, attempts)
		if !found {
			pause(ctx, n.wake[i], wait)
			continue
		}
		answer := n.clients[i].Post(ctx, r.newRequest(event))
		if ctx.Err() != nil {
			break // the daemon stops: the next one sends the event again
		}
		if answer.Err != nil && !fails {
			n.config.Log.Warn("notification not sent: it is tried five times in an hour", "receiver", r.Name, "event", event.ID,
				"error", answer.Err)
		}
		if answer.Err == nil && fails {
			n.config.Log.Info("notifications are sent again", "receiver", r.Name)
		}
		fails = answer.Err != nil
		n.settleEvent(ctx, r.Name, event, &attempts, answer)
	}
	return ctx.Err()
}

// nextEvent is the event that is to be sent to a receiver now, or how long there is none.
func (n *Notifier) nextEvent(receiver string, a notices.Attempts) (notices.Event, bool, time.Duration) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.mayTell || !n.saved {
		return notices.Event{}, false, minute
	}
	event, found, wait := n.memory.NextFor(receiver, a, time.Now())
	if wait == 0 {
		wait = minute
	}
	return event, found, wait
}

// settleEvent records what became of a try.
func (n *Notifier) settleEvent(ctx context.Context, receiver string, e notices.Event, a *notices.Attempts,
	answer httppost.Answer) {
	n.mu.Lock()
	defer n.mu.Unlock()
	switch {
	case answer.Err == nil:
		a.Succeed(e.ID)
		n.memory.Settle(receiver, e.ID)
		n.config.Meter.CountNotification(receiver, Sent)
	case a.Fail(e, notices.Failure{Down: answer.Down, RetryAfter: answer.RetryAfter}, time.Now()):
		n.memory.Settle(receiver, e.ID)
		n.config.Meter.CountNotification(receiver, Fail)
		n.config.Meter.CountNotification(receiver, Lost)
		n.config.Log.Error("notification lost", "receiver", receiver, "event", e.ID, "text", e.Text, "error", answer.Err)
	default:
		n.config.Meter.CountNotification(receiver, Fail)
		return
	}
	n.saveMemory(ctx)
	n.measureWaiting()
}

// newRequest is an event as a receiver gets it.
func (r Receiver) newRequest(e notices.Event) httppost.Request {
	body, _ := json.Marshal(e) // strings, numbers and times
	header := map[string]secret.Value{EventHeader: secret.New(e.ID)}
	if !r.Key.Empty() {
		mac := hmac.New(sha256.New, []byte(r.Key.Reveal()))
		mac.Write(body)
		header[SignatureHeader] = secret.New("sha256=" + hex.EncodeToString(mac.Sum(nil)))
	}
	return httppost.Request{URL: r.URL, Header: header, Body: body}
}
