package ignition

import (
	_ "embed"
	"fmt"

	"github.com/clarketm/json" // as in render.go: the bytes of a config stay the same
	"github.com/coreos/ignition/v2/config/util"
	"github.com/coreos/ignition/v2/config/v3_6/types"

	"github.com/gitmetal/ingot/agent/wire"
	"github.com/gitmetal/ingot/internal/secret"
)

// PhoneHome is how the installed system reports that the system is up.
type PhoneHome struct {
	Host    string   // id of the machine
	URLs    []string // base URLs of the daemon, tried in order
	Pin     string   // base64 SHA-256 of the daemon's key
	Install string
	Epoch   uint64
	Attempt int // of the operation
	Commit  string
	Token   secret.Value
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

// HomeUnit is the name of the unit that calls the daemon after every start of the system.
const HomeUnit = "ingot-phone-home.service"

// HomeFile is a file of the call home in the installed system.
type HomeFile struct {
	Path string
	Mode int
	Data []byte
}

// ListFiles lists the files of the call, without its unit. The token is in a file of mode 0600, never in an argument.
func (p PhoneHome) ListFiles() ([]HomeFile, error) {
	body, err := json.Marshal(wire.PhoneHome{Host: p.Host, Install: p.Install, Epoch: p.Epoch,
		Attempt: p.Attempt, Token: p.Token.Reveal(), Commit: p.Commit})
	if err != nil {
		return nil, fmt.Errorf("encode the call home of %s: %w", p.Host, err)
	}
	curl := fmt.Sprintf("insecure\npinnedpubkey = \"sha256//%s\"\ntlsv1.3\nsilent\nshow-error\nfail\nmax-time = "+
		"60\n", p.Pin)
	urls := ""
	for _, url := range p.URLs {
		urls += url + wire.PathPhoneHome + "\n"
	}
	return []HomeFile{
		{callFile, 0o600, body}, {curlFile, 0o600, []byte(curl)}, {urlsFile, 0o644, []byte(urls)},
		{scriptFile, 0o755, phoneHomeScript},
	}, nil
}

// Unit is the text of HomeUnit.
func (PhoneHome) Unit() string { return phoneHomeUnit }

// phoneHomeConfig has a unit that calls the daemon after every start of the system.
func phoneHomeConfig(p PhoneHome) (types.Config, error) {
	files, err := p.ListFiles()
	if err != nil {
		return types.Config{}, err
	}
	config := types.Config{Ignition: types.Ignition{Version: types.MaxVersion.String()}}
	for _, file := range files {
		config.Storage.Files = append(config.Storage.Files, newFile(file.Path, file.Mode, file.Data))
	}
	config.Systemd.Units = []types.Unit{{Name: HomeUnit, Enabled: util.BoolToPtr(true),
		Contents: util.StrToPtr(phoneHomeUnit)}}
	return config, nil
}
