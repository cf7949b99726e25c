package steps

import (
	"maps"
	"slices"

	"github.com/gitmetal/ingot/schemas"
)

// ImageTimeout bounds a step write-image where its use says no timeout, as an install is bounded.
const ImageTimeout = "2h"

// imageSchema is the schema of write-image.
func imageSchema() map[string]any {
	text := map[string]any{"type": "string", "minLength": 1}
	return map[string]any{"type": "object", "required": []any{"image"}, "properties": map[string]any{
		"image": map[string]any{"type": "object", "required": []any{"url", "sha256"}, "additionalProperties": false,
			"properties": map[string]any{"url": text, "sha256": text}},
		argDrive: driveSchema(),
	}}
}

// takeImage moves the image of write-image out of the arguments: its URL is no part of a workload's inputs. What else the
// arguments say stays there.
func takeImage(s Step) Step {
	s.Image = schemas.StepUse{Args: s.Args}.Image()
	s.Args = maps.Clone(s.Args)
	if delete(s.Args, "image"); len(s.Args) == 0 {
		s.Args = nil
	}
	return s
}

// FindWritten gives the step of a list that writes an image without coreos-installer.
func FindWritten(list []Step) (Step, bool) {
	i := slices.IndexFunc(list, func(s Step) bool { return s.Name == schemas.StepWriteImage })
	if i < 0 {
		return Step{}, false
	}
	return list[i], true
}
