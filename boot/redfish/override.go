package redfish

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/stmcginnis/gofish/schemas"

	"github.com/gitmetal/ingot/boot/redfish/conn"
	"github.com/gitmetal/ingot/boot/redfish/vendors"
)

// overrideHabits is what was learned of a BMC's boot override.
type overrideHabits struct {
	onceOnly bool   // Continuous was refused
	whole    bool   // the mode is needed in each change
	settings string // the settings object that an error named, where the System names none (AMI)
	writeAt  string // the settings object that takes changes; empty: the System
	readAt   string // the settings object that alone shows what was written; empty: the System
	looked   bool   // for an override in the settings object that an earlier process wrote
	started  bool   // the machine was started since the last change
	// what the settings object showed after our last change, and when
	known   Override
	knownAt time.Time
}

// knownFor is how long a settings object is not read again after a change of ours was seen in it.
const knownFor = time.Minute

// readOverride gives the override that the next start follows: the System's, or the one that waits in the settings
// object. Which of the two shows changes is learned; the settings object is otherwise read once.
func (c *Client) readOverride(w conn.Call, s computer) (Override, error) {
	shown := overrideOf(s.Doc.Boot)
	c.mu.Lock()
	habits := c.override
	c.override.looked = true
	c.mu.Unlock()
	if s.settings == "" || habits.looked && habits.readAt == "" {
		return shown, nil
	}
	if habits.readAt != "" && c.conn.Now().Sub(habits.knownAt) < knownFor {
		if habits.started && habits.known.Enabled == string(Once) {
			return shown, nil // the start used it up
		}
		return habits.known, nil
	}
	waiting, err := readWaiting(w, s)
	switch {
	case err != nil && habits.readAt == "": // it was only a look
		return shown, nil
	case err != nil:
		return Override{}, err
	case waiting.Enabled == "" || waiting.Enabled == string(Once) && habits.started:
		return shown, nil // nothing waits, or the start used it up
	case habits.readAt != "":
		return waiting, nil
	case isCleared(waiting) || waiting == shown:
		return shown, nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.override.readAt, c.override.writeAt = s.settings, s.settings
	return waiting, nil
}

// readWaiting reads the override in the System's settings object.
func readWaiting(w conn.Call, s computer) (Override, error) {
	at, err := w.ResolveLink(s.settings)
	if err != nil {
		return Override{}, err
	}
	settings, err := conn.Get[struct{ Boot schemas.Boot }](w, at)
	if err != nil {
		return Override{}, err
	}
	return overrideOf(settings.Doc.Boot), nil
}

func overrideOf(boot schemas.Boot) Override {
	return Override{Target: spellAsSchema(string(boot.BootSourceOverrideTarget)),
		Enabled: spellAsSchema(string(boot.BootSourceOverrideEnabled)), Mode: string(boot.BootSourceOverrideMode)}
}

// schemaWords are the words of overrides, as the schema spells them.
var schemaWords = []string{"None", "Cd", "UsbCd", "Hdd", "Disabled", string(Once), string(Continuous)}

// spellAsSchema gives a BMC's word in the schema's spelling.
func spellAsSchema(word string) string {
	if i := slices.IndexFunc(schemaWords, func(w string) bool { return strings.EqualFold(w, word) }); i >= 0 {
		return schemaWords[i]
	}
	return word
}

// writeOverride writes an override to the System, or to its settings object where the System is read-only or does not
// keep it (AMI, iDRAC10, NVIDIA, Nokia), and checks it where it was written. The place that worked comes first the next
// time.
func (c *Client) writeOverride(w conn.Call, before computer, want schemas.Boot) (Override, error) {
	defer c.forgetReadings()
	c.mu.Lock()
	habits := c.override
	c.override.knownAt = time.Time{}
	c.mu.Unlock()
	places := []string{"", before.settings}
	if habits.writeAt != "" {
		places = []string{habits.writeAt, ""}
	}
	var first error
	places = slices.Compact(places)
	for i := 0; i < len(places); i++ {
		place := places[i]
		form, err := c.writeForms(w, before, place, want)
		if err == nil {
			shown, err := c.verifyOverride(w, place, form)
			if err == nil {
				return shown, nil
			}
			if first == nil || place != "" {
				first = err
			}
			continue
		}
		said := conn.AsError(err)
		if said == nil || said.Temporary || said.Status < 400 || said.Status >= 500 {
			return Override{}, err
		}
		if named := said.NamedBelow(before.path); named != "" && before.settings == "" {
			before.settings = named
			places = append(places, named)
			c.mu.Lock()
			c.override.settings = named
			c.mu.Unlock()
		}
		if first == nil { // the System's error explains more
			first = err
		}
	}
	return Override{}, first
}

// writeForms patches Boot at a place in the first form that the BMC accepts, and returns the form. The mode is sent
// where it differs from what the machine has, and where the BMC wants the whole override: on other machines a mode that
// is sent makes a BIOS job (iDRAC), or switches Secure Boot off (sushy-tools).
func (c *Client) writeForms(w conn.Call, s computer, place string, want schemas.Boot) (schemas.Boot, error) {
	c.mu.Lock()
	whole := c.override.whole
	c.mu.Unlock()
	without, bare := want, want
	without.BootSourceOverrideMode, bare.BootSourceOverrideMode = "", ""
	bare.BootSourceOverrideTarget = "" // to clear, Enabled alone is enough
	forms := []schemas.Boot{without, want}
	mode := s.Doc.Boot.BootSourceOverrideMode
	if whole || vendors.WantsWholeOverride(s.vendor) || mode != "" && mode != schemas.UEFIBootSourceOverrideMode {
		forms = []schemas.Boot{want, without}
	}
	switch {
	case want.BootSourceOverrideEnabled != schemas.DisabledBootSourceOverrideEnabled:
	case want.BootSourceOverrideTarget == schemas.NoneBootSource:
		forms = append(forms, bare)
	default: // there is no target None
		forms = append([]schemas.Boot{bare}, forms...)
	}
	var refused error
	for i, form := range forms {
		err := patchBoot(w, s, place, form)
		if err == nil {
			c.learnForm(forms[:i+1])
			return form, nil
		}
		said := conn.AsError(err)
		if said == nil || said.Status != http.StatusBadRequest || said.Temporary || said.NamedBelow(s.path) != "" {
			return schemas.Boot{}, err // also where another place is named: the form does not matter here
		}
		if refused == nil {
			refused = err
		}
		if form.BootSourceOverrideEnabled == schemas.ContinuousBootSourceOverrideEnabled && refusesContinuous(said) {
			want.BootSourceOverrideEnabled = schemas.OnceBootSourceOverrideEnabled
			c.mu.Lock()
			c.override.onceOnly = true
			c.mu.Unlock()
			return c.writeForms(w, s, place, want)
		}
	}
	return schemas.Boot{}, refused
}

// refusesContinuous reports whether a refusal is about how long the override lasts.
func refusesContinuous(said *Error) bool {
	return said.NamesProperty("BootSourceOverrideEnabled") || said.NamesProperty(string(Continuous))
}

// learnForm keeps what the forms that were tried say of the BMC; the last form was accepted.
func (c *Client) learnForm(tried []schemas.Boot) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.override.started = false
	c.override.whole = c.override.whole || len(tried) > 1 && tried[len(tried)-1].BootSourceOverrideMode != ""
}

// patchBoot sends a form to the System, or to its settings object.
func patchBoot(w conn.Call, s computer, place string, form schemas.Boot) error {
	body := struct{ Boot schemas.Boot }{form}
	if place == "" {
		return patchResource(w, s.path, s.ETag, body)
	}
	at, err := w.ResolveLink(place)
	if err != nil {
		return err
	}
	return patchResource(w, at, "", body)
}

// verifyOverride checks by a fresh read that an override was kept: at the System, or, where the System has a settings
// object, in that. Where the override shows is kept for the next readings.
func (c *Client) verifyOverride(w conn.Call, place string, want schemas.Boot) (Override, error) {
	after, err := c.readSystem(w)
	if err != nil {
		return Override{}, err
	}
	shown, readAt := overrideOf(after.Doc.Boot), ""
	if !keeps(shown, want) && after.settings != "" {
		if waiting, err := readWaiting(w, after); err == nil && waiting.Enabled != "" && keeps(waiting, want) {
			shown, readAt = waiting, after.settings
		}
	}
	if !keeps(shown, want) {
		return shown, w.TemporaryError(
			fmt.Sprintf("it accepted the override but shows %s/%s", shown.Target, shown.Enabled),
			"it is tried again; if it stays so, a BIOS setting or a pending BIOS job may forbid boot overrides")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.override.writeAt, c.override.readAt = place, readAt
	c.override.known, c.override.knownAt = shown, c.conn.Now()
	return shown, nil
}

func keeps(shown Override, want schemas.Boot) bool {
	if want.BootSourceOverrideEnabled == schemas.DisabledBootSourceOverrideEnabled {
		return isCleared(shown) || shown.Target == string(FromDisk)
	}
	return shown.Target == spellAsSchema(string(want.BootSourceOverrideTarget)) && !isCleared(shown)
}
