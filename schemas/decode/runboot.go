package decode

import (
	"fmt"
	"path"
	"regexp"
	"strings"

	"github.com/gitmetal/ingot/schemas"
)

// checkRunForm checks what is run: a script, a kernel or an ISO.
func (c *checker) checkRunForm(r schemas.Run) {
	const script, boot, iso = "spec.run.script", "spec.run.boot", "spec.run.iso"
	c.checkEndsWith(r)
	switch {
	case r.Boot == nil && r.ISO == nil && !c.document.Fields.IsMisspelt(boot) && !c.document.Fields.IsMisspelt(iso):
		if c.checkRequired(script, r.Script) {
			c.checkPath(script, r.Script)
		}
	case r.Boot != nil && c.document.IsWritten(script):
		c.addError(boot, "keep one of them", "it does not go together with spec.run.script")
	case r.ISO != nil && c.document.IsWritten(script):
		c.addError(iso, "keep one of them", "it does not go together with spec.run.script")
	case r.ISO != nil && r.Boot != nil:
		c.addError(iso, "keep one of them", "it does not go together with spec.run.boot")
	case r.Boot != nil:
		c.checkRunBoot(boot, *r.Boot)
	case r.ISO != nil:
		c.checkImage(iso, *r.ISO)
	}
}

// checkEndsWith checks what ends a run. An ISO is told no token.
func (c *checker) checkEndsWith(r schemas.Run) {
	const field = "spec.run.endsWith"
	c.checkOneOf(field, r.EndsWith, schemas.EndsWithResult, schemas.EndsWithPowerOff)
	switch {
	case r.Script != "" && c.document.IsWritten(field):
		c.addError(field, "leave it out", "a run of a script ends with its script")
	case r.ISO != nil && r.EndsWith != schemas.EndsWithPowerOff:
		c.addError("spec.run.iso", "endsWith: PowerOff, and have the ISO power its machine off",
			"not supported yet: an ISO that says over HTTP how it ended")
	}
}

// checkRunBoot checks a kernel of one's own.
func (c *checker) checkRunBoot(field string, b schemas.RunBoot) {
	c.checkImage(field+".kernel", b.Kernel)
	for i, initrd := range b.Initrds {
		c.checkImage(fmt.Sprintf("%s.initrds[%d]", field, i), initrd)
	}
	if len(b.Initrds) > schemas.MaxRunInitrds {
		c.addError(field+".initrds", "", "want at most %d initrds", schemas.MaxRunInitrds)
	}
	bytes := 0
	for i, argument := range b.Arguments {
		at := fmt.Sprintf("%s.arguments[%d]", field, i)
		c.checkGrammar(at, argument, kargGrammar,
			"one argument of printable ASCII without spaces and quotes, at most 512 characters")
		if isOfRun(argument) {
			c.addError(at, "leave it out", "ingot gives the values of INGOT_URL, INGOT_TOKEN and INGOT_PIN")
		}
		bytes += len(argument) + 1
	}
	if bytes > schemas.MaxRunArguments {
		c.addError(field+".arguments", "put values into files or args", "the arguments have %d bytes, want at most %d", bytes,
			schemas.MaxRunArguments)
	}
	c.checkRunFiles(field+".files", b.Files)
}

// isOfRun reports whether a kernel argument is one of those that name the run.
func isOfRun(argument string) bool {
	name, _, _ := strings.Cut(argument, "=")
	return name == "INGOT_URL" || name == "INGOT_TOKEN" || name == "INGOT_PIN"
}

// runFileMode is the mode of a file in an initrd.
var runFileMode = regexp.MustCompile(`^0[0-7]{3}$`)

func (c *checker) checkRunFiles(field string, files []schemas.RunFile) {
	taken, bytes := map[string]bool{"/ingot.env": true, "/ingot.json": true}, 0
	for i, file := range files {
		at := fmt.Sprintf("%s[%d]", field, i)
		if c.checkRequired(at+".path", file.Path) {
			switch {
			case !path.IsAbs(file.Path) || path.Clean(file.Path) != file.Path || file.Path == "/" || len(file.Path) > maxRunPath ||
				strings.ContainsFunc(file.Path, isUnfitForPath):
				c.addError(at+".path", "such as /etc/motd", "not a clean absolute path of at most %d bytes", maxRunPath)
			case taken[file.Path]:
				c.addError(at+".path", "give it another name", "the initrd has a file %s already", file.Path)
			}
			taken[file.Path] = true
		}
		if file.Mode != "" {
			c.checkGrammar(at+".mode", file.Mode, runFileMode, "four octal digits in quotes, such as \"0755\"")
		}
		bytes += len(file.Content)
	}
	if len(files) > schemas.MaxRunFiles {
		c.addError(field, "put them into an initrd", "want at most %d files", schemas.MaxRunFiles)
	}
	if bytes > schemas.MaxRunFileBytes {
		c.addError(field, "put them into an initrd", "the files have %d bytes, want at most %d", bytes, schemas.MaxRunFileBytes)
	}
}

// maxRunPath is the most bytes of the path of a file in an initrd.
const maxRunPath = 255
