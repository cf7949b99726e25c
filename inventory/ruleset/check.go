package ruleset

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/gitmetal/ingot/schemas"
	"github.com/gitmetal/ingot/schemas/decode"
)

// checkValues checks the values of the verdict as a Host file would be checked, and names the rules whose values are
// not allowed, with the reason. Where no single rule is to blame the verdict gets a problem.
func (d *decision) checkValues() map[string]string {
	v := &d.verdict
	v.Problems = nil
	dropped := map[string]string{}
	for _, found := range checkHost(v.Values) {
		blamed := false
		for _, path := range slices.Sorted(maps.Keys(d.givers)) {
			document := d.givers[path]
			f, problem := findField(path)
			if problem == "" && f.owns(found.Field) && dropped[document.Name] == "" {
				dropped[document.Name], blamed = path+": "+sayFinding(found), true
			} else if problem == "" && f.owns(found.Field) {
				blamed = true
			}
		}
		if !blamed {
			v.Problems = append(v.Problems, found.Field+": "+sayFinding(found))
		}
	}
	slices.Sort(v.Problems)
	return dropped
}

func sayFinding(f schemas.Finding) string {
	if f.Hint == "" {
		return f.Message
	}
	return f.Message + " (" + f.Hint + ")"
}

// checkHost checks values as those of a Host file that has nothing else.
func checkHost(values map[string]any) []schemas.Finding {
	host := schemas.Host{APIVersion: schemas.APIVersion, Kind: schemas.KindHost, Metadata: schemas.Metadata{Name: "discovered"}}
	for path := range values {
		if strings.HasPrefix(path, "spec.bmc.") {
			host.Spec.BMC = &schemas.BMC{Address: "https://bmc.invalid"}
		}
	}
	filled, err := Fill(host, values)
	if err == nil {
		var body []byte
		if body, err = json.Marshal(filled); err == nil {
			_, findings := decode.DecodeFile("host", body) // JSON is YAML
			return slices.DeleteFunc(findings, func(f schemas.Finding) bool { return f.Severity != schemas.Error })
		}
	}
	return []schemas.Finding{{Severity: schemas.Error, Message: err.Error()}}
}
