package redfish

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/stmcginnis/gofish/schemas"

	"github.com/gitmetal/ingot/boot/redfish/conn"
)

// Target is what the firmware starts from.
type Target string

// Targets of a boot override.
const (
	FromMedium Target = "Cd" // the virtual CD, under the BMC's own name
	FromDisk   Target = "Hdd"
)

// Enabled says how long an override lasts.
type Enabled string

// How long an override lasts.
const (
	Once       Enabled = "Once"
	Continuous Enabled = "Continuous"
)

// SetBootOverride tells the firmware what to start from and returns the override as read back. Some BMCs keep
// Continuous as Once: the caller compares and sets the override again before each boot. A target that the BMC did not
// keep is an error.
func (c *Client) SetBootOverride(ctx context.Context, target Target, enabled Enabled) (Override, error) {
	w := c.conn.Call(ctx, fmt.Sprintf("boot override: %s %s", target, enabled))
	before, err := c.readSystem(w)
	if err != nil {
		return Override{}, err
	}
	name, err := chooseTarget(w, before, target)
	if err != nil {
		return Override{}, err
	}
	now := before.toSystem().Override
	if now.Target == name && now.Enabled == string(enabled) && !wantsWholeOverride(before.Doc.Manufacturer) {
		return now, nil
	}
	want := schemas.Boot{
		BootSourceOverrideTarget:  schemas.BootSource(name),
		BootSourceOverrideEnabled: schemas.BootSourceOverrideEnabled(enabled),
		BootSourceOverrideMode:    schemas.UEFIBootSourceOverrideMode,
	}
	return c.writeOverride(w, before, overrideForms(before, want))
}

// ClearBootOverride returns to the firmware's own boot order.
func (c *Client) ClearBootOverride(ctx context.Context) error {
	w := c.conn.Call(ctx, "clear the boot override")
	before, err := c.readSystem(w)
	if err != nil {
		return err
	}
	if isCleared(before.toSystem().Override) {
		return nil
	}
	want := schemas.Boot{
		BootSourceOverrideTarget:  schemas.NoneBootSource,
		BootSourceOverrideEnabled: schemas.DisabledBootSourceOverrideEnabled,
		BootSourceOverrideMode:    schemas.UEFIBootSourceOverrideMode,
	}
	_, err = c.writeOverride(w, before, overrideForms(before, want))
	return err
}

func isCleared(o Override) bool {
	return o.Enabled == "Disabled" || o.Enabled == "" && (o.Target == "None" || o.Target == "")
}

// chooseTarget gives the BMC's own name for a target.
func chooseTarget(w conn.Call, s computer, target Target) (string, error) {
	offered := s.toSystem().Targets
	names := []string{string(target)}
	if target == FromMedium {
		names = []string{"Cd", "UsbCd"}
		if prefersUSBCD(s.Doc.Manufacturer) {
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
	return "", w.RefusedError("it offers only "+strings.Join(offered, ", "),
		"see what the BMC offers with `ingot bmc check`; this machine may need another boot method")
}

// overrideForms are the forms of an override to try: first the form that this BMC is likely to take, then forms with
// fewer members.
func overrideForms(s computer, want schemas.Boot) []schemas.Boot {
	without := want
	without.BootSourceOverrideMode = ""
	bare := without
	if want.BootSourceOverrideEnabled == schemas.DisabledBootSourceOverrideEnabled {
		bare.BootSourceOverrideTarget = "" // Enabled alone is enough
	}
	forms := []schemas.Boot{want, without}
	if s.Doc.Boot.BootSourceOverrideMode == "" && !wantsWholeOverride(s.Doc.Manufacturer) {
		forms = []schemas.Boot{without, want} // HPE Gen9 and others have no mode
	}
	if bare.BootSourceOverrideTarget != without.BootSourceOverrideTarget {
		forms = append(forms, bare)
	}
	return forms
}

// writeOverride patches Boot in the first form that the BMC accepts and reads the override back.
func (c *Client) writeOverride(w conn.Call, before computer, forms []schemas.Boot) (Override, error) {
	var refused error
	for _, form := range forms {
		err := patchBoot(w, before, form)
		if err == nil {
			return c.verifyOverride(w, form)
		}
		refused = err
		if said := conn.AsError(err); said == nil || said.Status != http.StatusBadRequest || said.Temporary {
			break
		}
	}
	return Override{}, refused
}

func (c *Client) verifyOverride(w conn.Call, want schemas.Boot) (Override, error) {
	after, err := c.readSystem(w)
	if err != nil {
		return Override{}, err
	}
	now := after.toSystem().Override
	kept := now.Target == string(want.BootSourceOverrideTarget) && !isCleared(now)
	if want.BootSourceOverrideEnabled == schemas.DisabledBootSourceOverrideEnabled {
		kept = isCleared(now)
	}
	if kept {
		return now, nil
	}
	return now, w.TemporaryError(fmt.Sprintf("it accepted the override but shows %s/%s", now.Target, now.Enabled),
		"it is tried again; if it stays so, a BIOS setting or a pending BIOS job may forbid boot overrides")
}

// patchBoot sends a form to the System, or to its settings object where the System is read-only (iDRAC10, Nokia).
func patchBoot(w conn.Call, s computer, form schemas.Boot) error {
	body := struct{ Boot schemas.Boot }{form}
	err := patchResource(w, s.path, s.ETag, body)
	refused := conn.AsError(err)
	if refused == nil || s.settings == "" || refused.Temporary || refused.Status < 400 || refused.Status >= 500 {
		return err
	}
	at, bad := w.ResolveLink(s.settings)
	if bad != nil {
		return bad
	}
	if patchResource(w, at, "", body) != nil {
		return err // the System's error explains more
	}
	return nil
}

// patchResource sends a PATCH with If-Match. If the ETag is refused, the fresh ETag is tried, then its strong form,
// then none.
func patchResource(w conn.Call, path, etag string, body any) error {
	err := patchOnce(w, path, etag, body)
	if !isOutdated(err) {
		return err
	}
	fresh, reading := conn.Get[schemas.Entity](w, path)
	if reading != nil {
		return reading
	}
	tries := []string{fresh.ETag, strings.TrimPrefix(fresh.ETag, "W/"), ""}
	for _, tag := range slices.Compact(tries) {
		if err = patchOnce(w, path, tag, body); !isOutdated(err) {
			return err
		}
	}
	return err
}

func isOutdated(err error) bool {
	said := conn.AsError(err)
	return said != nil &&
		(said.Status == http.StatusPreconditionFailed || said.Status == http.StatusPreconditionRequired)
}

func patchOnce(w conn.Call, path, etag string, body any) error {
	response, err := w.PatchWithHeaders(path, body, map[string]string{"If-Match": etag})
	if err != nil {
		if conn.AsError(err) == nil {
			return w.ProtocolError(errors.New("the change cannot be sent"))
		}
		return err
	}
	defer response.Body.Close()
	if response.StatusCode == http.StatusAccepted {
		return w.FollowTask(schemas.ParseTaskMonitorInfo(w, response))
	}
	return nil
}
