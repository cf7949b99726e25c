package inventory

import "slices"

// Opener says whose Secrets a daemon opens, as far as the daemon's keys tell.
type Opener struct {
	Recipients []string `json:"recipients,omitempty"` // the age recipients of its keys
	// OtherKeys says that the daemon has keys of other kinds, too: of plug-ins and SSH, or the sops program.
	OtherKeys bool `json:"otherKeys,omitempty"`
}

// Opens reports whether a daemon opens a Secret. With known false, only the daemon can tell.
func (o *Opener) Opens(s Sealed) (opens, known bool) {
	switch {
	case o != nil && s.IsFor(o.Recipients):
		return true, true
	case o == nil, o.OtherKeys, len(o.Recipients) == 0 && s.OtherKeys:
		return false, false
	default:
		return false, true
	}
}

// IsFor reports whether one of the recipients opens a Secret.
func (s Sealed) IsFor(recipients []string) bool {
	return slices.ContainsFunc(s.Recipients, func(r string) bool { return slices.Contains(recipients, r) })
}
