package config

import (
	"path/filepath"
	"slices"
	"strings"

	"github.com/gitmetal/ingot/inventory/secrets/sops"
)

// Secrets says how Secrets are opened that no age key opens. The fleet names the keys and the key services, so the
// daemon's configuration says which of them may be used.
type Secrets struct {
	Sops string `json:"sops,omitempty"` // the sops program; without it only age keys open Secrets
	// types of keys that may be used: pgp, kms, gcp_kms, azure_kv, hc_vault, hckms
	Keys []string `json:"keys,omitempty"`
	// the program's whole environment: NAME=value, or NAME to pass on the daemon's own
	Env    []string `json:"env,omitempty"`
	Vaults []string `json:"vaults,omitempty"` // addresses that hc_vault and azure_kv keys may name
}

// NewProgram is sops as configured; own looks up the daemon's environment.
func (c Secrets) NewProgram(own func(string) (string, bool)) sops.Program {
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

// checkProgram requires the settings that sops needs, and refuses settings without sops.
func (c Secrets) checkProgram(p *problems) {
	kinds := strings.Join(sops.Kinds, ", ")
	switch {
	case c.Sops == "" && (len(c.Keys) > 0 || len(c.Env) > 0 || len(c.Vaults) > 0):
		p.requireField("secrets.sops", "", "name the sops program, or leave secrets out")
	case c.Sops != "" && len(c.Keys) == 0:
		p.requireField("secrets.keys", "", "a list of the types of keys that sops may use, of "+kinds)
	case c.Sops != "" && !filepath.IsAbs(c.Sops):
		p.addBad("secrets.sops", "want a whole path", "it begins with a slash")
	}
	for _, kind := range c.Keys {
		if !slices.Contains(sops.Kinds, kind) {
			p.addBad("secrets.keys", "there is no such type of keys", "of "+kinds)
		}
	}
}
