package change

import (
	"cmp"
	"fmt"

	"github.com/gitmetal/ingot/inventory"
)

// Stranger is a machine that is not the machine the host means.
type Stranger struct {
	Machine inventory.Pinned // what the BMC, or the agent, shows of it
	Why     string           // a clause for people
	Mend    string           // what to do about it, besides a takeover
	// Undeclared is set where the fleet's spec.identity names another machine: no takeover helps.
	Undeclared bool
	// KnownAs is the other id under which the machine is known: no takeover helps.
	KnownAs inventory.MachineID
}

// FindStranger finds the machine that is there in place of the known one; nil when nothing says that it is another. The
// first row that can tell decides:
//
//	known                                     another machine when
//	spec.identity                             a declared serial or UUID is said by no source, and one says another
//	the pinned identity                       the BMC contradicts it (Pinned.Contradicts)
//	the pinned identity, at another address   the BMC there shows none of its serials and UUIDs
//	what an agent saw before                  until a retry, another address, or another spec.identity
//
// A BMC that leaves values out says nothing: BMCs do so for a while after a restart. Whatever is behind such a BMC is
// compared by the agent, before anything is recorded or written.
func FindStranger(d inventory.Desired, o inventory.Observed) *Stranger {
	if s := FindShownStranger(d, o); s != nil {
		return s
	}
	seen := o.Record.Stranger
	if seen == nil || seen.Asked != d.AskedIdentity() || o.Retry {
		return nil
	}
	field, _, _ := o.Record.Identity().Contradicts(seen.Pinned)
	mend := "correct spec.bmc.address, or run `ingot retry " + d.Name + "` to look again"
	return &Stranger{Machine: seen.Pinned, Why: seen.Why, Mend: mend, Undeclared: field == "", KnownAs: o.Standing.Shows}
}

// FindShownStranger is FindStranger by what the BMC shows.
func FindShownStranger(d inventory.Desired, o inventory.Observed) *Stranger {
	if o.BMC.Reach != inventory.Reached {
		return nil
	}
	shown, known := ShownIdentity(d, o), o.Record.Identity()
	address := shown.BMC.Address
	if why := shown.Fill(known).Denies(d.Identity); why != "" {
		return &Stranger{Machine: shown, Why: why + " at " + address, Undeclared: true,
			Mend: "correct spec.bmc.address or spec.identity"}
	}
	s := Stranger{Machine: shown, Mend: "correct spec.bmc.address", KnownAs: o.Standing.Shows}
	field, was, is := known.Contradicts(shown)
	elsewhere := known.BMC != nil && known.BMC.Address != "" && known.BMC.Address != address
	unconfirmed := elsewhere && !o.Record.Untouched() && !known.Shares(shown) &&
		(!known.IsNameless() || !shown.IsNameless())
	switch {
	case field != "": // guard: identity-compare
		s.Why = fmt.Sprintf("the BMC at %s shows %s %s, the known machine has %s", address, field, is, was)
	case unconfirmed: // guard: identity-compare
		s.Why = fmt.Sprintf("the BMC at %s shows %s, the known machine was at %s and has %s", address,
			describeIdentity(shown), known.BMC.Address, describeIdentity(known))
	default:
		return nil
	}
	if shown.Denies(d.Identity) != "" { // a takeover would forget the source that says what the file declares
		s.Undeclared, s.Mend = true, "correct spec.bmc.address, or spec.identity if the machine was replaced"
	}
	return &s
}

// describeIdentity is a machine in words.
func describeIdentity(p inventory.Pinned) string {
	return cmp.Or(p.SerialLabel(), "no serial")
}

// MayBeTakenOver reports whether a takeover gives the host the machine.
func (s Stranger) MayBeTakenOver() bool { return !s.Undeclared && s.KnownAs == "" }

// Hold holds a host whose machine is another one.
func (s Stranger) Hold(d inventory.Desired, rec inventory.Record) Hold {
	hold := Hold{Reason: IdentityMismatch, Message: s.Why + ": " + s.Mend}
	if s.KnownAs != "" {
		hold.Message = fmt.Sprintf("%s; that machine is known as %s: %s, or run `ingot forget id:%[2]s` if it is no more",
			s.Why, s.KnownAs, s.Mend)
	}
	if s.MayBeTakenOver() {
		hold.Takeover = rec.TakeoverConsent(s.Machine)
		hold.Message += "; if the machine was replaced: " + TakeoverCommand(d, hold.Takeover)
	}
	return hold
}

// TakeoverCommand says how to take a machine over.
func TakeoverCommand(d inventory.Desired, value string) string {
	return fmt.Sprintf("`ingot consent --takeover %s` (spec.consent.takeover: %q)", d.Name, value)
}

// FindAgentStranger compares what the agent reports with the known and with the declared machine; nil for the machine.
func FindAgentStranger(d inventory.Desired, o inventory.Observed, facts inventory.Facts) *inventory.Stranger {
	seen := inventory.IdentityOf(&facts)
	seen.BMC = ShownIdentity(d, o).BMC
	if o.BMC.Reach != inventory.Reached {
		seen.BMC = o.Record.BMC
	}
	s := inventory.Stranger{Pinned: seen, Commit: d.Commit, Asked: d.AskedIdentity()}
	field, was, is := o.Record.Identity().Contradicts(inventory.IdentityOf(&facts))
	declared := o.Record.Identity().Fill(seen).BMC
	switch {
	case field != "": // guard: identity-compare
		s.Why = fmt.Sprintf("the agent found %s %s, the known machine has %s", field, cmp.Or(is, "none"), was)
	case inventory.SameMachine(d.Identity, declared, facts) != "": // guard: identity-compare
		s.Why = inventory.SameMachine(d.Identity, declared, facts)
	default:
		return nil
	}
	return &s
}

// ShownIdentity is the identity that the BMC shows now.
func ShownIdentity(d inventory.Desired, o inventory.Observed) inventory.Pinned {
	address := ""
	if d.BMC != nil {
		address = d.BMC.Address
	}
	return o.BMC.ShownIdentity(address)
}
