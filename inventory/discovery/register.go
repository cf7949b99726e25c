package discovery

import (
	"slices"
	"time"

	"github.com/gitmetal/ingot/inventory"
)

// Registration is what an agent in discovery mode told of its machine.
type Registration struct {
	At        time.Time
	Key       string // id of the enrolment key
	Agent     string // hex SHA-256 of the agent's public key
	From      string // address of the caller
	Facts     inventory.Facts
	Inventory string   // hex SHA-256 of the whole report
	Addresses []string // of the BMC, as found in-band
}

// Shown is what the registration shows of the machine.
func (g Registration) Shown() Shown {
	return Shown{Identity: inventory.IdentityOf(&g.Facts), Addresses: g.Addresses, Disks: g.Facts.Disks}
}

// New is the record of a machine that registers for the first time.
func New(id ID, g Registration, m Match) Record {
	return Record{ID: id, Key: g.Key, Registered: g.At}.take(g, m)
}

// Register is the record after a registration of the record's machine.
//
//	the record's agent                       the record afterwards
//	none, or the same                        has the new report
//	another one, silent for LiveFor          has the new agent and its report, and no proof
//	another one, live                        as before, with the new agent as the rival
//	in conflict with a second agent          as before
func (r Record) Register(g Registration, m Match) Record {
	switch {
	case r.hasSecondAgent():
		r.LastWord = g.At
		return r
	case r.Agent != nil && r.Agent.Key != g.Agent && r.IsLive(g.At):
		return r.rivalledBy(g)
	default:
		return r.take(g, m)
	}
}

// rivalledBy is the record after the registration of another agent. A machine that was started again looks like that,
// too: only a word of the first agent proves that there are two.
func (r Record) rivalledBy(g Registration) Record {
	if r.Rival != nil && r.Rival.Key != g.Agent {
		return r.inConflict(g.From, g.At) // a third agent: no machine starts so often
	}
	since := g.At
	if r.Rival != nil {
		since = r.Rival.Since
	}
	r.Rival = &Agent{Key: g.Agent, From: g.From, Since: since}
	return r
}

// take is the record with an agent and its report. Conflicts are found anew; a proof counts for one agent.
func (r Record) take(g Registration, m Match) Record {
	since := g.At
	if r.Agent != nil && r.Agent.Key == g.Agent {
		since = r.Agent.Since
	} else {
		r.Proof = Proof{}
	}
	r.Agent, r.Rival = &Agent{Key: g.Agent, From: g.From, Since: since}, nil
	facts := g.Facts
	r.Facts, r.Inventory, r.LastWord = &facts, g.Inventory, g.At
	if r.Key == "" {
		r.Key = g.Key
	}
	bmc := r.Identity.BMC // as a Redfish service showed it: no agent says otherwise
	r.Identity = inventory.IdentityOf(&g.Facts)
	r.Identity.BMC = bmc
	if r.Fingerprint == "" {
		r.Addresses = sortAddresses(g.Addresses)
	}
	return r.Judge(m, g.At)
}

// Judge is the record with the conflicts and doubts of a new decision. A conflict that stood before keeps its time; the
// one of two agents stays.
func (r Record) Judge(m Match, now time.Time) Record {
	old := r.Conflicts
	r.Conflicts, r.Doubts = nil, m.Doubts
	for _, c := range m.Conflicts {
		c.Since = now
		for _, was := range old {
			if was.Kind == c.Kind && was.Host == c.Host && was.Record == c.Record {
				c.Since = was.Since
			}
		}
		r.Conflicts = append(r.Conflicts, c)
	}
	for _, was := range old {
		if was.Kind == SecondAgent {
			r.Conflicts = append(r.Conflicts, was)
		}
	}
	return r
}

// Answer is what a waiting agent is told.
type Answer int

// Answers.
const (
	Wait          Answer = iota // nothing else
	RegisterAgain               // the record does not have this agent's report
)

// Word is a word of a waiting agent.
type Word struct {
	Agent string // hex SHA-256 of the agent's public key
	At    time.Time
}

// Hear is the record after a word of a waiting agent, and what the agent is told.
//
//	the agent                                        the record afterwards               answer
//	is the record's, there is no rival               was heard                           Wait
//	is the record's, a rival registered since        in conflict: two agents are live    Wait
//	is the rival, the record's agent is live         as before                           Wait
//	is the rival, the record's agent is silent       as before                           RegisterAgain
//	is in no record                                  as before                           RegisterAgain
//	the record is in conflict with a second agent    was heard                           Wait
func (r Record) Hear(w Word) (Record, Answer) {
	agent, now := w.Agent, w.At
	isOurs := r.Agent != nil && r.Agent.Key == agent
	isRival := r.Rival != nil && r.Rival.Key == agent
	switch {
	case r.hasSecondAgent():
		r.LastWord = now
		return r, Wait
	case isOurs && r.Rival != nil:
		from := r.Rival.From
		r.LastWord = now
		return r.inConflict(from, now), Wait
	case isOurs:
		r.LastWord = now
		return r, Wait
	case isRival && r.IsLive(now):
		return r, Wait
	default:
		return r, RegisterAgain
	}
}

// inConflict is the record after two live agents were seen, the second from an address.
func (r Record) inConflict(from string, now time.Time) Record {
	r.Rival, r.Proof = nil, Proof{}
	r.Conflicts = append(slices.Clone(r.Conflicts), Conflict{Kind: SecondAgent, What: from, Since: now})
	return r
}

func (r Record) hasSecondAgent() bool {
	return slices.ContainsFunc(r.Conflicts, func(c Conflict) bool { return c.Kind == SecondAgent })
}

func sortAddresses(list []string) []string {
	var sorted []string
	for _, address := range list {
		if key := addressKey(address); key != "" {
			sorted = append(sorted, key)
		}
	}
	slices.Sort(sorted)
	return slices.Compact(sorted)
}
