package redfish

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/stmcginnis/gofish/schemas"

	"github.com/gitmetal/ingot/inventory"

	"github.com/gitmetal/ingot/boot/redfish/conn"
)

// ResetType is a change of power.
type ResetType string

// Changes of power.
const (
	PowerOn          ResetType = "On"
	ForceOff         ResetType = "ForceOff"
	GracefulShutdown ResetType = "GracefulShutdown" // the guest is asked, and may ignore the request
	ForceRestart     ResetType = "ForceRestart"
)

// resetChoices are the Redfish reset types that serve a change, best first.
var resetChoices = map[ResetType][]schemas.ResetType{
	PowerOn:          {schemas.OnResetType, schemas.ForceOnResetType, schemas.PushPowerButtonResetType},
	ForceOff:         {schemas.ForceOffResetType},
	GracefulShutdown: {schemas.GracefulShutdownResetType},
	ForceRestart:     {schemas.ForceRestartResetType, schemas.PowerCycleResetType},
}

// Reset asks for a change of power and returns once the BMC has accepted the change; the machine may still be changing.
// If the power is already as wanted, nothing is sent.
func (c *Client) Reset(ctx context.Context, want ResetType) error {
	_, err := c.Change(ctx, want)
	return err
}

// Change is Reset, and reports whether the power was already as wanted, so that the call changed nothing.
func (c *Client) Change(ctx context.Context, want ResetType) (already bool, err error) {
	w := c.conn.Call(ctx, "power: "+string(want))
	read := c.recentSystem
	if want == PowerOn { // whether the machine was on already must not be a matter of seconds
		read = c.readSystem
	}
	before, err := read(w)
	if err != nil {
		return false, err
	}
	if reachedPower(want, before.toSystem().Power) {
		return true, nil
	}
	kind, err := c.pickReset(w, before, want)
	if err != nil {
		return false, err
	}
	if want == ForceOff {
		if waits, err := c.holdForceOff(w); waits {
			return false, err
		}
	}
	c.forgetReadings()
	task, err := before.Doc.Reset(kind)
	if err == nil {
		c.recordReset(want)
		return false, w.FollowTask(task)
	}
	refused := conn.AsError(err)
	if refused == nil { // gofish's own error
		return false, w.ProtocolError(err)
	}
	if refused.Status != http.StatusConflict && refused.Status != http.StatusBadRequest {
		return false, refused
	}
	// Many BMCs refuse a change to the present state; look again.
	after, err := c.readSystem(w)
	if err == nil && reachedPower(want, after.toSystem().Power) {
		return true, nil
	}
	return false, refused
}

// ButtonPause is how long every reading must have said Off before a power button is pushed. If the BMC's reading is
// stale and the machine runs, the button would switch the machine off.
const ButtonPause = 30 * time.Second

// recordPower keeps the time since when every reading said Off, and when a machine that was powered off came back.
func (c *Client) recordPower(power inventory.PowerState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case power != inventory.PoweredOff:
		if power == inventory.PoweredOn && !c.offSince.IsZero() && c.off.sent > 0 {
			c.off.wentOff, c.off.cameBack = c.offSince, c.conn.Now()
		}
		c.offSince = time.Time{}
	case c.offSince.IsZero():
		c.offSince = c.conn.Now()
	}
}

// offRow is a row of hard power-offs that the BMC accepted and after which ingot did not power the machine on.
type offRow struct {
	sent        int
	first, last time.Time
	// when the machine went off and was on again at a later reading; zero if it was never seen off
	wentOff, cameBack time.Time
}

// Pauses between hard power-offs in a row: the first pause, doubled with each power-off up to the longest pause. After
// rowEnds without a power-off a new row begins.
const (
	firstOffPause   = 15 * time.Second
	longestOffPause = 10 * time.Minute
	rowEnds         = time.Hour
)

// pause is how long no further power-off is sent after the last one.
func (o offRow) pause() time.Duration {
	pause := firstOffPause
	for n := 1; n < o.sent && pause < longestOffPause; n++ {
		pause *= 2
	}
	return min(pause, longestOffPause)
}

// recordReset keeps the accepted changes of power that the next ones depend on.
func (c *Client) recordReset(accepted ResetType) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.conn.Now()
	switch accepted {
	case PowerOn, ForceRestart:
		c.off = offRow{}
		c.override.started = true
	case ForceOff:
		if c.off.sent == 0 || now.Sub(c.off.last) > rowEnds {
			c.off = offRow{first: now}
		}
		c.off.sent, c.off.last = c.off.sent+1, now
	}
}

// holdForceOff reports whether a hard power-off is not sent now, because the BMC accepted one a short time ago. The
// error is nil while the machine may still be going off.
func (c *Client) holdForceOff(w conn.Call) (waits bool, err error) {
	c.mu.Lock()
	row, now := c.off, c.conn.Now()
	c.mu.Unlock()
	next := row.last.Add(row.pause())
	if row.sent == 0 || !now.Before(next) {
		return false, nil
	}
	const clock = "15:04:05"
	again := "the next power-off is sent at " + next.UTC().Format(clock) + " UTC"
	switch {
	case !row.cameBack.IsZero():
		return true, w.TemporaryError(fmt.Sprintf("the machine was off at %s and is on since %s, and ingot did not "+
			"power it on: something else powers it on", row.wentOff.UTC().Format(clock), row.cameBack.UTC().Format(clock)),
			"look for another controller, a power restore policy or a watchdog; "+again)
	case row.sent == 1:
		return true, nil
	default:
		return true, w.TemporaryError(fmt.Sprintf("it accepted %d power-offs since %s and the machine is still on",
			row.sent, row.first.UTC().Format(clock)), "switch the machine off by hand or reset its BMC; "+again)
	}
}

// OffSince is the time of the first reading in the last row of readings that all said Off; zero unless the last reading
// said Off. A failed reading does not end the row.
func (c *Client) OffSince() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.offSince
}

// reachedPower reports whether the power is already as wanted. A restart is never reached.
func reachedPower(want ResetType, power inventory.PowerState) bool {
	switch want {
	case PowerOn:
		return power == inventory.PoweredOn
	case ForceOff, GracefulShutdown:
		return power == inventory.PoweredOff
	default:
		return false
	}
}

func (c *Client) pickReset(w conn.Call, s computer, want ResetType) (schemas.ResetType, error) {
	choices, known := resetChoices[want]
	if !known {
		return "", w.ProtocolError(errors.New("there is no such change of power"))
	}
	if s.reset == "" {
		return "", w.RefusedError("the System has no Reset action",
			"give the account the privilege ConfigureComponents, or check the BMC's licence; see `ingot bmc check`")
	}
	offered, err := s.Doc.GetSupportedResetTypes()
	if err != nil || len(offered) == 0 {
		return choices[0], nil // the BMC does not say: the most common type
	}
	since := c.OffSince()
	seenOff := !since.IsZero() && !c.conn.Now().Before(since.Add(ButtonPause))
	for _, choice := range choices {
		button := choice == schemas.PushPowerButtonResetType
		switch {
		case !slices.Contains(offered, choice) || button && s.toSystem().Power != inventory.PoweredOff:
		case button && !seenOff:
			return "", w.TemporaryError(
				"it has only a power button, and was not seen to be off for long enough to push that",
				fmt.Sprintf("it is pushed when the machine is off for %s", ButtonPause))
		default:
			return choice, nil
		}
	}
	return "", w.RefusedError(fmt.Sprintf("it offers only %v", offered),
		"use another way: off and on for a restart, a hard power-off for a shutdown")
}
