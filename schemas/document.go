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
	Delivery *Delivery
	Fleet    *Fleet

	Fields strict.Fields
}

// PositionOf is the position of a field, named as spec.bmc.address or spec.identity.macs[0]: of the value for texts,
// numbers and booleans, otherwise of the field's name. A field that is not written has the position of the nearest
// field above.
func (d Document) PositionOf(field string) Position {
	at := d.Fields.FindPlace(field)
	return Position{File: d.File, Line: at.Line, Col: at.Col}
}

// IsWritten reports whether the document has a field, and the value could be read.
func (d Document) IsWritten(field string) bool {
	return d.Fields.IsWritten(field) && !d.Fields.IsSpoiled(field)
}

// ErrorAt makes an Error at a field.
func (d Document) ErrorAt(field, hint, format string, args ...any) Finding {
	return Finding{Position: d.PositionOf(field), Severity: Error, Field: field, Message: fmt.Sprintf(format, args...),
		Hint: hint}
}

// AllocateKind gives the document an empty value of a kind and returns the value, nil for an unknown kind.
func (d *Document) AllocateKind(kind string) any {
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
	case KindDelivery:
		d.Delivery = &Delivery{}
		return d.Delivery
	case KindFleet:
		d.Fleet = &Fleet{}
		return d.Fleet
	default:
		return nil
	}
}

// Kinds lists every kind, in the order of the reference page.
var Kinds = []string{KindHost, KindWorkload, KindStep, KindSecret, KindRing, KindDefaults, KindRule, KindDelivery, KindFleet}

// NormaliseValues rewrites values that have several spellings into the spelling that is compared.
func (d *Document) NormaliseValues() {
	d.Name = d.Metadata().Name
	if d.Host != nil {
		d.Host.Spec.normaliseMACs()
	}
}

// ID identifies a document among those of its kind: the id of a Host, the name of any other kind, "" without a name.
func (d *Document) ID() string {
	if d.Host != nil && d.Host.Metadata.ID != "" && d.Name != "" {
		return d.Host.Metadata.ID
	}
	return d.Name
}

// Metadata is the metadata of the document, whatever its kind.
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
	case KindDelivery:
		return d.Delivery.Metadata
	case KindFleet:
		return d.Fleet.Metadata
	default:
		return Metadata{}
	}
}

func (s *HostSpec) normaliseMACs() {
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
