package inventory

import "maps"

// partButane is the part of Inputs that a comment in the Butane file changes.
const partButane = "butane"

// isSystem reports whether a system that was made from other inputs, parts and config is the one that the workload asks
// for: the inputs are equal, or nothing but the spelling of the Butane file differs.
func (w *Workload) isSystem(inputs string, parts map[string]string, config string) bool {
	if w == nil || inputs == w.Inputs {
		return w != nil
	}
	if config == "" || config != w.Config {
		return false
	}
	mine, theirs := maps.Clone(w.Parts), maps.Clone(parts)
	delete(mine, partButane)
	delete(theirs, partButane)
	return maps.Equal(mine, theirs)
}

// IsSystem reports whether the system of another workload is the one that the workload asks for.
func (w *Workload) IsSystem(other *Workload) bool {
	return other != nil && w.isSystem(other.Inputs, other.Parts, other.Config)
}

// Installs reports whether the operation installs what a workload asks for; false without a workload.
func (o Operation) Installs(w *Workload) bool { return w.isSystem(o.Inputs, o.Parts, o.Config) }

// Has reports whether the machine has the workload's system. Every decider asks Has.
func (r Record) Has(w *Workload) bool {
	return r.Installed != nil && w.isSystem(r.Installed.Inputs, r.Installed.Parts, r.Installed.Config)
}

// LacksConfig reports whether an install by an earlier version of ingot, which kept no Config, is what a workload asks
// for: its Config is the workload's.
func (r Record) LacksConfig(w *Workload) bool {
	return r.Has(w) && r.Installed.Config == "" && w.Config != ""
}
