package config

import (
	"path/filepath"
	"slices"
	"strings"

	"github.com/gitmetal/ingot/inventory/secrets/sops"
)

// Secrets says how Secrets are opened that no age key opens. The fleet names the keys and where they are asked for, so the daemon says which it
// may use.
type Secrets struct {
	Sops   string   `json:"sops,omitempty"`   // the sops program; without it only age keys open Secrets
	Keys   []string `json:"keys,omitempty"`   // types of keys that it may use: pgp, kms, gcp_kms, azure_kv, hc_vault, hckms
	Env    []string `json:"env,omitempty"`    // its whole environment: NAME=value, or NAME to pass on the daemon's own
	Vaults []string `json:"vaults,omitempty"` // addresses that hc_vault and azure_kv keys may name
}

// Program is sops as configured, with this environment to pass on from.
func (c Secrets) Program(own func(string) (string, bool)) sops.Program {
	p := sops.Program{Path: c.Sops, Keys: c.Keys, Vaults: c.Vaults}
	for _, entry := range c.Env {
		if !strings.Contains(entry, "=") {
			value, ok := own(entry)
			if !ok {
				continue
			}
			entry += "=" + value
		}
		p.Env = append(p.Env, entry)
	}
	return p
}

// check wants all that opening them takes, and nothing else.
func (c Secrets) check(p *problems) {
	kinds := strings.Join(sops.Kinds, ", ")
	switch {
	case c.Sops == "" && (len(c.Keys) > 0 || len(c.Env) > 0 || len(c.Vaults) > 0):
		p.missing("secrets.sops", "", "name the sops program, or leave secrets out")
	case c.Sops != "" && len(c.Keys) == 0:
		p.missing("secrets.keys", "", "a list of the types of keys that sops may use, of "+kinds)
	case c.Sops != "" && !filepath.IsAbs(c.Sops):
		p.bad("secrets.sops", "want a whole path", "it begins with a slash")
	}
	for _, kind := range c.Keys {
		if !slices.Contains(sops.Kinds, kind) {
			p.bad("secrets.keys", "there is no such type of keys", "of "+kinds)
		}
	}
}
