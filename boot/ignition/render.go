package ignition

import (
	"cmp"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"

	// As Butane does: encoding/json would print empty objects that Ignition's merged types hold.
	"github.com/clarketm/json"
	"github.com/coreos/ignition/v2/config/util"
	"github.com/coreos/ignition/v2/config/v3_6"
	"github.com/coreos/ignition/v2/config/v3_6/types"
	"github.com/coreos/vcontext/report"

	"github.com/gitmetal/ingot/agent/wire"
	"github.com/gitmetal/ingot/boot/network"
	"github.com/gitmetal/ingot/internal/secret"
	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/refs"
	"github.com/gitmetal/ingot/schemas"
)

// Request describes the config of one host.
type Request struct {
	Host     string
	Butane   *inventory.Butane // nil: only the host's own part
	Ignition string            // the specification that the config is written in; "" for the default
	// OtherDisks are those found by Check. With the secrets filled in, the config must write to no further disks.
	OtherDisks []inventory.OtherDisk
	Secrets    func(refs.Secret) (secret.Value, error)
	Network    *schemas.Network // nil: the image's default, DHCP
	PhoneHome  *PhoneHome       // nil: the system does not call
}

// Render gives a host's Ignition config as JSON, at most wire.MaxConfig bytes. The config holds secrets; the errors do
// not. The workload's config wins over the host's own part, except for the call home. The same request gives the same
// bytes.
func Render(r Request) ([]byte, error) {
	var theirs types.Config
	if r.Butane != nil {
		var findings []schemas.Finding
		theirs, findings = translateWorkload(*r.Butane, r.Secrets)
		// Findings may quote a value, and so a secret: only the places are reported.
		var places []error
		for _, f := range findings {
			places = append(places,
				fmt.Errorf("%s %s cannot be translated with this host's secrets", f.Position, f.Field))
		}
		if len(places) > 0 {
			return nil, errors.Join(places...)
		}
		if disks, refused := findOtherDisks(*r.Butane, theirs); len(refused) > 0 ||
			!slices.EqualFunc(disks, r.OtherDisks, inventory.OtherDisk.Equal) {
			return nil, fmt.Errorf("%s writes to other disks with its secrets than without them: take the secrets out "+
				"of storage and ignition.config", r.Butane.Path)
		}
	}
	body, err := mergeConfig(r, theirs)
	if err == nil && len(body) > wire.MaxConfig {
		return nil, fmt.Errorf(
			"the Ignition config of %s has %d MiB, at most %d MiB can be delivered: put large files "+
				"into the image, or have the system fetch them",
			r.Host, roundUpMiB(len(body)), wire.MaxConfig>>20)
	}
	return body, err
}

// translateWorkload translates a Butane config with vars and secrets.
func translateWorkload(b inventory.Butane, secrets func(refs.Secret) (secret.Value, error)) (types.Config,
	[]schemas.Finding) {
	source, findings := refs.ExpandReferences(b.Path, placeBinary(b), func(ref refs.Ref) (string, error) {
		if ref.Var != "" {
			return b.Vars[ref.Var], nil
		}
		value, err := secrets(ref.Secret)
		return value.Reveal(), err
	})
	if len(findings) > 0 {
		return types.Config{}, findings
	}
	out, findings := runButane(b, source)
	if len(findings) > 0 {
		return types.Config{}, findings
	}
	return readTranslated(b, out)
}

// mergeConfig merges a workload's config with the host's own part. Later parts win: the workload over the host's base,
// the call home over both.
func mergeConfig(r Request, theirs types.Config) ([]byte, error) {
	config := v3_6.Merge(baseConfig(r), theirs)
	if r.PhoneHome != nil {
		call, err := phoneHomeConfig(*r.PhoneHome)
		if err != nil {
			return nil, err
		}
		config = v3_6.Merge(config, call)
	}
	config.Ignition.Version = cmp.Or(r.Ignition, schemas.IgnitionVersion)
	body, err := json.Marshal(config)
	if err != nil {
		return nil, fmt.Errorf("encode the Ignition config of %s: %w", r.Host, err)
	}
	if problems, err := parseVersion(config.Ignition.Version, body); err != nil || problems.IsFatal() {
		return nil, fmt.Errorf("the workload's config clashes with what %s gets, its name, network and call home%s",
			r.Host, listPlaces(problems))
	}
	return body, nil
}

// listPlaces gives the places of problems, without the values that a problem may quote.
func listPlaces(r report.Report) string {
	var at []string
	for _, entry := range r.Entries {
		at = append(at, entry.Context.String())
	}
	if len(at) == 0 {
		return ""
	}
	return ": see " + strings.Join(at, ", ")
}

// baseConfig has the host's name and network.
func baseConfig(r Request) types.Config {
	config := types.Config{Ignition: types.Ignition{Version: types.MaxVersion.String()}}
	config.Storage.Files = append(config.Storage.Files, newFile("/etc/hostname", 0o644, []byte(r.Host+"\n")))
	keyfiles := network.RenderKeyfiles(r.Network)
	names := make([]string, 0, len(keyfiles))
	for name := range keyfiles {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		config.Storage.Files = append(config.Storage.Files,
			newFile("/etc/NetworkManager/system-connections/"+name, 0o600, keyfiles[name]))
	}
	return config
}

func newFile(path string, mode int, data []byte) types.File {
	return types.File{
		Node: types.Node{Path: path, Overwrite: util.BoolToPtr(true)},
		FileEmbedded1: types.FileEmbedded1{
			Mode:     util.IntToPtr(mode),
			Contents: types.Resource{Source: util.StrToPtr("data:;base64," + base64.StdEncoding.EncodeToString(data))},
		},
	}
}
