package ignition_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/gitmetal/ingot/boot/ignition"
	"github.com/gitmetal/ingot/internal/secret"
	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/schemas"
)

// versions are the stable versions of Butane's variants, with the specification that Butane gives.
var versions = []struct{ variant, version, spec string }{
	{"fcos", "1.0.0", "3.0.0"}, {"fcos", "1.1.0", "3.1.0"}, {"fcos", "1.2.0", "3.2.0"}, {"fcos", "1.3.0", "3.2.0"}, {"fcos", "1.4.0", "3.3.0"},
	{"fcos", "1.5.0", "3.4.0"}, {"fcos", "1.6.0", "3.5.0"}, {"fcos", "1.7.0", "3.6.0"}, {"fiot", "1.0.0", "3.4.0"},
	{"flatcar", "1.0.0", "3.3.0"}, {"flatcar", "1.1.0", "3.4.0"}, {"r4e", "1.0.0", "3.3.0"}, {"r4e", "1.1.0", "3.4.0"},
}

// TestVersionsOfButane checks and renders a config of every stable version for images of every specification: what the
// image does not read is an error at the version; everything else is written in the image's specification, with the
// host's own part, and is valid for it.
func TestVersionsOfButane(t *testing.T) {
	t.Parallel()
	for _, v := range versions {
		for at, image := range append([]string{""}, schemas.IgnitionVersions...) {
			if at == 0 {
				image = schemas.IgnitionVersion
			}
			b := inventory.Butane{Path: "w/x.bu", Source: []byte(fmt.Sprintf("variant: %s\nversion: %s\nstorage:\n  files:\n"+
				"    - {path: /etc/motd, mode: 0644, contents: {inline: hello}}\n", v.variant, v.version))}
			if at > 0 {
				b.Ignition = image
			}
			name := fmt.Sprintf("%s %s for an image with %q", v.variant, v.version, b.Ignition)
			reads := slices.Index(schemas.IgnitionVersions, v.spec) <= slices.Index(schemas.IgnitionVersions, image)
			findings := (ignition.Checker{}).Check(b).Findings
			if !reads {
				want := fmt.Sprintf("w/x.bu:2:10: error: version: %s %s is Ignition's spec %s, and the image reads %s at most (use ", v.variant,
					v.version, v.spec, image)
				if len(findings) != 1 || !strings.HasPrefix(findings[0].String(), want) ||
					!strings.Contains(findings[0].Hint, "or write ignition: "+v.spec+" below spec.install where the image has Ignition 2.") {
					t.Errorf("%s: %v, want %q…", name, findings, want)
				}
				continue
			}
			if schemas.Fatal(findings) || (len(findings) > 0) != (v.variant == "flatcar") {
				t.Errorf("%s: findings %v, want one warning for flatcar alone", name, findings)
			}
			body, err := ignition.Render(ignition.Request{Host: "web-1", Butane: &b, Ignition: b.Ignition,
				Network:   &schemas.Network{Interfaces: []schemas.Interface{{Name: "eth0", Type: "ethernet", IPv4: &schemas.IPConfig{DHCP: true}}}},
				PhoneHome: &ignition.PhoneHome{URLs: []string{"https://10.0.0.1"}, Pin: "pin", Token: secret.New("token")}})
			var config struct{ Ignition struct{ Version string } }
			if err != nil || json.Unmarshal(body, &config) != nil || config.Ignition.Version != image {
				t.Errorf("%s: rendered in %q, %v", name, config.Ignition.Version, err)
			}
		}
	}
}

// TestVariants says which variants are refused, and what to do.
func TestVariants(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ source, want, hint string }{
		"openshift": {"variant: openshift\nversion: 4.22.0\nmetadata: {name: x, labels: {machineconfiguration.openshift.io/role: worker}}\n",
			"w/x.bu:1:10: error: variant: openshift gives a MachineConfig", "apply it to the cluster with oc; for the machine itself write variant fcos"},
		"rhcos":              {"variant: rhcos\nversion: 0.1.0\n", "w/x.bu:1:10: error: variant: Butane has no variant rhcos", "write variant fcos"},
		"Flatcar":            {"variant: flatcar\nversion: 1.1.0\n", "w/x.bu:1:10: warning: variant: coreos-installer puts the config on a partition labelled boot", "such as Fedora CoreOS"},
		"an unknown variant": {"variant: ubuntu\nversion: 1.0.0\n", "w/x.bu:1:10: error: variant: Butane knows no variant ubuntu", "use fcos"},
		"an unknown version": {"variant: fcos\nversion: 1.99.0\n", "w/x.bu:2:10: error: version: Butane knows no fcos 1.99.0", "use fcos 1.6.0"},
		"experimental":       {"variant: fcos\nversion: 1.8.0-experimental\n", "w/x.bu:2:10: error: version: fcos 1.8.0-experimental is experimental", "use fcos 1.6.0"},
		"experimental, gone": {"variant: fcos\nversion: 1.7.0-experimental\n", "w/x.bu:2:10: error: version: fcos 1.7.0-experimental is experimental", "use fcos 1.6.0"},
		"a merged config that is too new": {"variant: fcos\nversion: 1.6.0\nignition:\n  config:\n    merge:\n      - {source: \"data:,%7B%22ignition%22%3A%7B%22version%22%3A%223.6.0%22%7D%7D\"}\n",
			"w/x.bu:6:9: error: the config that is merged cannot be read: it has the spec version 3.6.0", "the image reads Ignition's spec 3.5.0 at most"},
	} {
		findings := (ignition.Checker{}).Check(inventory.Butane{Path: "w/x.bu", Source: []byte(test.source)}).Findings
		if len(findings) != 1 || !strings.HasPrefix(findings[0].String(), test.want) || !strings.Contains(findings[0].Hint, test.hint) {
			t.Errorf("%s: %v, want %q… and %q", name, findings, test.want, test.hint)
		}
	}
}
