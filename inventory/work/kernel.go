package work

import (
	"cmp"
	"fmt"
	"strconv"

	"github.com/gitmetal/ingot/inventory/refs"
	"github.com/gitmetal/ingot/inventory/runs"
	"github.com/gitmetal/ingot/schemas"
)

// defaultMode is the mode of a file in an initrd.
const defaultMode = "0644"

// readKernel resolves a kernel of one's own. Package decode checked the texts.
func (l *resolver) readKernel(d schemas.Document, b schemas.RunBoot) *runs.Kernel {
	k := &runs.Kernel{Kernel: runs.Fetched(b.Kernel), Arguments: b.Arguments,
		HidesToken: b.TokenOnCommandLine != nil && !*b.TokenOnCommandLine}
	for _, initrd := range b.Initrds {
		k.Initrds = append(k.Initrds, runs.Fetched(initrd))
	}
	for i, file := range b.Files {
		mode, _ := strconv.ParseUint(cmp.Or(file.Mode, defaultMode), 8, 32)
		k.Files = append(k.Files, runs.InitrdFile{Path: file.Path, Mode: uint32(mode), Content: file.Content})
		l.checkReferences(d, fmt.Sprintf("spec.run.boot.files[%d].content", i), file.Content)
	}
	for i, argument := range b.Arguments {
		if len(refs.FindReferences(argument)) > 0 {
			l.addFindings(d.ErrorAt(fmt.Sprintf("spec.run.boot.arguments[%d]", i), "put it into files",
				"not supported yet: ${…} in the arguments of a kernel"))
		}
	}
	return k
}

// checkReferences reports references of a file that are no vars.
func (l *resolver) checkReferences(d schemas.Document, field, text string) {
	_, err := refs.ReplaceInText(text, func(ref refs.Ref) (string, error) {
		if ref.Var == "" {
			return "", fmt.Errorf("not supported yet: %s in a file of a run", ref)
		}
		return "", nil
	})
	if err != nil {
		l.addFindings(d.ErrorAt(field, "only ${vars.x} is replaced", "%v", err))
	}
}
