package schemas

import (
	"bytes"
	"fmt"
	"regexp"
)

// interpreter is how a first line names one: by a path, as the kernel searches for none.
var interpreter = regexp.MustCompile(`^#![ \t]*/`)

// WhyNotScript says why the kernel cannot run a file as a script, and what to do: its first line names the interpreter, such
// as #!/bin/sh. "" for a script.
func WhyNotScript(name string, body []byte) (why, mend string) {
	first, _, _ := bytes.Cut(body, []byte("\n"))
	switch {
	case !interpreter.Match(first):
		return fmt.Sprintf("the first line of %s names no interpreter", name), "start it with a line such as #!/bin/sh"
	case bytes.HasSuffix(first, []byte("\r")):
		return fmt.Sprintf("the lines of %s end with CR LF: the kernel looks for an interpreter whose name ends with CR", name),
			"save it with LF alone"
	default:
		return "", ""
	}
}
