package decode

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/gitmetal/ingot/schemas"
	"github.com/gitmetal/ingot/schemas/yamltext"
)

func (c *checker) checkStep(s *schemas.Step) {
	switch s.Metadata.Name {
	case schemas.StepInstall:
		c.addError("metadata.name", "choose another name", "install stands for a Workload's spec.install")
	case schemas.StepHold, schemas.StepWait, schemas.StepPower, schemas.StepReboot, schemas.StepDescribe:
		c.addError("metadata.name", "choose another name", "%s is a step that every fleet has", s.Metadata.Name)
	}
	if slices.Contains(schemas.BuiltinSteps, s.Metadata.Name) {
		c.addError("metadata.name", "choose another name", "%s is the name of a step of ingot's own", s.Metadata.Name)
	}
	if s.Spec.BMC != nil {
		c.checkSettings(s.Spec)
	} else {
		c.checkPrograms(s.Spec)
	}
	if s.Spec.BMC == nil && c.document.IsWritten("spec.apply") {
		c.addError("spec.apply", "leave it out", "apply is for a Step with bmc")
	}
	c.checkTimeout("spec.timeout", s.Spec.Timeout)
	c.checkAttempts("spec.attempts", s.Spec.Attempts)
	c.checkCondition("spec.when", s.Spec.When)
	c.checkNeeds(s.Spec.Needs)
	c.checkMounts(s.Spec)
	for i, name := range s.Spec.Writes {
		field := fmt.Sprintf("spec.writes[%d]", i)
		c.checkGrammar(field, name, nameGrammar, "a name in spec.disks of the hosts")
		switch {
		case name == schemas.RootDiskName:
			c.addError(field, "leave it out: install writes the root disk", "a script is not given the root disk")
		case slices.Index(s.Spec.Writes, name) < i:
			c.addError(field, "leave it out", "the disks are named twice")
		}
	}
}

// checkMounts checks what of the installed system a Step is shown.
func (c *checker) checkMounts(spec schemas.StepSpec) {
	c.checkOneOf("spec.mounts", spec.Mounts, schemas.MountsNone, schemas.MountsSystem)
	if spec.Mounts == schemas.MountsSystem && c.document.IsWritten("spec.writes") {
		c.addError("spec.writes", "leave writes out", "a Step that mounts the system writes to the root disk alone, and is part of the system")
	}
}

// checkPrograms checks what a Step runs: a script, or plug-ins.
func (c *checker) checkPrograms(spec schemas.StepSpec) {
	switch plugins := c.document.IsWritten("spec.plugins"); {
	case plugins && c.document.IsWritten("spec.script"):
		c.addError("spec.plugins", "keep one of them", "script and plugins are both set")
	case !plugins:
		if spec.Script == "" {
			c.addMissing("spec.script", "name a script, or write plugins", "the field is missing")
		}
	case len(spec.Plugins) == 0 && !c.document.Fields.IsSpoiledBelow("spec.plugins"):
		c.addError("spec.plugins", "such as [{path: plugins/raid, step: create}]", "the list of plug-ins is empty")
	case len(spec.Plugins) > schemas.MaxPlugins:
		c.addError("spec.plugins", "", "want at most %d plug-ins, not %d", schemas.MaxPlugins, len(spec.Plugins))
	}
	c.checkPath("spec.script", spec.Script)
	for i, plugin := range spec.Plugins {
		c.checkPlugin(fmt.Sprintf("spec.plugins[%d]", i), plugin)
	}
}

// checkPlugin checks where a plug-in is, and its step.
func (c *checker) checkPlugin(field string, p schemas.Plugin) {
	if c.checkRequired(field+".step", p.Step) {
		c.checkGrammar(field+".step", p.Step, nameGrammar, "lower case letters, digits and dashes, at most 63")
	}
	c.checkPath(field+".path", p.Path)
	c.checkGrammar(field+".sha256", p.SHA256, sha256Grammar, "64 lower case hex digits of the bytes at the URL")
	switch {
	case p.Path != "" && (p.URL != "" || p.SHA256 != ""):
		c.addError(field+".path", "keep path, or url and sha256", "path and url are both set")
	case p.Path != "":
	case p.URL == "" && p.SHA256 == "":
		c.addMissing(field, "path: plugins/raid, or url and sha256", "the plug-in has no place")
	default:
		if c.checkRequired(field+".url", p.URL) {
			c.checkFetchedURL(field+".url", p.URL)
		}
		c.checkRequired(field+".sha256", p.SHA256)
	}
}

// checkNamedDisks checks the names of disks.
func (c *checker) checkNamedDisks(field string, disks map[string][]schemas.NamedDisk) {
	for _, name := range slices.Sorted(maps.Keys(disks)) {
		at := field + "." + name
		c.checkGrammar(at, name, nameGrammar, "lower case letters, digits and dashes, at most 63")
		if name == schemas.RootDiskName {
			c.addError(at, "choose another name", "root is the disk of spec.rootDisk")
		}
		if len(disks[name]) == 0 && !c.document.Fields.IsSpoiledBelow(at) {
			c.addError(at, "such as [{serial: S5H9NX12}]", "the name stands for no disk")
		}
		for i, item := range disks[name] {
			c.checkDisk(fmt.Sprintf("%s[%d]", at, i), item.Hints())
		}
	}
}

func (c *checker) checkNeeds(n schemas.Needs) {
	if size, err := schemas.ParseSize(n.Memory); n.Memory != "" && (err != nil || size == 0) {
		c.addError("spec.needs.memory", "such as 512MiB", "%q is no amount of memory", yamltext.ShortenText(n.Memory))
	}
	if c.document.IsWritten("spec.needs.processes") && (n.Processes < 1 || n.Processes > schemas.MaxProcesses) {
		c.addError("spec.needs.processes", "", "want 1 to %d processes, not %d", schemas.MaxProcesses, n.Processes)
	}
}

func (c *checker) checkTimeout(field, timeout string) {
	if timeout == "" {
		return
	}
	if d, err := time.ParseDuration(timeout); err != nil || d < time.Second || d > 24*time.Hour {
		c.addError(field, "such as 10m, 1s to 24h", "%q is not a timeout", yamltext.ShortenText(timeout))
	}
}

func (c *checker) checkAttempts(field string, attempts int) {
	if c.document.IsWritten(field) && (attempts < 1 || attempts > schemas.MaxAttempts) {
		c.addError(field, "", "want 1 to %d attempts, not %d", schemas.MaxAttempts, attempts)
	}
}

// checkCondition checks the size of a condition. Package load compiles the condition.
func (c *checker) checkCondition(field, when string) {
	switch {
	case len(when) > schemas.MaxCondition:
		c.addError(field, "have the script decide", "the condition has %d bytes, at most %d are read", len(when),
			schemas.MaxCondition)
	case c.document.IsWritten(field) && strings.TrimSpace(when) == "":
		c.addError(field, "leave it out, or write a condition such as facts.disks.size() > 2", "the condition is empty")
	}
}

// checkSteps checks a Workload's list.
func (c *checker) checkSteps(s schemas.WorkloadSpec) {
	installs, writes := 0, 0
	for i, use := range s.Steps {
		c.checkStepUse(fmt.Sprintf("spec.steps[%d]", i), use)
		switch use.Step {
		case schemas.StepInstall:
			installs++
		case schemas.StepWriteImage:
			writes++
		}
	}
	switch {
	case s.Install != nil && writes > 0:
		c.addError("spec.steps", "keep spec.install, or the step write-image",
			"the workload would write two systems: that of spec.install, and an image")
	case s.Install == nil && writes > 1:
		c.addError("spec.steps", "say once where in the order it is",
			"the step write-image must occur exactly once, it occurs %d times", writes)
	case len(s.Steps) > 0 && writes == 0 && installs != 1:
		c.addError("spec.steps", "say once where in the order it is",
			"the step install must occur exactly once, it occurs %d times", installs)
	case s.Install == nil && writes == 1 && installs > 0:
		c.addError("spec.steps", "leave install out", "the step install stands for spec.install, which is not there")
	}
}

// checkHostSteps checks the steps that a host adds.
func (c *checker) checkHostSteps(steps []schemas.HostStep) {
	for i, step := range steps {
		field := fmt.Sprintf("spec.steps[%d]", i)
		c.checkStepUse(field, step.Use())
		if schemas.InstallsSystem(step.Step) {
			c.addError(field+".step", "leave it out", "a host adds no %s: the Workload has it", step.Step)
		}
		c.checkGrammar(field+".after", step.After, nameGrammar, "the id of a step")
		c.checkGrammar(field+".before", step.Before, nameGrammar, "the id of a step")
		switch {
		case step.After != "" && step.Before != "":
			c.addError(field+".before", "keep one of them", "after and before are both set")
		case step.After == "" && step.Before == "":
			c.addMissing(field, "after: ID, or before: ID", "the step has no place in the order")
		}
	}
}

func (c *checker) checkStepUse(field string, use schemas.StepUse) {
	if c.checkRequired(field+".step", use.Step) {
		c.checkGrammar(field+".step", use.Step, nameGrammar, "the name of a Step, or install")
	}
	c.checkGrammar(field+".id", use.ID, nameGrammar, "lower case letters, digits and dashes, at most 63")
	if use.ID == schemas.StepDescribe {
		c.addError(field+".id", "choose another id", "%s is the id of the step that asks plug-ins what they are", use.ID)
	}
	c.checkTimeout(field+".timeout", use.Timeout)
	c.checkAttempts(field+".attempts", use.Attempts)
	c.checkCondition(field+".when", use.When)
	if use.Step == schemas.StepErase && use.Attempts > 1 {
		c.addError(field+".attempts", "leave it out", "the attempts of %s are those of the whole list", use.Step)
	}
	for i, address := range use.InjectedURLs() {
		at := fmt.Sprintf("%s.args.files[%d].url", field, i)
		if c.checkFetchedURL(at, address); strings.Contains(address, "${") {
			c.addError(at, "write the URL itself", "a URL holds no references")
		}
	}
	if !schemas.InstallsSystem(use.Step) {
		return
	}
	if use.Step == schemas.StepWriteImage {
		c.checkWritten(field+".args.image", use.Image())
	} else if len(use.Args) > 0 {
		c.addError(field+".args", "write them into spec.install", "install takes no arguments here")
	}
	if use.When != "" {
		c.addError(field+".when", "leave it out", "%s has no condition", use.Step)
	}
	if use.Attempts > 1 {
		c.addError(field+".attempts", "leave it out", "the attempts of %s are those of the whole list", nameInstall(use.Step))
	}
}

// nameInstall names a step that writes the system.
func nameInstall(step string) string {
	if step == schemas.StepInstall {
		return "an install"
	}
	return step
}

// checkWritten checks the image of write-image. Package load finds a missing one.
func (c *checker) checkWritten(field string, image schemas.Image) {
	if image.URL != "" {
		c.checkFetchedURL(field+".url", image.URL)
	}
	if strings.Contains(image.URL, "${") {
		c.addError(field+".url", "write the URL itself", "all hosts of a workload get the same image")
	}
	c.checkGrammar(field+".sha256", image.SHA256, sha256Grammar, "64 lower case hex digits: sha256sum of the file at the URL")
}
