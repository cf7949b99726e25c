package ignition

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"

	"github.com/coreos/ignition/v2/config/util"
	"github.com/coreos/ignition/v2/config/v3_6"
	"github.com/coreos/ignition/v2/config/v3_6/types"
	"github.com/vincent-petithory/dataurl"
	"go.yaml.in/yaml/v3"

	"github.com/gitmetal/ingot/agent/wire"
	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/schemas"
)

// maxMerged is how deep configs may be merged into each other.
const maxMerged = 8

// gatherConfigs gives a config and all merged configs that are in the commit. A merged config from elsewhere is known
// by digest only and may write to any disk.
func (s *survey) gatherConfigs(config types.Config) []types.Config {
	return s.gatherBelow(config, nodeAt(s.root, "ignition", "config", "replace"),
		nodeAt(s.root, "ignition", "config", "merge"), maxMerged)
}

// gatherBelow is gatherConfigs for a config whose fields replace and merge are at these nodes.
func (s *survey) gatherBelow(config types.Config, replace, merge *yaml.Node, depth int) []types.Config {
	all := []types.Config{config}
	if valueOf(config.Ignition.Config.Replace.Source) != "" {
		s.addRefusal(replace, "use ignition.config.merge", "ignition.config.replace would throw away what the host "+
			"gets besides: its name, its network, the call home")
	}
	for i, resource := range config.Ignition.Config.Merge {
		place := merge
		if merge != nil && merge.Kind == yaml.SequenceNode && i < len(merge.Content) {
			place = merge.Content[i]
		}
		source := valueOf(resource.Source)
		switch {
		case source == "":
			continue
		case !strings.HasPrefix(source, "data:") && valueOf(resource.Verification.Hash) == "":
			s.addRefusal(place, "add verification.hash, or keep the config in the commit and name it with local",
				fmt.Sprintf("%s is merged, whatever it is then: what it does to disks is not known",
					redactSource(source)))
			continue
		case !strings.HasPrefix(source, "data:"):
			s.noteWrite(inventory.UnknownDisks, "whatever the config from "+redactSource(source)+" says")
			continue
		case depth == 0:
			s.addRefusal(place, "merge fewer configs into each other", "configs are merged into each other too deeply")
			continue
		}
		merged, err := readDataURL(source, valueOf(resource.Compression), s.spec)
		if err != nil {
			s.addRefusal(place, "the image reads Ignition's spec "+s.spec+" at most: spec.install.ignition of the Workload",
				"the config that is merged cannot be read: "+err.Error())
			continue
		}
		all = append(all, s.gatherBelow(merged, place, place, depth-1)...)
	}
	return all
}

// readDataURL reads a config from a data URL. The errors do not quote the config.
func readDataURL(source, compression string, highest string) (types.Config, error) {
	data, err := dataurl.DecodeString(source)
	if err != nil {
		return types.Config{}, errors.New("its data URL is not valid")
	}
	body := data.Data
	if compression == "gzip" {
		reader, err := gzip.NewReader(bytes.NewReader(body))
		if err == nil {
			body, err = io.ReadAll(io.LimitReader(reader, wire.MaxConfig+1))
		}
		if err != nil || len(body) > wire.MaxConfig {
			return types.Config{}, errors.New("it cannot be inflated")
		}
	}
	version, problems, err := util.GetConfigVersion(body)
	if err == nil && !isReadable(version.String(), highest) {
		return types.Config{}, fmt.Errorf("it has the spec version %s", version)
	}
	var config types.Config
	if err == nil {
		config, problems, err = v3_6.ParseCompatibleVersion(body)
	}
	if err != nil {
		return types.Config{}, errors.New("it is no Ignition config of a known version" + listPlaces(problems))
	}
	return config, nil
}

// checkKernelArguments refuses arguments that make Ignition take another config: the system starts with the arguments
// before Ignition writes anything.
func (s *survey) checkKernelArguments(c types.Config) {
	for _, argument := range c.KernelArguments.ShouldExist {
		if name, is := schemas.ReplacesConfig(string(argument)); is {
			s.addRefusal(s.findNode(string(argument)), "use ignition.config.merge",
				name+" would throw away the config of this host, the call home included")
		}
	}
}

// redactSource gives a source without parts that may be secret.
func redactSource(source string) string {
	u, err := url.Parse(source)
	if err != nil {
		return "a URL"
	}
	return strings.ReplaceAll((&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path, Opaque: u.Opaque}).String(),
		placeholder, "***")
}

// nodeAt gives the node at the path of fields, or nil.
func nodeAt(node *yaml.Node, fields ...string) *yaml.Node {
	for _, field := range fields {
		if node == nil || node.Kind != yaml.MappingNode {
			return nil
		}
		var next *yaml.Node
		for i := 0; i+1 < len(node.Content); i += 2 {
			if node.Content[i].Value == field {
				next = node.Content[i+1]
			}
		}
		node = next
	}
	return node
}
