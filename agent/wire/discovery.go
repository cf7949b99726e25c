package wire

import "time"

// Paths of discovery's own door. An agent that was booted from a discovery medium has an enrolment key in place of a
// boot token, and may call these two paths only.
const (
	// PathRegister: POST multipart/form-data with the parts FieldMessage and FieldInventory → 202 Registered | 404 to
	// callers without an enrolment key that counts.
	PathRegister = "/v1/register"
	// PathWaiting: POST Waiting → 200 Waited | 401 register again | 404 the enrolment key counts no more.
	PathWaiting = "/v1/waiting"
)

// Fields of a registration, in this order.
const (
	FieldMessage   = "message"   // Register as JSON
	FieldInventory = "inventory" // Facts as JSON, compressed with gzip
)

// Limits of a registration.
const (
	MaxRegister   = 64 << 10 // bytes of a Register
	MaxInventory  = 4 << 20  // bytes of Facts as JSON
	MaxCompressed = 2 << 20  // bytes of the compressed Facts
)

// Discovery is the part of a BootConfig on a discovery medium, which is for any machine: Host, Boot and Token are empty.
type Discovery struct {
	Key    string `json:"key"`    // id of the enrolment key
	Secret string `json:"secret"` // the key's bytes, 43 characters base64url of 256 bits
	Until  string `json:"until"`  // the last day of the key, as 2026-12-31; for people
}

// Register tells of an unknown machine. The inventory comes beside the message.
type Register struct {
	Version int    `json:"version"`
	Key     string `json:"key"`   // Discovery.Key
	Proof   []byte `json:"proof"` // ProveKey of the secret and the CSR
	CSR     []byte `json:"csr"`   // DER, PKCS#10
}

// Registered carries a certificate that lets its holder call PathWaiting, and nothing else.
type Registered struct {
	Certificate []byte        `json:"certificate"` // DER
	After       time.Duration `json:"after"`       // until the first Waiting; nanoseconds
}

// Waiting says that the agent waits.
type Waiting struct {
	Version int `json:"version"`
	// Account is the report of the last AccountOrder, until an answer came; nil without one.
	Account *AccountReport `json:"account,omitempty"`
}

// Waited is the answer to a waiting agent. At most one of Boot and PowerOff is set.
type Waited struct {
	After time.Duration `json:"after"` // until the next Waiting; nanoseconds
	// Boot makes the agent the agent of this boot, as if the machine had been started from the boot's own medium: the
	// agent enrols with the token. Only an agent that was proved to run on the machine behind the BMC is given a boot.
	Boot *TakenOver `json:"boot,omitempty"`
	// PowerOff has the agent power its machine off: the machine is started from its own medium next.
	PowerOff bool `json:"powerOff,omitempty"`
	// Account is an order about the accounts of the machine's own BMC. The same order may come again until its report has
	// arrived.
	Account *AccountOrder `json:"account,omitempty"`
}

// TakenOver is the boot that a waiting agent becomes the agent of: members of a BootConfig.
type TakenOver struct {
	Host  string `json:"host"`
	Boot  string `json:"boot"`
	Epoch uint64 `json:"epoch"`
	Token string `json:"token"`
}
