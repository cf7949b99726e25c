package schemas

import (
	"fmt"
	"strings"

	"github.com/gitmetal/ingot/schemas/strict"
)

// Document is one decoded document of a file. Exactly one of the kind pointers is set.
type Document struct {
	File string
	Kind string
	Name string

	Host     *Host
	Workload *Workload
	Step     *Step
	Secret   *Secret
	Ring     *Ring
	Defaults *Defaults
	Rule     *Rule
	Fleet    *Fleet

	Fields strict.Fields
}

// Pos is where a field stands: spec.bmc.address, spec.identity.macs[0]. It is the place of the value for texts, numbers and booleans, of the
// field's name otherwise. For a field that is not written it is the place of the nearest one above it.
func (d Document) Pos(field string) Position {
	at := d.Fields.At(field)
	return Position{File: d.File, Line: at.Line, Col: at.Col}
}

// Written reports whether a field is written in the document, and could be read.
func (d Document) Written(field string) bool {
	_, ok := d.Fields.Places[field]
	return ok && !d.Fields.Spoiled(field)
}

// Finding makes an error finding at a field.
func (d Document) Finding(field, hint, format string, args ...any) Finding {
	return Finding{Position: d.Pos(field), Severity: Error, Field: field, Message: fmt.Sprintf(format, args...), Hint: hint}
}

// Empty gives the document the value of its kind, to be filled; nil when there is no such kind.
func (d *Document) Empty(kind string) any {
	switch kind {
	case KindHost:
		d.Host = &Host{}
		return d.Host
	case KindWorkload:
		d.Workload = &Workload{}
		return d.Workload
	case KindStep:
		d.Step = &Step{}
		return d.Step
	case KindSecret:
		d.Secret = &Secret{}
		return d.Secret
	case KindRing:
		d.Ring = &Ring{}
		return d.Ring
	case KindDefaults:
		d.Defaults = &Defaults{}
		return d.Defaults
	case KindRule:
		d.Rule = &Rule{}
		return d.Rule
	case KindFleet:
		d.Fleet = &Fleet{}
		return d.Fleet
	default:
		return nil
	}
}

// Kinds are all there are, in the order of the reference page.
var Kinds = []string{KindHost, KindWorkload, KindStep, KindSecret, KindRing, KindDefaults, KindRule, KindFleet}

// Normalise writes what has several spellings in the one we compare.
func (d *Document) Normalise() {
	d.Name = d.Metadata().Name
	if d.Host != nil {
		d.Host.Spec.normalise()
	}
}

// ID is what a document is known by among those of its kind: a Host's id, the name of any other; "" when it has no name.
func (d *Document) ID() string {
	if d.Host != nil && d.Host.Metadata.ID != "" && d.Name != "" {
		return d.Host.Metadata.ID
	}
	return d.Name
}

// Metadata is that of whatever the document is.
func (d *Document) Metadata() Metadata {
	switch d.Kind {
	case KindHost:
		return d.Host.Metadata
	case KindWorkload:
		return d.Workload.Metadata
	case KindStep:
		return d.Step.Metadata
	case KindSecret:
		return d.Secret.Metadata
	case KindRing:
		return d.Ring.Metadata
	case KindDefaults:
		return d.Defaults.Metadata
	case KindRule:
		return d.Rule.Metadata
	case KindFleet:
		return d.Fleet.Metadata
	default:
		return Metadata{}
	}
}

func (s *HostSpec) normalise() {
	for i, mac := range s.Identity.MACs {
		s.Identity.MACs[i] = strings.ToLower(mac)
	}
	if s.Network == nil {
		return
	}
	for _, n := range []*Network{s.Network.Ramdisk, s.Network.Host} {
		if n == nil {
			continue
		}
		for i := range n.Interfaces {
			n.Interfaces[i].MACAddress = strings.ToLower(n.Interfaces[i].MACAddress)
		}
	}
}
