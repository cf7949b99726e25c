package ignition

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/coreos/ignition/v2/config/util"
	"github.com/coreos/ignition/v2/config/v3_0"
	"github.com/coreos/ignition/v2/config/v3_1"
	"github.com/coreos/ignition/v2/config/v3_2"
	"github.com/coreos/ignition/v2/config/v3_3"
	"github.com/coreos/ignition/v2/config/v3_4"
	"github.com/coreos/ignition/v2/config/v3_5"
	"github.com/coreos/ignition/v2/config/v3_6"
	"github.com/coreos/ignition/v2/config/v3_6/types"
	"github.com/coreos/vcontext/report"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/refs"
	"github.com/gitmetal/ingot/schemas"
)

// butaneSpec is a stable version of a Butane variant, and the specification of Ignition that its configs are in.
type butaneSpec struct{ variant, version, ignition string }

// butaneSpecs are sorted by variant and version. Source: Butane 0.29.0, "Specifications".
var butaneSpecs = []butaneSpec{
	{"fcos", "1.0.0", "3.0.0"}, {"fcos", "1.1.0", "3.1.0"}, {"fcos", "1.2.0", "3.2.0"}, {"fcos", "1.3.0", "3.2.0"},
	{"fcos", "1.4.0", "3.3.0"}, {"fcos", "1.5.0", "3.4.0"}, {"fcos", "1.6.0", "3.5.0"}, {"fcos", "1.7.0", "3.6.0"},
	{"fiot", "1.0.0", "3.4.0"},
	{"flatcar", "1.0.0", "3.3.0"}, {"flatcar", "1.1.0", "3.4.0"},
	{"r4e", "1.0.0", "3.3.0"}, {"r4e", "1.1.0", "3.4.0"},
}

// firstRelease says which release of Ignition was the first to read a specification. Source: Ignition, "Release notes".
var firstRelease = map[string]string{"3.0.0": "2.0.0", "3.1.0": "2.3.0", "3.2.0": "2.7.0", "3.3.0": "2.11.0", "3.4.0": "2.15.0",
	"3.5.0": "2.20.0", "3.6.0": "2.26.0"}

// parseVersion checks a config by the rules of one specification.
func parseVersion(version string, body []byte) (problems report.Report, err error) {
	switch version {
	case "3.0.0":
		_, problems, err = v3_0.Parse(body)
	case "3.1.0":
		_, problems, err = v3_1.Parse(body)
	case "3.2.0":
		_, problems, err = v3_2.Parse(body)
	case "3.3.0":
		_, problems, err = v3_3.Parse(body)
	case "3.4.0":
		_, problems, err = v3_4.Parse(body)
	case "3.5.0":
		_, problems, err = v3_5.Parse(body)
	case "3.6.0":
		_, problems, err = v3_6.Parse(body)
	default:
		return report.Report{}, fmt.Errorf("the specification %s is not known: write one of %s", version,
			strings.Join(schemas.IgnitionVersions, ", "))
	}
	return problems, err
}

// highestSpec is the newest specification that the image of a config reads.
func highestSpec(b inventory.Butane) string { return cmp.Or(b.Ignition, schemas.IgnitionVersion) }

// isReadable reports whether an image reads a specification. Experimental and unknown ones are read by none.
func isReadable(spec, highest string) bool {
	at := slices.Index(schemas.IgnitionVersions, spec)
	return at >= 0 && at <= slices.Index(schemas.IgnitionVersions, highest)
}

// readTranslated reads the Ignition config that Butane gave, unless it is in a newer specification than the image
// reads.
func readTranslated(b inventory.Butane, out []byte) (types.Config, []schemas.Finding) {
	variant, version := describeButane(b)
	refuse := func(hint, format string, args ...any) (types.Config, []schemas.Finding) {
		return types.Config{}, []schemas.Finding{{Position: schemas.Position{File: b.Path}, Severity: schemas.Error,
			Field: "version", Message: fmt.Sprintf(format, args...), Hint: hint}}
	}
	highest := highestSpec(b)
	spec, problems, err := util.GetConfigVersion(out)
	switch {
	case err == nil && spec.PreRelease != "":
		return refuse("use "+findNewest(variant, highest), "%s %s is experimental, and no image is sure to read it", variant, version)
	case err == nil && !isReadable(spec.String(), highest):
		return refuse(hintNewer(variant, spec.String(), highest), "%s %s is Ignition's spec %s, and the image reads %s at most", variant,
			version, spec, highest)
	}
	var config types.Config
	if err == nil {
		config, problems, err = v3_6.ParseCompatibleVersion(out)
	}
	if err != nil {
		return refuse("", "what Butane gives is no valid Ignition config%s", listPlaces(problems))
	}
	return config, nil
}

// hintNewer says what to do about a config in a newer specification than the image reads.
func hintNewer(variant, spec, highest string) string {
	hint := "use " + findNewest(variant, highest)
	if release, known := firstRelease[spec]; known {
		hint += fmt.Sprintf(", or write ignition: %s below spec.install where the image has Ignition %s or newer", spec, release)
	}
	return hint
}

// findNewest names the newest version of a variant that an image reads.
func findNewest(variant, highest string) string {
	newest := ""
	for _, known := range butaneSpecs {
		if known.variant == variant && isReadable(known.ignition, highest) {
			newest = known.variant + " " + known.version
		}
	}
	if newest == "" {
		return "another variant: no stable version of " + variant + " is old enough"
	}
	return newest
}

// describeSpecs says which versions of Butane are in which specification.
func describeSpecs() string {
	var texts []string
	for _, known := range butaneSpecs {
		texts = append(texts, fmt.Sprintf("%s %s is %s", known.variant, known.version, known.ignition))
	}
	return strings.Join(texts, ", ")
}

// describeButane gives the variant and the version of a config, as far as it has them.
func describeButane(b inventory.Butane) (variant, version string) {
	root, findings := refs.ParseFile(b.Path, b.Source)
	if root == nil || len(findings) > 0 {
		return "", ""
	}
	if node := nodeAt(root, "version"); node != nil {
		version = node.Value
	}
	return variantOf(root), version
}

// checkVariant refuses variants whose configs no machine reads by itself, and versions that Butane does not know.
func checkVariant(b inventory.Butane, source []byte) []schemas.Finding {
	b.Source = source
	variant, version := describeButane(b)
	refuse := func(field, hint, message string) []schemas.Finding {
		return []schemas.Finding{{Position: schemas.Position{File: b.Path}, Severity: schemas.Error, Field: field, Message: message,
			Hint: hint}}
	}
	stable := slices.ContainsFunc(butaneSpecs, func(known butaneSpec) bool { return known.variant == variant })
	known := slices.ContainsFunc(butaneSpecs, func(known butaneSpec) bool {
		return known.variant == variant && known.version == version
	})
	switch {
	case variant == "openshift":
		return refuse("variant", "apply it to the cluster with oc; for the machine itself write variant fcos, and spec.install.ignition "+
			"as its RHEL CoreOS reads it", "openshift gives a MachineConfig, which a cluster applies, and no Ignition config for a machine")
	case variant == "rhcos":
		return refuse("variant", "write variant fcos, and spec.install.ignition as the image reads it", "Butane has no variant rhcos any more")
	case variant == "" || version == "" || known:
		return nil // Butane says what is wrong
	case stable && strings.HasSuffix(version, "-experimental"): // Butane has one, the next; others are gone
		return refuse("version", "use "+findNewest(variant, highestSpec(b)), variant+" "+version+" is experimental, and no image is sure to read it")
	case stable:
		return refuse("version", "use "+findNewest(variant, highestSpec(b)), "Butane knows no "+variant+" "+version)
	default:
		return refuse("variant", "use fcos, or r4e or fiot", "Butane knows no variant "+variant)
	}
}

// checkImage warns of variants whose images coreos-installer cannot give a config: it writes the config to a file
// system labelled boot, and clears the partition table where the image has none. Source: coreos-installer,
// src/install.rs.
func checkImage(b inventory.Butane) []schemas.Finding {
	if variant, _ := describeButane(b); variant != "flatcar" {
		return nil
	}
	return []schemas.Finding{{Position: schemas.Position{File: b.Path}, Severity: schemas.Warning, Field: "variant",
		Message: "coreos-installer puts the config on a partition labelled boot, and Flatcar's own images have none: the install would fail",
		Hint:    "install an image with such a partition, such as Fedora CoreOS with variant fcos"}}
}
