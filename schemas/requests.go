package schemas

// Requests are things to do once on a machine. A value that was done is not done again; another value is another request. A
// host that is new to the daemon, or was forgotten, takes the values of its file as done. Values are short texts of
// lower case letters, digits, dots, dashes and underscores, at most 63.
type Requests struct {
	// Resume ends the hold of a step: the id of the step, a slash, and 8 hex digits of the operation, as the hold on the
	// status page prints it. A value of another operation resumes nothing.
	Resume string `json:"resume,omitempty"`
	// Inspect boots the ramdisk to look at the hardware anew, where the machine is free, or off by power.
	Inspect string         `json:"inspect,omitempty"`
	Reboot  *RebootRequest `json:"reboot,omitempty"`
	// Rotate changes the password of the account of spec.bmc.credentials at the BMC, over Redfish. It is asked on the first
	// host of the Secret, which is of one BMC service; the Secret with the new password becomes a proposal.
	Rotate string `json:"rotate,omitempty"`
}

// RebootRequest restarts the installed system of a machine once, in its ring's window and within maxUnavailable.
type RebootRequest struct {
	ID string `json:"id"`
	// Mode is Soft (default) or Hard: Soft asks the system to shut down and powers the machine on when it is off; Hard
	// resets the machine.
	Mode string `json:"mode,omitempty"`
}

// Values of RebootRequest.Mode.
const (
	RebootSoft = "Soft"
	RebootHard = "Hard"
)

// MaxOffBy is how many keys HostSpec.OffBy may have.
const MaxOffBy = 16
