package redfish

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/stmcginnis/gofish/schemas"
)

// Target is what the firmware shall start from.
type Target string

// Targets of a boot override.
const (
	FromMedium Target = "Cd" // the virtual CD, under whatever name this BMC has for it
	FromDisk   Target = "Hdd"
)

// Enabled says how long an override holds.
type Enabled string

// How long an override holds.
const (
	Once       Enabled = "Once"
	Continuous Enabled = "Continuous"
)

// SetBootOverride tells the firmware what to start from and returns the override as the BMC shows it afterwards. Some BMCs keep
// Continuous as Once: the caller sees that and sets it again before each boot. A target the BMC did not keep is an error.
func (c *Client) SetBootOverride(ctx context.Context, target Target, enabled Enabled) (Override, error) {
	doing := fmt.Sprintf("boot override: %s %s", target, enabled)
	before, err := c.readSystem(ctx, doing)
	if err != nil {
		return Override{}, err
	}
	name, err := c.targetName(before, target, doing)
	if err != nil {
		return Override{}, err
	}
	now := before.view().Override
	if now.Target == name && now.Enabled == string(enabled) && !wantsWholeOverride(before.doc.Manufacturer) {
		return now, nil
	}
	want := schemas.Boot{
		BootSourceOverrideTarget:  schemas.BootSource(name),
		BootSourceOverrideEnabled: schemas.BootSourceOverrideEnabled(enabled),
		BootSourceOverrideMode:    schemas.UEFIBootSourceOverrideMode,
	}
	return c.override(ctx, before, attempts(before, want), doing)
}

// ClearBootOverride returns to the firmware's own boot order.
func (c *Client) ClearBootOverride(ctx context.Context) error {
	const doing = "clear the boot override"
	before, err := c.readSystem(ctx, doing)
	if err != nil {
		return err
	}
	if cleared(before.view().Override) {
		return nil
	}
	want := schemas.Boot{
		BootSourceOverrideTarget:  schemas.NoneBootSource,
		BootSourceOverrideEnabled: schemas.DisabledBootSourceOverrideEnabled,
		BootSourceOverrideMode:    schemas.UEFIBootSourceOverrideMode,
	}
	_, err = c.override(ctx, before, attempts(before, want), doing)
	return err
}

func cleared(o Override) bool {
	return o.Enabled == "Disabled" || o.Enabled == "" && (o.Target == "None" || o.Target == "")
}

// targetName is the BMC's own name for a target.
func (c *Client) targetName(s computer, target Target, doing string) (string, error) {
	offered := s.view().Targets
	names := []string{string(target)}
	if target == FromMedium {
		names = []string{"Cd", "UsbCd"}
		if prefersUSBCD(s.doc.Manufacturer) {
			names = []string{"UsbCd", "Cd"}
		}
	}
	if len(offered) == 0 {
		return string(target), nil
	}
	for _, name := range names {
		if slices.Contains(offered, name) {
			return name, nil
		}
	}
	e := c.protocol(doing, 0, fmt.Errorf("it offers only %s", strings.Join(offered, ", ")))
	e.Kind, e.Hint = Refused, "see what the BMC offers with `ingot bmc check`; this machine may need another boot method"
	return "", e
}

// attempts are the forms of an override to try, in order: what this BMC is likely to take first, then fewer members.
func attempts(s computer, want schemas.Boot) []schemas.Boot {
	without := want
	without.BootSourceOverrideMode = ""
	bare := without
	if want.BootSourceOverrideEnabled == schemas.DisabledBootSourceOverrideEnabled {
		bare.BootSourceOverrideTarget = "" // Enabled alone says it
	}
	forms := []schemas.Boot{want, without}
	if s.doc.Boot.BootSourceOverrideMode == "" && !wantsWholeOverride(s.doc.Manufacturer) {
		forms = []schemas.Boot{without, want} // HPE Gen9 and others have no mode
	}
	if bare.BootSourceOverrideTarget != without.BootSourceOverrideTarget {
		forms = append(forms, bare)
	}
	return forms
}

// override patches Boot in the first form the BMC takes and reads it back.
func (c *Client) override(ctx context.Context, before computer, forms []schemas.Boot, doing string) (Override, error) {
	var refused error
	for _, form := range forms {
		err := c.patchBoot(ctx, before, form, doing)
		if err == nil {
			return c.verifyOverride(ctx, form, doing)
		}
		refused = err
		if said := as(err); said == nil || said.Status != http.StatusBadRequest || said.Temporary {
			break
		}
	}
	return Override{}, refused
}

func (c *Client) verifyOverride(ctx context.Context, want schemas.Boot, doing string) (Override, error) {
	after, err := c.readSystem(ctx, doing)
	if err != nil {
		return Override{}, err
	}
	now := after.view().Override
	kept := now.Target == string(want.BootSourceOverrideTarget) && !cleared(now)
	if want.BootSourceOverrideEnabled == schemas.DisabledBootSourceOverrideEnabled {
		kept = cleared(now)
	}
	if kept {
		return now, nil
	}
	e := c.protocol(doing, 0, fmt.Errorf("it accepted the override but shows %s/%s", now.Target, now.Enabled))
	e.Kind, e.Temporary = Refused, true
	e.Hint = "it is tried again; if it stays so, a BIOS setting or a pending BIOS job may forbid boot overrides"
	return now, e
}

// patchBoot sends one form to the System, or to its settings object where the System is read-only (iDRAC10, Nokia).
func (c *Client) patchBoot(ctx context.Context, s computer, form schemas.Boot, doing string) error {
	body := struct{ Boot schemas.Boot }{form}
	err := c.patch(ctx, s.path, s.etag, body, doing)
	refused := as(err)
	if refused == nil || s.settings == "" || refused.Temporary || refused.Status < 400 || refused.Status >= 500 {
		return err
	}
	at, bad := c.resolve(s.settings)
	if bad != nil {
		return c.protocol(doing, 0, bad)
	}
	if c.patch(ctx, at, "", body, doing) != nil {
		return err // what the System itself said is the better explanation
	}
	return nil
}

// patch sends a PATCH and gets along with what BMCs make of If-Match: when the ETag is refused, the fresh one is tried, then its
// strong form, then none.
func (c *Client) patch(ctx context.Context, path, etag string, body any, doing string) error {
	w := c.wire(ctx, doing)
	err := c.patchOnce(w, path, etag, body)
	if !outdated(err) {
		return err
	}
	fresh, reading := get[schemas.Entity](w, path)
	if reading != nil {
		return reading
	}
	tries := []string{fresh.etag, strings.TrimPrefix(fresh.etag, "W/"), ""}
	for _, tag := range slices.Compact(tries) {
		if err = c.patchOnce(w, path, tag, body); !outdated(err) {
			return err
		}
	}
	return err
}

func outdated(err error) bool {
	said := as(err)
	return said != nil && (said.Status == http.StatusPreconditionFailed || said.Status == http.StatusPreconditionRequired)
}

func (c *Client) patchOnce(w wire, path, etag string, body any) error {
	response, err := w.PatchWithHeaders(path, body, map[string]string{"If-Match": etag})
	if err != nil {
		if as(err) == nil {
			return c.protocol(w.doing, 0, errors.New("the change cannot be sent"))
		}
		return err
	}
	if response.StatusCode == http.StatusAccepted {
		return w.follow(schemas.ParseTaskMonitorInfo(w, response))
	}
	return nil
}
