package redfish_test

import (
	"errors"
	"testing"

	"github.com/gitmetal/ingot/boot/redfish"
)

// A daemon that loses the fleet between two requests of one call sends no further one; reading goes on.
func TestNoRequestBehindTheFence(t *testing.T) {
	t.Parallel()
	b := serve(t, nil)
	left, lost := 1<<30, errors.New("this daemon does not own the journal")
	c := open(t, b, func(config *redfish.Config) {
		config.Fence = func() error {
			if left--; left < 0 {
				return lost
			}
			return nil
		}
	})
	must(t, c.Reset(t.Context(), redfish.PowerOn))
	left = 1
	_, err := c.SetBootOverride(t.Context(), redfish.FromMedium, redfish.Continuous)
	must(t, err)
	before := b.Medium()
	for name, call := range map[string]func() error{
		"power off": func() error { return c.Reset(t.Context(), redfish.ForceOff) },
		"override":  func() error { return c.ClearBootOverride(t.Context()) },
		"insert":    func() error { _, err := c.Insert(t.Context(), medium); return err },
	} {
		var failed *redfish.Error
		if err := call(); !errors.Is(err, lost) || !errors.As(err, &failed) || failed.Kind != redfish.NotSent {
			t.Errorf("%s: %v", name, err)
		}
	}
	system, err := c.System(t.Context())
	must(t, err)
	if system.Power != "On" || b.Override().Target != "Cd" || b.Medium() != before {
		t.Errorf("changed behind the fence: power %s, override %+v, medium %+v", system.Power, b.Override(), b.Medium())
	}
}
