package redfish

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/stmcginnis/gofish/schemas"

	"github.com/gitmetal/ingot/boot/redfish/conn"
	"github.com/gitmetal/ingot/boot/redfish/vendors"
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

// SetBootOverride tells the firmware what to start from and returns the override as read back. Where the BMC declares
// that it does not take Continuous, or refuses Continuous, Once is set: the caller compares and sets the override again
// before each boot. A target that the BMC did not keep is an error.
func (c *Client) SetBootOverride(ctx context.Context, target Target, enabled Enabled) (Override, error) {
	w := c.conn.Call(ctx, fmt.Sprintf("boot override: %s %s", target, enabled))
	before, err := c.recentSystem(w)
	if err != nil {
		return Override{}, err
	}
	name, err := chooseTarget(w, before, target)
	if err != nil {
		return Override{}, err
	}
	if enabled, err = c.chooseEnabled(w, before, enabled); err != nil {
		return Override{}, err
	}
	now := before.override
	if now.Target == spellAsSchema(name) && now.Enabled == string(enabled) && !vendors.WantsWholeOverride(before.vendor) {
		return now, nil
	}
	return c.writeOverride(w, before, schemas.Boot{
		BootSourceOverrideTarget:  schemas.BootSource(name),
		BootSourceOverrideEnabled: schemas.BootSourceOverrideEnabled(enabled),
		BootSourceOverrideMode:    schemas.UEFIBootSourceOverrideMode,
	})
}

// ClearBootOverride returns to the firmware's own boot order, or to the disk where the BMC always overrides that order
// and declares no target None (sushy-tools).
func (c *Client) ClearBootOverride(ctx context.Context) error {
	w := c.conn.Call(ctx, "clear the boot override")
	before, err := c.recentSystem(w)
	if err != nil {
		return err
	}
	if isCleared(before.override) {
		return nil
	}
	target := schemas.NoneBootSource
	if offered := before.toSystem().Targets; len(offered) > 0 {
		if target = schemas.BootSource(findWord(offered, "None")); target == "" {
			target = schemas.HddBootSource
		}
	}
	_, err = c.writeOverride(w, before, schemas.Boot{
		BootSourceOverrideTarget:  target,
		BootSourceOverrideEnabled: schemas.DisabledBootSourceOverrideEnabled,
		BootSourceOverrideMode:    schemas.UEFIBootSourceOverrideMode,
	})
	return err
}

// isCleared reports whether the firmware follows its own order: the target None overrides nothing, however long.
func isCleared(o Override) bool {
	return o.Enabled == "Disabled" || o.Target == "None" || o.Enabled == "" && o.Target == ""
}

// chooseEnabled gives how long an override lasts, as far as this BMC takes it.
func (c *Client) chooseEnabled(w conn.Call, s computer, want Enabled) (Enabled, error) {
	c.mu.Lock()
	onceOnly := c.override.onceOnly
	c.mu.Unlock()
	if want == Continuous && onceOnly {
		want = Once
	}
	if len(s.enables) == 0 || slices.Contains(s.enables, string(want)) {
		return want, nil
	}
	for _, other := range []Enabled{Once, Continuous} {
		if slices.Contains(s.enables, string(other)) {
			return other, nil
		}
	}
	return "", w.RefusedError("it offers only "+strings.Join(s.enables, ", ")+" for how long an override lasts",
		"this machine cannot be started from a medium; a BIOS setting may lock its boot order")
}

// findWord gives a word in the BMC's own spelling, or "" if the BMC does not have the word.
func findWord(offered []string, word string) string {
	if i := slices.IndexFunc(offered, func(own string) bool { return strings.EqualFold(own, word) }); i >= 0 {
		return offered[i]
	}
	return ""
}

// chooseTarget gives the BMC's own name for a target.
func chooseTarget(w conn.Call, s computer, target Target) (string, error) {
	offered := s.toSystem().Targets
	names := []string{string(target)}
	if target == FromMedium {
		names = []string{"Cd", "UsbCd"}
		if vendors.PrefersUSBCD(s.Doc.Manufacturer) {
			names = []string{"UsbCd", "Cd"}
		}
	}
	if len(offered) == 0 {
		return string(target), nil
	}
	for _, name := range names {
		if own := findWord(offered, name); own != "" {
			return own, nil
		}
	}
	return "", w.RefusedError("it offers only "+strings.Join(offered, ", "),
		"see what the BMC offers with `ingot bmc check`; this machine may need another boot method")
}

// patchResource sends a PATCH with If-Match, and follows its task.
func patchResource(w conn.Call, path, etag string, body any) error {
	response, err := w.Change(path, etag, body)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode == http.StatusAccepted {
		return w.FollowTask(schemas.ParseTaskMonitorInfo(w, response))
	}
	return nil
}
