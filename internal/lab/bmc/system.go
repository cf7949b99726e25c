package bmc

import (
	"bytes"
	"net/http"
	"slices"

	"github.com/gitmetal/ingot/internal/lab/bmc/document"
	"github.com/gitmetal/ingot/internal/lab/bmc/oplog"
)

func (b *BMC) getSystem(w http.ResponseWriter, r *http.Request) {
	faults := b.currentFaults()
	switch {
	case b.meetFault("Redirect", faults.Redirect != ""):
		http.Redirect(w, r, faults.Redirect, http.StatusTemporaryRedirect)
	case b.meetFault("ErrorWith200", faults.ErrorWith200):
		sendJSON(w, http.StatusOK, document.NewError("InternalError", "the data sources are unavailable", ""))
	case b.meetFault("SecondDocument", faults.SecondDocument):
		body, tag := b.encodeDocument(b.systemDocument())
		w.Header().Set("ETag", tag)
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(bytes.Join([][]byte{body, []byte(`{"error":{"code":"late"}}`)}, []byte("\n")))
	default:
		b.sendDocument(w, r, b.systemDocument())
	}
}

// bootPatch holds the members of a PATCH of the System.
type bootPatch struct {
	Boot *struct {
		BootSourceOverrideTarget  *string
		BootSourceOverrideEnabled *string
		BootSourceOverrideMode    *string
		HTTPBootURI               *string `json:"HttpBootUri"`
	}
}

func (b *BMC) patchSystem(w http.ResponseWriter, r *http.Request) {
	if !b.checkIfMatch(w, r, b.systemDocument()) {
		return
	}
	if b.spendFault("OverrideRefused", func(f *Faults) *int { return &f.OverrideRefused }) {
		sendJSON(w, http.StatusBadRequest,
			document.NewError("UnableToModifyDuringSystemPOST", "the system is in POST", ""))
		return
	}
	var patch bootPatch
	if !decodeBody(w, r, &patch) {
		return
	}
	if patch.Boot == nil {
		sendJSON(w, http.StatusBadRequest, document.NewError("PropertyMissing", "only Boot can be changed", "Boot"))
		return
	}
	if at, problem := b.checkBoot(patch); problem != "" {
		sendJSON(w, http.StatusBadRequest, document.NewError(problem, "the value of "+at+" is not accepted", at))
		return
	}
	b.applyBoot(patch)
	b.sendDocument(w, r, b.systemDocument())
}

// checkBoot names the property that cannot be accepted and the message id that says why, or "".
func (b *BMC) checkBoot(patch bootPatch) (at, problem string) {
	boot := patch.Boot
	switch {
	case boot.BootSourceOverrideTarget != nil &&
		!slices.Contains(document.OverrideTargets, *boot.BootSourceOverrideTarget):
		return "BootSourceOverrideTarget", "PropertyValueNotInList"
	case boot.BootSourceOverrideEnabled != nil &&
		!slices.Contains(document.OverrideEnables, *boot.BootSourceOverrideEnabled):
		return "BootSourceOverrideEnabled", "PropertyValueNotInList"
	case boot.BootSourceOverrideMode != nil && *boot.BootSourceOverrideMode != "UEFI":
		return "BootSourceOverrideMode", "PropertyValueNotInList"
	}
	if !b.currentFaults().OverrideNeedsAll {
		return "", ""
	}
	whole := boot.BootSourceOverrideTarget != nil && boot.BootSourceOverrideEnabled != nil &&
		boot.BootSourceOverrideMode != nil
	if b.meetFault("OverrideNeedsAll", !whole) {
		return "BootSourceOverrideMode", "PropertyMissing"
	}
	return "", ""
}

func (b *BMC) applyBoot(patch bootPatch) {
	b.mu.Lock()
	defer b.mu.Unlock()
	next, boot := b.override, patch.Boot
	setIfGiven(&next.Target, boot.BootSourceOverrideTarget)
	setIfGiven(&next.Enabled, boot.BootSourceOverrideEnabled)
	setIfGiven(&next.Mode, boot.BootSourceOverrideMode)
	setIfGiven(&next.HTTPURI, boot.HTTPBootURI)
	if next.Enabled == "Disabled" || next.Target == "None" {
		next.Target, next.Enabled = "None", "Disabled"
	}
	if b.faults.ContinuousAsOnce && next.Enabled == "Continuous" {
		b.log.CountFault("ContinuousAsOnce")
		next.Enabled = "Once"
	}
	b.recordOp(oplog.Override, next.Target+"/"+next.Enabled)
	if b.faults.OverrideIgnored {
		b.log.CountFault("OverrideIgnored")
		return
	}
	b.override = next
}

func setIfGiven(at, value *string) {
	if value != nil {
		*at = *value
	}
}

func (b *BMC) postReset(w http.ResponseWriter, r *http.Request) {
	if b.meetFault("IfMatchRefused", b.currentFaults().IfMatchRefused && r.Header.Get("If-Match") != "") {
		sendJSON(w, http.StatusPreconditionFailed,
			document.NewError("PreconditionFailed", "If-Match is not accepted here", ""))
		return
	}
	var want struct{ ResetType string }
	if !decodeBody(w, r, &want) {
		return
	}
	if !slices.Contains(document.ResetTypes, want.ResetType) {
		sendJSON(w, http.StatusBadRequest,
			document.NewError("ActionParameterValueNotInList", "this reset type is not offered", "ResetType"))
		return
	}
	if err := b.resetPower(r, want.ResetType); err != nil {
		sendPowerError(w, err)
		return
	}
	if b.meetFault("ResetAsTask", b.currentFaults().ResetAsTask) {
		b.answerTask(w, want.ResetType)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (b *BMC) resetPower(r *http.Request, how string) error {
	switch how {
	case "On":
		return b.PowerOn(r.Context())
	case "ForceOff":
		return b.PowerOff(r.Context(), Force)
	case "GracefulShutdown":
		return b.PowerOff(r.Context(), Graceful)
	default: // ForceRestart: postReset has checked the list
		return b.Restart(r.Context())
	}
}
