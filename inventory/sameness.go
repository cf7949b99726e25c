package inventory

import "github.com/gitmetal/ingot/inventory/made"

// Made is what the workload's system is made from; nothing without a workload.
func (w *Workload) Made() (from made.From) {
	if w != nil {
		from = made.From{Inputs: w.Inputs, Parts: w.Parts, Config: w.Config, Meaning: w.Meaning}
	}
	return from
}

// Made is what the operation makes its system from.
func (o Operation) Made() made.From {
	return made.From{Inputs: o.Inputs, Parts: o.Parts, Config: o.Config, Meaning: o.Meaning}
}

// Made is what the installed system was made from.
func (i Installed) Made() made.From {
	return made.From{Inputs: i.Inputs, Parts: i.Parts, Config: i.Config, Meaning: i.Meaning}
}

// IsSystem reports whether the system of another workload is the one that the workload asks for.
func (w *Workload) IsSystem(other *Workload) bool {
	return w != nil && other != nil && w.Made().Is(other.Made())
}

// Installs reports whether the operation installs what a workload asks for; false without a workload.
func (o Operation) Installs(w *Workload) bool { return w != nil && w.Made().Is(o.Made()) }

// Has reports whether the machine has the workload's system. Every decider asks Has.
func (r Record) Has(w *Workload) bool {
	return r.Installed != nil && w != nil && w.Made().Is(r.Installed.Made())
}

// LacksDigest reports whether an install by an earlier version of ingot, which recorded fewer digests, is what a workload
// asks for.
func (r Record) LacksDigest(w *Workload) bool {
	return r.Has(w) && r.Installed.Made().LacksDigest(w.Made())
}
