package steps

// Labels of the config drive that write-image writes: what cloud-init reads of it goes by the label.
const (
	DriveNoCloud   = "cidata"
	DriveOpenStack = "config-2"
)

// argDrive is the argument of write-image with the config drive.
const argDrive = "configDrive"

// Drive is the config drive that write-image writes beside the image. UserData is a text, or an object of cloud-init's
// modules (cloud-config); nil for none. Secrets are references until a Step's arguments are opened.
type Drive struct {
	Label    string
	UserData any
	SSHKeys  []string
}

// driveSchema is the schema of a config drive. userDataFrom is replaced by userData when a fleet is read.
func driveSchema() map[string]any {
	return map[string]any{"type": "object", "additionalProperties": false, "properties": map[string]any{
		"label":    map[string]any{"type": "string", "enum": []any{DriveNoCloud, DriveOpenStack}},
		"userData": map[string]any{"type": []any{"object", "string"}, secretsKeyword: secretsAllowed},
		"sshKeys": map[string]any{"type": "array", "maxItems": 64,
			"items": map[string]any{"type": "string", "pattern": "^(ssh-|ecdsa-|sk-)[^\r\n]+$"}},
	}}
}

// HasDrive reports whether write-image writes a config drive.
func (s Step) HasDrive() bool {
	_, has := s.Args[argDrive]
	return has
}

// ReadDrive reads the config drive in opened arguments of write-image, which its schema has checked; false without one.
func ReadDrive(args map[string]any) (Drive, bool) {
	written, has := args[argDrive].(map[string]any)
	d := Drive{Label: DriveNoCloud, UserData: written["userData"]}
	if label, ok := written["label"].(string); ok {
		d.Label = label
	}
	keys, _ := written["sshKeys"].([]any)
	for _, key := range keys {
		if text, ok := key.(string); ok {
			d.SSHKeys = append(d.SSHKeys, text)
		}
	}
	return d, has
}
