package schemas

import "embed"

//go:generate go run github.com/gitmetal/ingot/internal/schemagen

// JSON holds the generated JSON Schemas as json/<kind>.json, the kind in lower case.
//
//go:embed json/*.json
var JSON embed.FS
