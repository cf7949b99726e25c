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

// verdicts lists every verdict.
var verdicts = []change.Verdict{change.Nothing, change.Install, change.Reinstall, change.TurnOn, change.TurnOff,
	change.HandsOff, change.Unknown}

// writePlanSchema writes the schema of `ingot plan -o json`. Unlike documents of a fleet, which people write, a plan
// may get more fields.
func writePlanSchema() error {
	reflector := &jsonschema.Reflector{ExpandedStruct: true, AllowAdditionalProperties: true}
	if err := reflector.AddGoComments("github.com/gitmetal/ingot", "./reconcile/review",
		jsonschema.WithFullComment()); err != nil {
		return fmt.Errorf("read comments: %w", err)
	}
	schema := reflector.Reflect(review.Document{})
	schema.ID, schema.Title = jsonschema.ID(base+"review.json"), "Review"
	fixValue(schema, "schema", review.Schema)
	for name, definition := range listDefinitions(schema) {
		for pair := definition.Properties.Oldest(); pair != nil; pair = pair.Next() {
			if key := name + "." + pair.Key; key == "Host.verdict" || key == "Host.was" {
				for _, verdict := range verdicts {
					pair.Value.Enum = append(pair.Value.Enum, verdict)
				}
			}
			if key := name + "." + pair.Key; key == "Host.consent" || key == "Host.given" {
				writeConsents(schema, pair.Value)
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
