package accounts

import (
	"context"
	"errors"
	"maps"
	"path"
	"slices"
	"time"

	"github.com/gitmetal/ingot/internal/secret"
	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/discovery"
	"github.com/gitmetal/ingot/inventory/secrets"
	"github.com/gitmetal/ingot/schemas"
)

// AgeSealer seals for age recipients, in the format of the fleet's other Secrets.
type AgeSealer struct {
	Keys secrets.Keys // the daemon's own
	// Recipients are those of the daemon's configuration; none takes those that `ingot secret create` would.
	Recipients []string
	// Trunk is the accepted fleet; false while none is known.
	Trunk func() (inventory.Snapshot, bool)
	// Mask takes a password that is to be masked wherever the daemon shows something.
	Mask func(secret.Value)
	Now  func() time.Time
}

// Seal implements Sealer. The Secret is for the machine's id, so that the name of the host can be edited before the
// merge.
func (s AgeSealer) Seal(_ context.Context, id discovery.ID, username string, password secret.Value) (string, error) {
	trunk, known := s.Trunk()
	if !known {
		return "", errors.New("no fleet is accepted yet")
	}
	texts, err := chooseRecipients(trunk, "secrets/"+SecretName(id)+".yaml", s.Recipients)
	if err != nil {
		return "", err
	}
	own := s.Keys.Recipients()
	if len(own) == 0 {
		return "", errors.New("the daemon has no age key of its own to open a new Secret with: set ageKeys in its configuration")
	}
	recipients, err := secrets.ParseRecipients(append(texts, own...))
	if err != nil {
		return "", err
	}
	s.Mask(password)
	plain := secrets.Plain{Name: SecretName(id), Scope: schemas.Scope{Hosts: []string{string(id.Machine())}},
		Data: map[string]secret.Value{"username": secret.New(username), "password": password}}
	document, err := secrets.SealSecret(plain, recipients, s.Now())
	return string(document), err
}

// Open implements Sealer.
func (s AgeSealer) Open(_ context.Context, document string) (secret.Value, error) {
	data, err := secrets.OpenSecret([]byte(document), s.Keys)
	if err == nil {
		s.Mask(data["password"])
	}
	return data["password"], err
}

// chooseRecipients are the recipients of a new file: the configured ones, else those of the fleet's .sops.yaml, else
// those of the fleet's other Secrets, if all have the same.
func chooseRecipients(trunk inventory.Snapshot, file string, configured []string) ([]string, error) {
	if len(configured) > 0 {
		return configured, nil
	}
	if rules, there := trunk.Files[secrets.RulesFile]; there {
		rule, err := secrets.MatchRules(rules.Data, file)
		if err != nil || len(rule.Recipients) > 0 {
			return rule.Recipients, err
		}
	}
	var found []string
	for _, name := range slices.Sorted(maps.Keys(trunk.Files)) {
		if extension := path.Ext(name); extension != ".yaml" && extension != ".yml" {
			continue
		}
		recipients, err := secrets.ListRecipients(trunk.Files[name].Data)
		switch {
		case err != nil: // no Secret, or a Secret of different keys
		case found != nil && !slices.Equal(found, recipients):
			return nil, errors.New("the fleet's Secrets are for different recipients: name those of new Secrets in .sops.yaml, or " +
				"in discovery.recipients of the daemon's configuration")
		default:
			found = recipients
		}
	}
	return found, nil
}
