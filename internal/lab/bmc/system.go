package bmc

import (
	"bytes"
	"net/http"
	"slices"

	"github.com/gitmetal/ingot/internal/lab/bmc/document"
	"github.com/gitmetal/ingot/internal/lab/bmc/oplog"
)

func (b *BMC) getSystem(w http.ResponseWriter, r *http.Request) {
	faults := b.current()
	switch {
	case b.meet("Redirect", faults.Redirect != ""):
		http.Redirect(w, r, faults.Redirect, http.StatusTemporaryRedirect)
	case b.meet("ErrorWith200", faults.ErrorWith200):
		reply(w, http.StatusOK, document.Error("InternalError", "the data sources are unavailable", ""))
	case b.meet("SecondDocument", faults.SecondDocument):
		body, tag := b.encode(b.system())
		w.Header().Set("ETag", tag)
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(bytes.Join([][]byte{body, []byte(`{"error":{"code":"late"}}`)}, []byte("\n")))
	default:
		b.answer(w, r, b.system())
	}
}

// bootPatch is what PATCH of the System may carry.
type bootPatch struct {
	Boot *struct {
		BootSourceOverrideTarget  *string
		BootSourceOverrideEnabled *string
		BootSourceOverrideMode    *string
		HTTPBootURI               *string `json:"HttpBootUri"`
	}
}

func (b *BMC) patchSystem(w http.ResponseWriter, r *http.Request) {
	if !b.matches(w, r, b.system()) {
		return
	}
	if b.spend("OverrideRefused", func(f *Faults) *int { return &f.OverrideRefused }) {
		reply(w, http.StatusBadRequest, document.Error("UnableToModifyDuringSystemPOST", "the system is in POST", ""))
		return
	}
	var patch bootPatch
	if !read(w, r, &patch) {
		return
	}
	if patch.Boot == nil {
		reply(w, http.StatusBadRequest, document.Error("PropertyMissing", "only Boot can be changed", "Boot"))
		return
	}
	if at, problem := b.checkBoot(patch); problem != "" {
		reply(w, http.StatusBadRequest, document.Error(problem, "the value of "+at+" is not accepted", at))
		return
	}
	b.applyBoot(patch)
	b.answer(w, r, b.system())
}

// checkBoot names the property that cannot be accepted and the message id that says why, or nothing.
func (b *BMC) checkBoot(patch bootPatch) (at, problem string) {
	boot := patch.Boot
	switch {
	case boot.BootSourceOverrideTarget != nil && !slices.Contains(document.OverrideTargets, *boot.BootSourceOverrideTarget):
		return "BootSourceOverrideTarget", "PropertyValueNotInList"
	case boot.BootSourceOverrideEnabled != nil && !slices.Contains(document.OverrideEnables, *boot.BootSourceOverrideEnabled):
		return "BootSourceOverrideEnabled", "PropertyValueNotInList"
	case boot.BootSourceOverrideMode != nil && *boot.BootSourceOverrideMode != "UEFI":
		return "BootSourceOverrideMode", "PropertyValueNotInList"
	}
	if !b.current().OverrideNeedsAll {
		return "", ""
	}
	whole := boot.BootSourceOverrideTarget != nil && boot.BootSourceOverrideEnabled != nil && boot.BootSourceOverrideMode != nil
	if b.meet("OverrideNeedsAll", !whole) {
		return "BootSourceOverrideMode", "PropertyMissing"
	}
	return "", ""
}

func (b *BMC) applyBoot(patch bootPatch) {
	b.mu.Lock()
	defer b.mu.Unlock()
	next, boot := b.override, patch.Boot
	set(&next.Target, boot.BootSourceOverrideTarget)
	set(&next.Enabled, boot.BootSourceOverrideEnabled)
	set(&next.Mode, boot.BootSourceOverrideMode)
	set(&next.HTTPURI, boot.HTTPBootURI)
	if next.Enabled == "Disabled" || next.Target == "None" {
		next.Target, next.Enabled = "None", "Disabled"
	}
	if b.faults.ContinuousAsOnce && next.Enabled == "Continuous" {
		b.log.Fault("ContinuousAsOnce")
		next.Enabled = "Once"
	}
	b.record(oplog.Override, next.Target+"/"+next.Enabled)
	if b.faults.OverrideIgnored {
		b.log.Fault("OverrideIgnored")
		return
	}
	b.override = next
}

func set(at, value *string) {
	if value != nil {
		*at = *value
	}
}

func (b *BMC) postReset(w http.ResponseWriter, r *http.Request) {
	if b.meet("IfMatchRefused", b.current().IfMatchRefused && r.Header.Get("If-Match") != "") {
		reply(w, http.StatusPreconditionFailed, document.Error("PreconditionFailed", "If-Match is not accepted here", ""))
		return
	}
	var want struct{ ResetType string }
	if !read(w, r, &want) {
		return
	}
	if !slices.Contains(document.ResetTypes, want.ResetType) {
		reply(w, http.StatusBadRequest, document.Error("ActionParameterValueNotInList", "this reset type is not offered", "ResetType"))
		return
	}
	if err := b.reset(r, want.ResetType); err != nil {
		powerFailure(w, err)
		return
	}
	if b.meet("ResetAsTask", b.current().ResetAsTask) {
		b.answerTask(w, want.ResetType)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (b *BMC) reset(r *http.Request, how string) error {
	switch how {
	case "On":
		return b.PowerOn(r.Context())
	case "ForceOff":
		return b.PowerOff(r.Context(), Force)
	case "GracefulShutdown":
		return b.PowerOff(r.Context(), Graceful)
	default: // ForceRestart: the list above is closed
		return b.Restart(r.Context())
	}
}
