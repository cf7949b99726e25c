package sops

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"go.yaml.in/yaml/v3"

	"github.com/gitmetal/ingot/inventory/secrets/section"
)

// vaultField is the field in which a key names its service, by type of key. The service gets the credentials of the
// environment.
var vaultField = map[string]string{"hc_vault": "vault_address", "azure_kv": "vault_url"}

// Kinds are the types of keys that can be allowed, as the sops section calls them.
var Kinds = []string{"age", "pgp", "kms", "gcp_kms", "azure_kv", "hc_vault", "hckms"}

var errSection = errors.New("the sops section of the Secret cannot be read")

// checkKeys checks every key of a file: sops may ask for any of the keys.
func (p Program) checkKeys(document []byte) error {
	var head struct {
		SOPS map[string]any `yaml:"sops"`
	}
	if err := yaml.Unmarshal(document, &head); err != nil || len(head.SOPS) == 0 {
		return errSection
	}
	groups, err := readMappings(head.SOPS["key_groups"])
	if err != nil {
		return err
	}
	delete(head.SOPS, "key_groups")
	for _, name := range section.Settings {
		delete(head.SOPS, name)
	}
	for _, group := range append(groups, head.SOPS) {
		for _, kind := range slices.Sorted(maps.Keys(group)) {
			if err := p.checkKind(kind, group[kind]); err != nil {
				return err
			}
		}
	}
	return nil
}

func (p Program) checkKind(kind string, keys any) error {
	if text, ok := keys.(string); keys == nil || (ok && text == "") {
		return nil
	}
	entries, err := readMappings(keys)
	if err != nil || !slices.Contains(Kinds, kind) {
		return fmt.Errorf("the Secret uses sops.%.40s, which is not read", kind)
	}
	if len(entries) > 0 && kind != "age" && !slices.Contains(p.Keys, kind) {
		return fmt.Errorf("the Secret is for a key of sops.%s, which the daemon may not use: "+
			"add %[1]s to secrets.keys in its configuration, or encrypt the Secret for another key", kind)
	}
	field := vaultField[kind]
	for _, entry := range entries {
		if field == "" {
			continue
		}
		if address, ok := entry[field].(string); !ok || !slices.Contains(p.Vaults, address) {
			return fmt.Errorf("the Secret has the %s %.60q, to which the daemon's credentials are not sent: "+
				"add it to secrets.vaults if it is yours", field, entry[field])
		}
	}
	return nil
}

// readMappings reads a list of mappings, or nothing.
func readMappings(value any) ([]map[string]any, error) {
	if value == nil {
		return nil, nil
	}
	items, ok := value.([]any)
	if !ok {
		return nil, errSection
	}
	var entries []map[string]any
	for _, item := range items {
		entry, ok := item.(map[string]any)
		if !ok {
			return nil, errSection
		}
		entries = append(entries, entry)
	}
	return entries, nil
}
