package steplist

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/schemas"
)

// readPlugins reads the candidates of a Step, in their order. The digest of a file in the commit is made here.
func (r *Reader) readPlugins(source Source, d schemas.Document) (plugins []inventory.Plugin) {
	for i, p := range d.Step.Spec.Plugins {
		field := fmt.Sprintf("spec.plugins[%d]", i)
		plugin := inventory.Plugin{Path: p.Path, URL: p.URL, SHA256: p.SHA256, Step: p.Step}
		if p.Path != "" {
			body, usable := r.readPlugin(source, d, field+".path", p.Path)
			if !usable {
				continue
			}
			sum := sha256.Sum256(body)
			plugin.Body, plugin.SHA256 = body, hex.EncodeToString(sum[:])
		}
		if first := slices.IndexFunc(plugins, func(o inventory.Plugin) bool {
			return o.SHA256 == plugin.SHA256 && o.Step == plugin.Step
		}); first >= 0 && plugin.SHA256 != "" {
			r.Report(d.ErrorAt(field, "leave it out", "%s is in the list already", plugins[first].Place()))
		}
		plugins = append(plugins, plugin)
	}
	return plugins
}

// readPlugin gives the bytes of a plug-in in the commit.
func (r *Reader) readPlugin(source Source, d schemas.Document, field, name string) (body []byte, usable bool) {
	body, has, usable := source.UseFile(name)
	switch {
	case !usable:
		return nil, false // reported already
	case !has:
		r.Report(d.ErrorAt(field, "", "there is no file %s in this commit", name))
		return nil, false
	case len(body) > schemas.MaxPluginFile:
		r.Report(d.ErrorAt(field, "put it on a server: url and sha256",
			"%s has %d bytes, a plug-in in the commit at most %d", name, len(body), schemas.MaxPluginFile))
	case !strings.HasPrefix(string(body), "\x7fELF"):
		if why, mend := schemas.WhyNotScript(name, body); why != "" {
			r.Report(d.ErrorAt(field, mend+", or name a program for Linux", "it cannot be executed: %s", why))
		}
	}
	return body, true
}
