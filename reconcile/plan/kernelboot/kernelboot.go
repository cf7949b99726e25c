// Package kernelboot decides about the boot of a kernel or an ISO of one's own for a run: Prepare says what is due before a machine is
// touched for it. Package plan does the rest, as for the ramdisk. Pure.
package kernelboot

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/act"
)

// Waits that others tell from each other; the rest of each text is the reason.
const (
	WaitFetched  = "what its run boots to be fetched and verified"
	WaitUnusable = "a medium that can be booted: "
	WaitTrusted  = "a kernel that Secure Boot lets start: "
)

// Prepare gives what is due before a machine is booted for the run of a kernel or an ISO, or says what the run waits for; neither when
// the machine may be booted, and for a run of a script. The first row that fits decides:
//
//	the files that are booted                          due
//	are not in the mirror                              FetchImage
//	are being fetched                                  wait
//	cannot be fetched                                  FetchImage, and wait
//	cannot be booted, or be given their files          wait
//	would be refused by Secure Boot (WhyRefused)       wait
func Prepare(o inventory.Observed, facts *inventory.Facts) (due *act.Action, waits string) {
	if o.Order.Work == nil || !o.Order.Work.BootsOwn() || !o.Order.Look && o.Order.Next == nil {
		return nil, ""
	}
	fetch := &act.Action{Kind: act.FetchImage, Reason: "what a run boots must be verified before"}
	switch image := o.Image; image.State {
	case inventory.ImageMissing:
		return fetch, WaitFetched
	case inventory.ImageFetching:
		return nil, WaitFetched
	case inventory.ImageFailed:
		return fetch, WaitUnusable + image.Error
	case inventory.ImageReady:
	default:
		panic("kernelboot: unknown image phase " + string(image.State))
	}
	switch why := WhyRefused(o.Kernel, facts); {
	case o.Kernel.Error != "":
		return nil, WaitUnusable + o.Kernel.Error
	case o.Order.Work.ISO != nil:
		return nil, "" // nobody can tell here who signed what the ISO starts
	case why != "":
		return nil, WaitTrusted + why
	default:
		return nil, ""
	}
}

// WhyRefused says why shim on a machine would not let GRUB start a kernel, or "". Facts have the names of the certificates in
// the firmware's db alone, so a kernel whose signer, or whose signer's issuer, has a name of db counts as trusted. Keys that
// a person enrolled in shim (MOK) are not in facts.
//
//	Secure Boot is   the kernel is signed                            refused
//	off              any                                             no
//	on               by the distribution of the ramdisk's shim       no
//	on               by a name in db                                 no
//	on               by somebody else                                yes
//	on               not at all                                      yes
func WhyRefused(k inventory.KernelState, facts *inventory.Facts) string {
	switch {
	case facts == nil || !facts.Firmware.SecureBoot || k.Trusted:
		return ""
	case len(k.Signers) == 0:
		return "Secure Boot is on, and the kernel is not signed: take the signed kernel of a distribution, Debian's best"
	}
	for _, name := range k.Signers {
		if slices.Contains(facts.Firmware.Authorities, name) {
			return ""
		}
	}
	return fmt.Sprintf("Secure Boot is on, and neither shim nor the firmware knows who signed the kernel: %s", strings.Join(k.Signers, ", "))
}
