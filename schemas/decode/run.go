package decode

import (
	"fmt"
	"path"
	"strings"

	"github.com/gitmetal/ingot/schemas"
	"github.com/gitmetal/ingot/schemas/yamltext"
)

// notSupported are fields of a Workload that belong to the contract and that this version does not read.
var notSupported = map[string]string{
	"spec.ring":            "a Workload with run follows the trunk",
	"spec.run.plugin":      "run a script, a kernel or an ISO",
	"spec.run.boot.loader": "the shim and GRUB of the ramdisk of ingot start the kernel",
	"spec.run.isolation":   "every run has a boot of its own",
	"spec.run.ready":       "a run has no readiness",
	"spec.run.disks":       "a run is given no disk",
	"spec.run.scratch":     "a run is given no disk",
	"spec.run.network":     "a run has the network of the host's ramdisk",
	"spec.run.sshKeys":     "there is no sshd in the ramdisk, and a kernel of one's own gets keys in spec.run.boot.files",
	"spec.run.files":       "give values in args, or in spec.run.boot.files",
}

// checkRun checks a Workload with spec.run.
func (c *checker) checkRun(s schemas.WorkloadSpec) {
	r := *s.Run
	for field, set := range map[string]bool{"spec.install": s.Install != nil, "spec.steps": len(s.Steps) > 0,
		"spec.update": s.Update != "", "spec.onFailure": s.OnFailure != "", "spec.phoneHome": s.PhoneHome != ""} {
		if set {
			c.addError(field, "keep one of them", "it does not go together with spec.run")
		}
	}
	c.checkRunForm(r)
	switch {
	case !c.document.IsWritten("spec.replicas"):
		c.addMissing("spec.replicas", "how many machines are claimed", "the field is missing")
	case s.Replicas < 1 || s.Replicas > schemas.MaxReplicas:
		c.addError("spec.replicas", "", "want 1 to %d machines, not %d", schemas.MaxReplicas, s.Replicas)
	}
	c.checkClaimHosts(s.Hosts)
	if s.Priority < -schemas.MaxClaimPriority || s.Priority > schemas.MaxClaimPriority {
		c.addError("spec.priority", "", "priorities go from -%d to %[1]d", schemas.MaxClaimPriority)
	}
	c.checkRunLimits(r)
	c.checkRunItems(r.Items)
	if r.Results != nil {
		c.checkRunResults(*r.Results)
	}
}

// checkNoClaims reports fields that only a Workload with run has.
func (c *checker) checkNoClaims(s schemas.WorkloadSpec) {
	for field, set := range map[string]bool{"spec.replicas": c.document.IsWritten("spec.replicas"), "spec.hosts": s.Hosts != nil,
		"spec.priority": s.Priority != 0, "spec.paused": s.Paused} {
		if set {
			c.addError(field, "hosts name the workload that they install", "not supported yet without spec.run")
		}
	}
}

// checkClaimHosts checks a selector, which selects nothing by default.
func (c *checker) checkClaimHosts(h *schemas.ClaimHosts) {
	const field = "spec.hosts"
	if h == nil {
		c.addMissing(field, "such as {matchLabels: {pool: batch}}", "say which machines may be claimed")
		return
	}
	c.checkLabels(field+".matchLabels", h.MatchLabels)
	c.checkCondition(field+".when", h.When)
	if len(h.MatchLabels) == 0 && h.When == "" && !c.document.Fields.IsMisspelt(field) &&
		!c.document.Fields.IsSpoiledBelow(field) {
		c.addError(field, "matchLabels, or when", "the selector selects no machine")
	}
}

func (c *checker) checkRunLimits(r schemas.Run) {
	c.checkTimeout("spec.run.deadline", r.Deadline)
	c.checkGrammar("spec.run.batch", r.Batch, lineGrammar, "printable ASCII")
	c.checkOneOf("spec.run.whenDone", r.WhenDone, schemas.WhenDoneRelease, schemas.WhenDonePowerOff)
	if c.document.IsWritten("spec.run.completions") && (r.Completions < 1 || r.Completions > schemas.MaxRunItems) {
		c.addError("spec.run.completions", "", "want 1 to %d, not %d: a batch without end is not supported yet",
			schemas.MaxRunItems, r.Completions)
	}
	if r.Retries != nil && (*r.Retries < 0 || *r.Retries > schemas.MaxRunRetries) {
		c.addError("spec.run.retries", "", "want 0 to %d retries, not %d", schemas.MaxRunRetries, *r.Retries)
	}
	if r.OnFailure != nil && r.OnFailure.StopAfter < 0 {
		c.addError("spec.run.onFailure.stopAfter", "", "want a number of items, not %d", r.OnFailure.StopAfter)
	}
}

func (c *checker) checkRunItems(items *schemas.RunItems) {
	const field = "spec.run.items"
	if items == nil {
		return
	}
	set := 0
	for _, is := range []bool{items.Range != nil, items.List != nil, items.File != ""} {
		if is {
			set++
		}
	}
	if set != 1 && !c.document.Fields.IsSpoiledBelow(field) && !c.document.Fields.IsMisspelt(field) {
		c.addError(field, "such as {range: {from: 0, to: 99}}", "want exactly one of range, list and file")
	}
	c.checkPath(field+".file", items.File)
	if r := items.Range; r != nil && (r.To < r.From || r.To-r.From >= schemas.MaxRunItems) {
		c.addError(field+".range", "", "want 1 to %d items", schemas.MaxRunItems)
	}
	if len(items.List) > schemas.MaxRunItems {
		c.addError(field+".list", "", "want at most %d items", schemas.MaxRunItems)
	}
}

func (c *checker) checkRunResults(r schemas.RunResults) {
	const field = "spec.run.results"
	for i, pattern := range r.Files {
		at := fmt.Sprintf("%s.files[%d]", field, i)
		c.checkGrammar(at, pattern, lineGrammar, "a pattern such as out/**")
		if _, err := path.Match(pattern, ""); err != nil || strings.HasPrefix(pattern, "/") ||
			strings.Contains("/"+pattern+"/", "/../") {
			c.addError(at, "such as out/**", "%q is no pattern below the results directory", yamltext.ShortenText(pattern))
		}
	}
	if r.MaxSize != "" {
		if size, err := schemas.ParseSize(r.MaxSize); err != nil || size == 0 {
			c.addError(field+".maxSize", "such as 1GiB", "not a size")
		}
	}
	if c.document.IsWritten(field+".maxFiles") && (r.MaxFiles < 1 || r.MaxFiles > schemas.MaxRunItems) {
		c.addError(field+".maxFiles", "", "want 1 to %d files", schemas.MaxRunItems)
	}
	if r.Keep != nil {
		c.checkRunKeep(field+".keep", *r.Keep)
	}
}

// checkRunKeep checks how long results are kept.
func (c *checker) checkRunKeep(field string, keep schemas.RunKeep) {
	if c.document.IsWritten(field+".days") && (keep.Days < 1 || keep.Days > schemas.MaxRunKeepDays) {
		c.addError(field+".days", "such as 7", "want 1 to %d days, not %d", schemas.MaxRunKeepDays, keep.Days)
	}
	if keep.Size != "" {
		if size, err := schemas.ParseSize(keep.Size); err != nil || size == 0 {
			c.addError(field+".size", "such as 10GiB", "not a size")
		}
	}
}
