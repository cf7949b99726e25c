package wire

// AccountOrder asks the agent for something about the accounts of the machine's own BMC, in-band. An order holds a
// password only where Do is AccountCreate; the agent keeps no order after its AccountReport.
type AccountOrder struct {
	// ID is random for each order. The agent carries out an order once, and answers a repeated order with its report.
	ID string `json:"id"`
	Do string `json:"do"` // AccountSurvey, AccountCreate or AccountRemove
	// Name is the name of the account: "ingot-" and 6 hex digits.
	Name string `json:"name"`
	// Slot is the BMC's place of the account, as the survey before gave it; 0 in a survey. Because the survey found the
	// slot free and the name nowhere, an account of this name in this slot is the daemon's.
	Slot int `json:"slot,omitempty"`
	// Address is the BMC's IP address by which the daemon will log in: the account gets access on this network only. ""
	// means every network of the BMC that has an address.
	Address  string `json:"address,omitempty"`
	Password string `json:"password,omitempty"`
}

// Kinds of AccountOrder.
const (
	AccountSurvey = "survey" // reads only
	AccountCreate = "create"
	AccountRemove = "remove"
)

// AccountReport is what became of an AccountOrder.
type AccountReport struct {
	ID string `json:"id"`
	// Problem is "" where the order is carried out: after AccountCreate the account is enabled, after AccountRemove the
	// slot was read back as free.
	Problem string `json:"problem,omitempty"`
	Error   string `json:"error,omitempty"` // one line a person can act on, with the Problem
	// Slot is the free slot that a survey chose, or the slot of the order.
	Slot int `json:"slot,omitempty"`
	// Left is what the slot was read back as after a problem: AccountFree, AccountDisabled, AccountUnknown. "" where
	// nothing was changed.
	Left string `json:"left,omitempty"`
	// Tested says that the BMC itself confirmed that it keeps the whole password.
	Tested   bool         `json:"tested,omitempty"`
	Device   string       `json:"device,omitempty"` // the BMC, for people
	Networks []BMCNetwork `json:"networks,omitempty"`
	// Commands are the commands that changed something, in their order, with the BMC's answers.
	Commands []BMCCommand `json:"commands,omitempty"`
}

// Problems of an AccountReport.
const (
	AccountNoBMC           = "NoBMC"           // the machine shows no BMC to its kernel
	AccountUnreadable      = "Unreadable"      // the BMC did not say what the agent must know before it changes anything
	AccountNoNetwork       = "NoNetwork"       // no network channel, or none with the order's address
	AccountFull            = "Full"            // every slot is taken
	AccountNameTaken       = "NameTaken"       // somebody has the name
	AccountSlotTaken       = "SlotTaken"       // the slot is not as the survey found it
	AccountPasswordRefused = "PasswordRefused" // the BMC does not take the password, or keeps another one
	AccountRefused         = "Refused"         // the BMC refused another command, or did not do it
	AccountNoAnswer        = "NoAnswer"        // the BMC gave no answer to a command
	AccountNotUnderstood   = "NotUnderstood"   // the agent does not know the order
)

// Values of AccountReport.Left.
const (
	AccountFree     = "Free"     // disabled, without a name
	AccountDisabled = "Disabled" // disabled, but still has the name
	AccountUnknown  = "Unknown"  // could not be read back, or is enabled
)

// BMCNetwork is a network channel of the BMC.
type BMCNetwork struct {
	Channel   int      `json:"channel"`
	MAC       string   `json:"mac,omitempty"`       // lower case, colons
	Addresses []string `json:"addresses,omitempty"` // IPv4 and IPv6 addresses that others can reach
}

// BMCCommand is a command to the BMC with its answer.
type BMCCommand struct {
	Name string `json:"name"` // as the IPMI specification names it
	Code int    `json:"code"` // completion code; -1 without an answer
	Said string `json:"said,omitempty"`
}
