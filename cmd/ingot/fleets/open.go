package fleets

import (
	"fmt"

	"github.com/gitmetal/ingot/internal/secret"
	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/refs"
	"github.com/gitmetal/ingot/inventory/secrets"
)

// OpenSecrets opens the values that a workload uses. Each Secret is opened once; the fleet has no finding, so that each
// is there and the host is in its scope. The error names the Secret's file.
func OpenSecrets(fleet inventory.Fleet, used []refs.Secret, keys secrets.Keys) (map[refs.Secret]secret.Value, error) {
	documents := map[string]map[string]secret.Value{}
	values := map[refs.Secret]secret.Value{}
	for _, ref := range used {
		sealed := fleet.Secrets[ref.Name]
		if documents[ref.Name] == nil {
			opened, err := secrets.OpenSecret(sealed.Document, keys)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", sealed.File, err)
			}
			documents[ref.Name] = opened
		}
		value, there := documents[ref.Name][ref.Key]
		if !there {
			return nil, fmt.Errorf("%s has no key %s: write it with `ingot secret edit`", sealed.File, ref.Key)
		}
		values[ref] = value
	}
	return values, nil
}
