package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/invopop/jsonschema"

	"github.com/gitmetal/ingot/reconcile/plan/change"
	"github.com/gitmetal/ingot/reconcile/review"
)

// verdicts are all there are.
var verdicts = []change.Verdict{change.Nothing, change.Install, change.Reinstall, change.TurnOn, change.TurnOff, change.HandsOff, change.Unknown}

// plans writes the schema of what `ingot plan -o json` prints. Unlike a fleet's documents, which are written by people, it may get more fields.
func plans() error {
	reflector := &jsonschema.Reflector{ExpandedStruct: true, AllowAdditionalProperties: true}
	if err := reflector.AddGoComments("github.com/gitmetal/ingot", "./reconcile/review", jsonschema.WithFullComment()); err != nil {
		return fmt.Errorf("read comments: %w", err)
	}
	schema := reflector.Reflect(review.Document{})
	schema.ID, schema.Title = jsonschema.ID(base+"review.json"), "Review"
	fix(schema, "schema", review.Schema)
	for name, definition := range definitions(schema) {
		for pair := definition.Properties.Oldest(); pair != nil; pair = pair.Next() {
			if key := name + "." + pair.Key; key == "Host.verdict" || key == "Host.was" {
				for _, verdict := range verdicts {
					pair.Value.Enum = append(pair.Value.Enum, verdict)
				}
			}
			pair.Value.Description = oneLine(pair.Value.Description)
		}
		definition.Description = oneLine(definition.Description)
	}
	body, err := json.MarshalIndent(schema, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join("docs", "plan.schema.json"), append(body, '\n'), 0o644)
}
