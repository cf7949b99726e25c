package decode

import (
	"maps"
	"slices"
	"strings"

	"github.com/gitmetal/ingot/schemas"
	"github.com/gitmetal/ingot/schemas/yamltext"
)

// notWithBMC are the fields of a Step that are about a script.
var notWithBMC = []string{"script", "plugins", "args", "writes", "mounts", "when", "attempts", "repeatable", "reboots", "needs"}

// maxAttributes is the most BIOS attributes of one Step, and maxAttribute the most bytes of a name and of a value.
const (
	maxAttributes = 500
	maxAttribute  = 256
)

// checkSettings checks a Step with settings of the machine. Which names and values there are only the machine's BMC knows.
func (c *checker) checkSettings(spec schemas.StepSpec) {
	for _, field := range notWithBMC {
		if c.document.IsWritten("spec." + field) {
			c.addError("spec."+field, "leave it out", "a Step with bmc has no %s", field)
		}
	}
	c.checkOneOf("spec.apply", spec.Apply, schemas.WithInstall, schemas.InTurn)
	const field = "spec.bmc.bios"
	switch count := len(spec.BMC.Bios); {
	case c.document.Fields.IsSpoiledBelow(field):
	case count == 0:
		c.addMissing(field, "such as {ProcVirtualization: Enabled}", "the Step sets nothing")
	case count > maxAttributes:
		c.addError(field, "split the Step", "%d attributes, at most %d are taken", count, maxAttributes)
	}
	for _, name := range slices.Sorted(maps.Keys(spec.BMC.Bios)) {
		c.checkAttribute(field+"."+name, name, spec.BMC.Bios[name])
	}
}

func (c *checker) checkAttribute(field, name string, value any) {
	if name == "" || len(name) > maxAttribute || strings.ContainsAny(name, " \t\n\"/") {
		c.addError(field, "the BMC's registry has the names", "%q is no name of a BIOS attribute", yamltext.ShortenText(name))
		return
	}
	number, whole := 0.0, false
	switch v := value.(type) {
	case string:
		if len(v) > maxAttribute {
			c.addError(field, "", "the value has %d bytes, at most %d are taken", len(v), maxAttribute)
		}
		return
	case bool:
		return
	case float64:
		number, whole = v, v == float64(int64(v))
	case int:
		number, whole = float64(v), true
	case int64:
		number, whole = float64(v), true
	case uint64:
		number, whole = float64(v), true
	}
	if !whole || number > 1<<53 || number < -(1<<53) {
		c.addError(field, "quote a text", "the value is neither a text, nor a whole number, nor true or false")
	}
}
