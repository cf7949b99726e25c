package ignition

import (
	_ "embed"
	"encoding/base64"
	"errors"
	"fmt"
	"sort"

	// As Butane does: encoding/json would print empty objects that Ignition's merged types hold.
	"github.com/clarketm/json"
	"github.com/coreos/ignition/v2/config/util"
	"github.com/coreos/ignition/v2/config/v3_4"
	"github.com/coreos/ignition/v2/config/v3_4/types"

	"github.com/gitmetal/ingot/agent/wire"
	"github.com/gitmetal/ingot/boot/network"
	"github.com/gitmetal/ingot/internal/secret"
	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/schemas"
)

// specVersion is what every supported image understands: Ignition 2.14 and newer, Butane fcos 1.5 and older.
const specVersion = "3.4.0"

// Request is one host's config to be.
type Request struct {
	Host      string
	Butane    *inventory.Butane // nil: nothing besides what every host gets
	Secrets   func(inventory.SecretRef) (secret.Value, error)
	Network   *schemas.Network // nil: the image's own way, DHCP
	PhoneHome *PhoneHome       // nil: the system does not call
}

// PhoneHome is how the installed system says that it is up.
type PhoneHome struct {
	URLs    []string // base URLs of the daemon, tried in order
	Pin     string   // base64 SHA-256 of its key
	Install string
	Epoch   uint64
	Commit  string
	Token   secret.Value
}

// Render gives a host's Ignition config as JSON. It holds secrets. The workload's own config wins over what every host gets, but for the call home.
// The same request gives the same bytes.
func Render(r Request) ([]byte, error) {
	own, err := base(r)
	if err != nil {
		return nil, err
	}
	config := own
	if r.Butane != nil {
		theirs, err := butane(r)
		if err != nil {
			return nil, err
		}
		config = v3_4.Merge(own, theirs)
	}
	if r.PhoneHome != nil {
		call, err := phoneHome(*r.PhoneHome, r.Host)
		if err != nil {
			return nil, err
		}
		config = v3_4.Merge(config, call)
	}
	body, err := json.Marshal(config)
	if err != nil {
		return nil, fmt.Errorf("encode the Ignition config of %s: %w", r.Host, err)
	}
	if _, problems, err := v3_4.Parse(body); err != nil || problems.IsFatal() {
		return nil, fmt.Errorf("the Ignition config of %s is not valid: %w %s", r.Host, err, problems.String())
	}
	return body, nil
}

// butane translates the workload's config with the host's vars and secrets.
func butane(r Request) (types.Config, error) {
	b := *r.Butane
	source, findings := inventory.Expand(b.Path, b.Source, func(ref inventory.Ref) (string, error) {
		if ref.Var != "" {
			return b.Vars[ref.Var], nil
		}
		value, err := r.Secrets(ref.Secret)
		return value.Reveal(), err
	})
	if len(findings) == 0 {
		var out []byte
		if out, findings = translate(b, source); len(findings) == 0 {
			config, problems, err := v3_4.ParseCompatibleVersion(out)
			if err != nil {
				return types.Config{}, fmt.Errorf("%s: Ignition %w: use a Butane version whose Ignition is at most %s; %s", b.Path, err, specVersion, problems.String())
			}
			return config, nil
		}
	}
	// Findings may quote a value, and so a secret: only their places are told.
	var places []error
	for _, f := range findings {
		places = append(places, fmt.Errorf("%s %s cannot be translated with this host's secrets", f.Position, f.Field))
	}
	return types.Config{}, errors.Join(places...)
}

// base is what every host gets.
func base(r Request) (types.Config, error) {
	config := types.Config{Ignition: types.Ignition{Version: specVersion}}
	config.Storage.Files = append(config.Storage.Files, file("/etc/hostname", 0o644, []byte(r.Host+"\n")))
	keyfiles := network.Keyfiles(r.Network)
	names := make([]string, 0, len(keyfiles))
	for name := range keyfiles {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		config.Storage.Files = append(config.Storage.Files, file("/etc/NetworkManager/system-connections/"+name, 0o600, keyfiles[name]))
	}
	return config, nil
}

//go:embed phone-home.sh
var phoneHomeScript []byte

//go:embed phone-home.service
var phoneHomeUnit string

// Paths of the call home in the installed system.
const (
	callFile   = "/etc/ingot/phone-home.json"
	curlFile   = "/etc/ingot/phone-home.curl"
	urlsFile   = "/etc/ingot/phone-home.urls"
	scriptFile = "/etc/ingot/phone-home.sh"
)

// phoneHome is a unit that calls once. The token is in files of mode 0600, never in an argument.
func phoneHome(p PhoneHome, host string) (types.Config, error) {
	body, err := json.Marshal(wire.PhoneHome{Host: host, Install: p.Install, Epoch: p.Epoch, Token: p.Token.Reveal(), Commit: p.Commit})
	if err != nil {
		return types.Config{}, fmt.Errorf("encode the call home of %s: %w", host, err)
	}
	curl := fmt.Sprintf("insecure\npinnedpubkey = \"sha256//%s\"\ntlsv1.3\nsilent\nshow-error\nfail\nmax-time = 60\ndata-binary = \"@%s\"\n", p.Pin, callFile)
	urls := ""
	for _, url := range p.URLs {
		urls += url + wire.PathPhoneHome + "\n"
	}
	config := types.Config{Ignition: types.Ignition{Version: specVersion}}
	config.Storage.Files = []types.File{
		file(callFile, 0o600, body), file(curlFile, 0o600, []byte(curl)), file(urlsFile, 0o644, []byte(urls)), file(scriptFile, 0o755, phoneHomeScript),
	}
	config.Systemd.Units = []types.Unit{{Name: "ingot-phone-home.service", Enabled: util.BoolToPtr(true), Contents: util.StrToPtr(phoneHomeUnit)}}
	return config, nil
}

func file(path string, mode int, data []byte) types.File {
	return types.File{
		Node: types.Node{Path: path, Overwrite: util.BoolToPtr(true)},
		FileEmbedded1: types.FileEmbedded1{
			Mode:     util.IntToPtr(mode),
			Contents: types.Resource{Source: util.StrToPtr("data:;base64," + base64.StdEncoding.EncodeToString(data))},
		},
	}
}
