package steps

import (
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
	}}
}

// FindWritten gives the step of a list that writes an image without coreos-installer.
func FindWritten(list []Step) (Step, bool) {
	i := slices.IndexFunc(list, func(s Step) bool { return s.Name == schemas.StepWriteImage })
	if i < 0 {
		return Step{}, false
	}
	return list[i], true
}
