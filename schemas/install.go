package schemas

// Install writes an operating system with coreos-installer and an Ignition config rendered from Butane.
type Install struct {
	Image Image `json:"image"`
	// Butane is the path of a Butane config in the same commit. Local files of the config are relative to the config's
	// directory.
	Butane string `json:"butane,omitempty"`
	// Ignition is the highest version of Ignition's config specification that the image reads, 3.0.0 to 3.6.0. Default
	// 3.5.0, which Ignition 2.20 and newer read. A Butane config that needs a newer version is refused, and the machine's
	// config is written in this version.
	Ignition string `json:"ignition,omitempty"`
	// KernelArguments are appended, one each. An argument that names another Ignition config, such as
	// ignition.config.url, is refused.
	KernelArguments []string `json:"kernelArguments,omitempty"`
	// DeleteKernelArguments are taken out of the kernel arguments that the image has, one each, as written there. An
	// argument by which the system finds its config is refused.
	DeleteKernelArguments []string `json:"deleteKernelArguments,omitempty"`
	// Platform is Ignition's name of the platform that the system runs on, such as qemu or vmware. Default: that of the
	// image, metal.
	Platform string `json:"platform,omitempty"`
	// Consoles are of the kernel and of the boot loader, as in the kernel argument console=: tty0, or ttyS0,115200n8; the
	// last one is the main one. They replace those that the image has for metal.
	Consoles []string `json:"consoles,omitempty"`
	// PhoneHome is Required (default) or Disabled. With Disabled the machine counts as installed after the start from
	// its disk.
	PhoneHome string `json:"phoneHome,omitempty"`
	// OtherDisks is Denied (default) or Allowed: whether the Butane config may write to disks besides the root disk,
	// such as wipe their partition tables, when the installed system starts for the first time. The plan names the
	// disks. With Denied such an install is held.
	OtherDisks string `json:"otherDisks,omitempty"`
}

// Values of WorkloadSpec.OnFailure.
const (
	FailedPowerOff = "PowerOff"
	FailedKeep     = "Keep"
)
