package schemas

// Rule says what a discovered machine becomes: labels, fields of its Host file, BMC credentials; or that the machine is
// refused.
type Rule struct {
	APIVersion string   `json:"apiVersion"`
	Kind       string   `json:"kind"`
	Metadata   Metadata `json:"metadata"`
	Spec       RuleSpec `json:"spec"`
}

// RuleSpec is a condition over a discovered machine, and the consequences. First the conditions of all rules are decided,
// over the machine alone; then the rules that hold act, by priority. A rule never sees what another rule set.
type RuleSpec struct {
	// Priority is 0 (default) to 9999. A field that a rule set is not changed by a rule of lower priority. Two rules of
	// the same priority that give a field different values are a mistake: nothing is proposed.
	Priority int `json:"priority,omitempty"`
	// When is a condition in CEL over facts, labels, name and id of the machine, at most 4096 bytes; labels are those of
	// the enrolment key or the Delivery. A field that the machine does not report makes the condition fail: ask with
	// has(…). A rule whose condition fails does not hold.
	When string `json:"when"`
	// Labels are set on the Host.
	Labels map[string]string `json:"labels,omitempty"`
	// Set gives fields of the Host: by the field's path, such as spec.workload, an expression in CEL. The result has the
	// type of the field; a path that ends in [] takes a list, one entry for each item: spec.disks.data[].wwn. Allowed are
	// metadata.name, metadata.labels.KEY, and below spec: workload, power, vars.NAME, rootDisk.HINT, disks.NAME…,
	// network.…, bmc.credentials and boot.…. A name is made a DNS label. A rule with an expression that fails does not
	// hold.
	Set map[string]string `json:"set,omitempty"`
	// Fail is the message with which a machine is refused, whatever other rules say. A rule with fail does nothing else.
	Fail        string           `json:"fail,omitempty"`
	Credentials *RuleCredentials `json:"credentials,omitempty"`
	// Accept, when true, has the proposal merged without a person, only where the daemon's own configuration allows that
	// for the machine's enrolment key.
	Accept bool `json:"accept,omitempty"`
}

// RuleCredentials say how the daemon gets into the machine's BMC. Exactly one field is set.
type RuleCredentials struct {
	// Create has the agent create a BMC account with a password that only the daemon knows, where the daemon's own
	// configuration allows that.
	Create bool `json:"create,omitempty"`
	// Secret names a Secret of the fleet with username and password.
	Secret string `json:"secret,omitempty"`
}

// MaxPriority is the highest priority of a Rule.
const MaxPriority = 9999

// Delivery lists machines that are expected. Nothing is done to them but one login at the BMC, which reads what the
// machine is; each is then proposed like a machine that registered. No secret goes to a machine of a Delivery.
type Delivery struct {
	APIVersion string       `json:"apiVersion"`
	Kind       string       `json:"kind"`
	Metadata   Metadata     `json:"metadata"`
	Spec       DeliverySpec `json:"spec"`
}

// DeliverySpec is what is expected, until when, and how the daemon gets in.
type DeliverySpec struct {
	// Credentials names the Secret with the factory's username and password, whose scope names the Delivery.
	Credentials string `json:"credentials,omitempty"`
	// Until is the last day on which the machines are expected, in UTC, such as 2026-12-31.
	Until string `json:"until"`
	// Machines are at most 1000.
	Machines []ExpectedMachine `json:"machines"`
}

// ExpectedMachine is one machine of a Delivery.
type ExpectedMachine struct {
	// Serial is what the BMC must say; otherwise nothing is proposed.
	Serial string      `json:"serial"`
	BMC    ExpectedBMC `json:"bmc,omitempty"`
	// Name is the name of the proposed Host. Rules do not change the name.
	Name string `json:"name,omitempty"`
	// Labels of the proposed Host. Rules do not change the labels.
	Labels map[string]string `json:"labels,omitempty"`
	// Credentials are as in the Delivery, for this machine.
	Credentials string `json:"credentials,omitempty"`
}

// ExpectedBMC says where the machine's BMC is expected. At most one field is set; without a field the machine registers
// by itself.
type ExpectedBMC struct {
	// Address is an IP address or a host name, with a port if that is not 443.
	Address string `json:"address,omitempty"`
	// MAC finds the BMC on a network that the daemon's machine is on.
	MAC string `json:"mac,omitempty"`
}

// MaxExpected is the most machines of one Delivery.
const MaxExpected = 1000

// Discovery says which machines may register.
type Discovery struct {
	// Keys are at most 100. A key that is taken out of the file is revoked.
	Keys []EnrolmentKey `json:"keys,omitempty"`
}

// EnrolmentKey lets unknown machines register: with a medium that `ingot discovery iso --key ID` makes. A key opens
// nothing else; the secret part of a key is derived from the daemon's identity and stands nowhere.
type EnrolmentKey struct {
	// ID names the key: a DNS label. A revoked id is not used again.
	ID string `json:"id"`
	// Until is the last day of the key, in UTC, such as 2026-12-31.
	Until string `json:"until"`
	// Labels are on every machine that registers with the key, until a rule sets other labels.
	Labels map[string]string `json:"labels,omitempty"`
	// Max is how many machines may register with the key, 1 to 10000. Default: 100.
	Max int `json:"max,omitempty"`
}

// Limits of enrolment keys.
const (
	MaxKeys       = 100    // of a fleet
	MaxRegistered = 10_000 // machines of one key, and records of a daemon
	defaultKeyMax = 100
)

// Limit is how many machines may register with the key.
func (k EnrolmentKey) Limit() int {
	if k.Max == 0 {
		return defaultKeyMax
	}
	return k.Max
}
