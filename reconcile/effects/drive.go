package effects

import (
	"github.com/gitmetal/ingot/boot/clouddrive"
	"github.com/gitmetal/ingot/boot/ignition"
	"github.com/gitmetal/ingot/inventory"
)

// renderConfig gives what the installed system is told: an Ignition config, or for a workload that writes an image the bytes
// of its config drive, with the name of the drive's partition; nothing for an image without a drive.
func (e *Effects) renderConfig(request ignition.Request, desired inventory.Desired, install string) (config []byte, drive string, err error) {
	if !desired.Workload.WritesImage() {
		config, err = ignition.Render(request)
		return config, "", err
	}
	built, has, err := clouddrive.Build(clouddrive.Request{Desired: desired, Instance: install, Secrets: e.openSecret,
		PhoneHome: request.PhoneHome})
	if err != nil || !has {
		return nil, "", err
	}
	config, err = clouddrive.Encode(built)
	return config, built.Volume, err
}
