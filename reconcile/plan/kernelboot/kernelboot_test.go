package kernelboot_test

import (
	"strings"
	"testing"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/runs"
	"github.com/gitmetal/ingot/reconcile/act"
	"github.com/gitmetal/ingot/reconcile/plan/kernelboot"
)

// secured is a machine with Secure Boot on, whose db names some certificates.
func secured(names ...string) *inventory.Facts {
	return &inventory.Facts{Firmware: inventory.Firmware{UEFI: true, SecureBoot: true, Authorities: names}}
}

// TestPrepare has a row for every row of Prepare's table.
func TestPrepare(t *testing.T) {
	t.Parallel()
	ready := inventory.ImageState{State: inventory.ImageReady}
	good := inventory.KernelState{Trusted: true, Signers: []string{"Debian Secure Boot Signer 2022 - linux", "Debian Secure Boot CA"}}
	for name, test := range map[string]struct {
		image  inventory.ImageState
		kernel inventory.KernelState
		due    act.Kind
		waits  string
	}{
		"not in the mirror": {inventory.ImageState{}, good, act.FetchImage, kernelboot.WaitFetched},
		"being fetched":     {inventory.ImageState{State: inventory.ImageFetching}, good, "", kernelboot.WaitFetched},
		"gone": {inventory.ImageState{State: inventory.ImageFailed, Error: "404 Not Found"}, good, act.FetchImage,
			kernelboot.WaitUnusable + "404 Not Found"},
		"no var":     {ready, inventory.KernelState{Trusted: true, Error: "the machine has no spec.vars.site"}, "", kernelboot.WaitUnusable + "the machine has no"},
		"not signed": {ready, inventory.KernelState{}, "", kernelboot.WaitTrusted + "Secure Boot is on, and the kernel is not signed"},
		"good":       {ready, good, "", ""},
	} {
		o := inventory.Observed{Image: test.image, Kernel: test.kernel}
		o.Order = runs.Order{Work: &runs.Work{Kernel: &runs.Kernel{}}, Next: &runs.Run{}}
		due, waits := kernelboot.Prepare(o, secured())
		if !strings.HasPrefix(waits, test.waits) || (test.waits == "") != (waits == "") || (due == nil) != (test.due == "") ||
			due != nil && due.Kind != test.due {
			t.Errorf("%s: %+v, %q; want %q, %q", name, due, waits, test.due, test.waits)
		}
		o.Order.Work = &runs.Work{ISO: &runs.Fetched{}}
		if _, waits := kernelboot.Prepare(o, secured()); (waits == "") != (test.waits == "" || strings.HasPrefix(test.waits, kernelboot.WaitTrusted)) {
			t.Errorf("%s, of an ISO: it waits for %q", name, waits)
		}
		o.Order.Work = &runs.Work{}
		if due, waits := kernelboot.Prepare(o, secured()); due != nil || waits != "" {
			t.Errorf("%s, of a script: %+v, %q; want nothing", name, due, waits)
		}
		o.Order = runs.Order{Work: &runs.Work{Kernel: &runs.Kernel{}}, Waits: "its turn to boot"}
		if due, waits := kernelboot.Prepare(o, secured()); due != nil || waits != "" {
			t.Errorf("%s, before its turn: %+v, %q; want nothing", name, due, waits)
		}
	}
}

// TestWhyRefused has a row for every row of WhyRefused's table.
func TestWhyRefused(t *testing.T) {
	t.Parallel()
	own := inventory.KernelState{Signers: []string{"Lab Signer", "Lab CA"}}
	for name, test := range map[string]struct {
		kernel inventory.KernelState
		facts  *inventory.Facts
		why    string
	}{
		"Secure Boot is off":  {inventory.KernelState{}, &inventory.Facts{}, ""},
		"by the distribution": {inventory.KernelState{Trusted: true, Signers: []string{"Debian"}}, secured(), ""},
		"by a name in db":     {own, secured("Microsoft Corporation UEFI CA 2011", "Lab CA"), ""},
		"by somebody else":    {own, secured("Microsoft Corporation UEFI CA 2011"), "Secure Boot is on, and neither shim nor the firmware knows who signed the kernel: Lab Signer, Lab CA"},
		"not at all":          {inventory.KernelState{}, secured("Lab CA"), "Secure Boot is on, and the kernel is not signed: take the signed kernel of a distribution, Debian's best"},
	} {
		if got := kernelboot.WhyRefused(test.kernel, test.facts); got != test.why {
			t.Errorf("%s: %q, want %q", name, got, test.why)
		}
	}
}
