package secrets

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"hash"
	"io"
	"slices"

	"go.yaml.in/yaml/v3"

	"github.com/gitmetal/ingot/internal/secret"
	"github.com/gitmetal/ingot/schemas"
)

// sealer writes a document in the order in which its MAC is made.
type sealer struct {
	key []byte
	mac hash.Hash
	err error
}

// document builds the YAML of a Secret; everything below data is encrypted.
func (w *sealer) document(name string, scope schemas.Scope, data map[string]secret.Value) (*yaml.Node, error) {
	// Go evaluates arguments from left to right: the MAC goes over the values in the document's order.
	return mapping(
		"apiVersion", w.clear(schemas.APIVersion), "kind", w.clear(schemas.KindSecret),
		"metadata", mapping("name", w.clear(name)),
		"spec", mapping("scope", w.scope(scope), "data", w.values(data)),
	), w.err
}

// clear is a scalar that stays readable and is counted in the MAC.
func (w *sealer) clear(value string) *yaml.Node {
	w.count(value)
	return text(value)
}

func (w *sealer) count(value string) {
	if _, err := io.WriteString(w.mac, value); err != nil && w.err == nil {
		w.err = err
	}
}

func (w *sealer) scope(scope schemas.Scope) *yaml.Node {
	node := mapping()
	if len(scope.MatchLabels) > 0 {
		labels := mapping()
		for _, key := range sortedKeys(scope.MatchLabels) {
			labels.Content = append(labels.Content, text(key), w.clear(scope.MatchLabels[key]))
		}
		node.Content = append(node.Content, text("matchLabels"), labels)
	}
	if len(scope.Hosts) > 0 {
		list := &yaml.Node{Kind: yaml.SequenceNode}
		for _, host := range scope.Hosts {
			list.Content = append(list.Content, w.clear(host))
		}
		node.Content = append(node.Content, text("hosts"), list)
	}
	if scope.AllHosts {
		w.count("True")
		node.Content = append(node.Content, text("allHosts"), &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!bool", Value: "true"})
	}
	return node
}

func (w *sealer) values(data map[string]secret.Value) *yaml.Node {
	node := mapping()
	for _, key := range sortedKeys(data) {
		plain := data[key].Reveal()
		w.count(plain)
		if plain == "" && w.err == nil { // sops would leave it in clear, and the fleet takes nothing in clear
			w.err = fmt.Errorf("the value of %q is empty: leave the key out", key)
		}
		value, err := encrypt(w.key, plain, "spec:data:"+key+":")
		if err != nil && w.err == nil {
			w.err = err
		}
		node.Content = append(node.Content, text(key), text(value))
	}
	return node
}

func encrypt(key []byte, plain, additional string) (string, error) {
	nonce := make([]byte, 32)
	if _, err := rand.Read(nonce); err != nil {
		return "", err
	}
	gcm, err := newGCM(key, len(nonce))
	if err != nil {
		return "", err
	}
	out := gcm.Seal(nil, nonce, []byte(plain), []byte(additional))
	cut := len(out) - gcm.Overhead()
	encode := base64.StdEncoding.EncodeToString
	return fmt.Sprintf("ENC[AES256_GCM,data:%s,iv:%s,tag:%s,type:str]", encode(out[:cut]), encode(nonce), encode(out[cut:])), nil
}

func mapping(pairs ...any) *yaml.Node {
	node := &yaml.Node{Kind: yaml.MappingNode}
	for i := 0; i+1 < len(pairs); i += 2 {
		node.Content = append(node.Content, text(pairs[i].(string)), pairs[i+1].(*yaml.Node))
	}
	return node
}

func text(value string) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: value}
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}
