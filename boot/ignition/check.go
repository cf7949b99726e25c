package ignition

import (
	"fmt"

	"github.com/gitmetal/ingot/agent/wire"
	"github.com/gitmetal/ingot/internal/secret"
	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/refs"
	"github.com/gitmetal/ingot/schemas"
)

// Checker implements load.Translator.
type Checker struct{}

// hostShare is how many bytes of a config are kept for the host's own part: name, network, call home. The network comes
// from the Host's file, which has at most schemas.MaxFile bytes.
const hostShare = 1 << 20

// expansion is how many bytes of JSON a byte of a value can become: \u0000.
const expansion = 6

// placeholder stands for every secret while a config is checked.
const placeholder = "sealedsecretvalue"

// Check translates a config with its vars and with a placeholder for every secret, and merges the config as Render
// does. Warnings are findings too: an unknown key is a mistake. The config is measured as delivered, and the disks it
// writes to are read from the translation. Every finding has a line.
func (Checker) Check(b inventory.Butane) inventory.Translation {
	t := checkConfig(b)
	placeFindings(b, t.Findings)
	return t
}

func checkConfig(b inventory.Butane) inventory.Translation {
	if findings := findOversized(b); len(findings) > 0 {
		return inventory.Translation{Findings: findings}
	}
	sealed := 0
	theirs, findings := translateWorkload(b, func(ref refs.Secret) (secret.Value, error) {
		sealed += expansion * b.Sealed[ref]
		return standIn(&b, ref, placeholder), nil
	})
	if len(findings) > 0 {
		return inventory.Translation{Findings: findings}
	}
	body, err := mergeConfig(Request{Host: "this host", Ignition: b.Ignition, PhoneHome: &PhoneHome{}}, theirs)
	if err != nil {
		return inventory.Translation{Findings: []schemas.Finding{{Position: schemas.Position{File: b.Path},
			Severity: schemas.Error, Message: err.Error()}}}
	}
	t := inventory.Translation{Room: wire.MaxConfig - hostShare - len(body) - sealed}
	if t.Room < 0 {
		t.Findings = append(t.Findings, schemas.Finding{
			Position: schemas.Position{File: b.Path}, Severity: schemas.Error,
			Message: fmt.Sprintf("as Ignition config it has up to %d MiB, at most %d MiB can be delivered",
				roundUpMiB(wire.MaxConfig-hostShare-t.Room), (wire.MaxConfig-hostShare)>>20),
			Hint: "put large files into the image, or have the system fetch them: contents.source with " +
				"verification.hash",
		})
	}
	var refused []schemas.Finding
	t.OtherDisks, refused = findOtherDisks(b, theirs)
	t.Findings = append(t.Findings, refused...)
	t.Findings = append(t.Findings, checkImage(b)...)
	return t
}

// findOversized finds the value at which the vars and secrets so far are more than a config may have. The check comes
// before the translation: a var of a hundred kilobytes that is named ten thousand times would take all memory.
func findOversized(b inventory.Butane) []schemas.Finding {
	root, findings := refs.ParseFile(b.Path, b.Source)
	if len(findings) > 0 || root == nil {
		return nil // the translation reports the finding
	}
	bytes := 0
	var at *schemas.Position
	refs.ReplaceReferences(b.Path, root, func(ref refs.Ref, place schemas.Position) (string, error) {
		if ref.Var != "" {
			bytes += len(b.Vars[ref.Var])
		} else {
			bytes += b.Sealed[ref.Secret]
		}
		if bytes > wire.MaxConfig && at == nil {
			at = &place
		}
		return "", nil
	})
	if at == nil {
		return nil
	}
	return []schemas.Finding{{
		Position: *at, Severity: schemas.Error,
		Message: fmt.Sprintf("with the vars and secrets up to here the config has more than %d MiB",
			wire.MaxConfig>>20),
		Hint: "name a long value less often, or put it into the image",
	}}
}

// roundUpMiB converts bytes to MiB, rounded up.
func roundUpMiB(bytes int) int { return (bytes + 1<<20 - 1) >> 20 }
