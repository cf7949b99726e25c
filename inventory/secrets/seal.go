package secrets

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"hash"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"

	"filippo.io/age"
	"filippo.io/age/armor"
	"filippo.io/age/plugin"
	"go.yaml.in/yaml/v3"

	"github.com/gitmetal/ingot/internal/secret"
	"github.com/gitmetal/ingot/inventory/secrets/section"
	"github.com/gitmetal/ingot/schemas"
)

// Plain is a Secret before sealing.
type Plain struct {
	Name   string
	Scope  schemas.Scope
	Data   map[string]secret.Value
	Binary map[string]secret.Value // bytes
}

// EncodeText gives the Secret's document in clear, for SealText.
func (p Plain) EncodeText() ([]byte, error) {
	data := newMapping()
	for _, key := range sortedKeys(p.Data) {
		value := newText(p.Data[key].Reveal())
		value.Style = chooseStyle(value.Value)
		data.Content = append(data.Content, newText(key), value)
	}
	spec := newMapping("scope", encodeScope(p.Scope))
	if len(p.Data) > 0 || len(p.Binary) == 0 {
		spec.Content = append(spec.Content, newText("data"), data)
	}
	if len(p.Binary) > 0 {
		binary := newMapping()
		for _, key := range sortedKeys(p.Binary) {
			binary.Content = append(binary.Content, newText(key),
				newText(base64.StdEncoding.EncodeToString([]byte(p.Binary[key].Reveal()))))
		}
		spec.Content = append(spec.Content, newText("binaryData"), binary)
	}
	return encodeNode(newMapping(
		"apiVersion", newText(schemas.APIVersion), "kind", newText(schemas.KindSecret),
		"metadata", newMapping("name", newText(p.Name)), "spec", spec,
	))
}

// Fields below spec with sealed values, and the regular expressions by which sops seals them. A file without bytes has
// the one that every version knows.
const (
	textRegex   = "^data$"
	binaryRegex = "^(data|binaryData)$"
)

// isSealedField reports whether a place is in a field with sealed values.
func isSealedField(path []string) bool {
	return slices.Contains(path, "data") || slices.Contains(path, "binaryData")
}

var errBase64 = errors.New("the value is no base64: encode the bytes, as base64 -w0 does")

func isBase64(text string) bool {
	_, err := base64.StdEncoding.Strict().DecodeString(text)
	return err == nil && !strings.ContainsAny(text, "\r\n")
}

// SealSecret makes a Secret's document, encrypted for the recipients. Sops can open the document.
func SealSecret(plain Plain, recipients []age.Recipient, now time.Time) ([]byte, error) {
	clear, err := plain.EncodeText()
	if err != nil {
		return nil, err
	}
	sealed, err := SealText(clear, nil, recipients, now)
	if err != nil {
		return nil, fmt.Errorf("seal Secret %s: %w", plain.Name, err)
	}
	return sealed, nil
}

// SealText encrypts the values below spec.data in a Secret's document, with a new key that is wrapped for each of the
// recipients. Everything else stays as written. A document that was sealed before, nil for none, gives whether values
// in clear are part of the MAC. Errors name the place of a value, never the value.
func SealText(clear, before []byte, recipients []age.Recipient, now time.Time) ([]byte, error) {
	root, err := parseDocument(clear)
	if err != nil {
		return nil, err
	}
	_, last, err := section.Read(before)
	if err != nil {
		return nil, err
	}
	return sealDocument(root, last.MACOnlyEncrypted, recipients, now)
}

// SealReviewed is SealText with a MAC that covers the sealed values alone: the scope can then be changed without a key,
// and is as good as the review of its commit.
func SealReviewed(clear []byte, recipients []age.Recipient, now time.Time) ([]byte, error) {
	root, err := parseDocument(clear)
	if err != nil {
		return nil, err
	}
	return sealDocument(root, true, recipients, now)
}

func sealDocument(root *yaml.Node, onlyEncrypted bool, recipients []age.Recipient, now time.Time) ([]byte, error) {
	if len(recipients) == 0 {
		return nil, errors.New("nobody is named who may open it")
	}
	w := sealer{key: make([]byte, 32), mac: newMAC(onlyEncrypted), onlyEncrypted: onlyEncrypted}
	if _, err := rand.Read(w.key); err != nil {
		return nil, err
	}
	if err := w.sealNode(root.Content[0], nil); err != nil {
		return nil, err
	}
	var err error
	m := section.Section{LastModified: now.UTC().Format(time.RFC3339), EncryptedRegex: textRegex, Version: sopsVersion}
	if w.binary {
		m.EncryptedRegex = binaryRegex
	}
	if m.MAC, err = encryptValue(w.key, strings.ToUpper(fmt.Sprintf("%x", w.mac.Sum(nil))),
		m.LastModified); err != nil {
		return nil, err
	}
	for _, recipient := range recipients {
		wrapped, err := wrapKey(w.key, recipient)
		if err != nil {
			return nil, err
		}
		m.Age = append(m.Age, section.AgeKey{Recipient: fmt.Sprint(recipient), Enc: wrapped})
	}
	fields := map[string]any{"age": m.Age, "lastmodified": m.LastModified, "mac": m.MAC,
		"encrypted_regex": m.EncryptedRegex, "version": m.Version}
	if onlyEncrypted {
		fields["mac_only_encrypted"] = true
	}
	var section yaml.Node
	if err := section.Encode(fields); err != nil {
		return nil, err
	}
	root.Content[0].Content = append(root.Content[0].Content, newText("sops"), &section)
	return encodeNode(root)
}

// parseDocument reads the one document of a Secret in clear.
func parseDocument(clear []byte) (*yaml.Node, error) {
	if len(clear) > schemas.MaxFile {
		return nil, fmt.Errorf("the Secret has %d bytes, at most %d are read", len(clear), schemas.MaxFile)
	}
	decoder := yaml.NewDecoder(bytes.NewReader(clear))
	var root, second yaml.Node
	if err := decoder.Decode(&root); err != nil {
		return nil, yamlError(err)
	}
	if err := decoder.Decode(&second); !errors.Is(err, io.EOF) {
		return nil, errors.New("there is more than one document: a Secret has a file of its own")
	}
	if len(root.Content) != 1 || root.Content[0].Kind != yaml.MappingNode {
		return nil, errors.New("this is no document of fields and values")
	}
	fields := root.Content[0].Content
	for i := 0; i+1 < len(fields); i += 2 {
		if fields[i].Value == "sops" {
			return nil, errors.New("sops: leave this field out, it is made anew")
		}
	}
	return &root, nil
}

var atLine = regexp.MustCompile(`line \d+`)

// yamlError says where a text is no YAML. The error of the library may repeat a value.
func yamlError(err error) error {
	if line := atLine.FindString(err.Error()); line != "" {
		return fmt.Errorf("this is not YAML, near %s", line)
	}
	return errors.New("this is not YAML")
}

// sealer encrypts a document in document order, which is the order of the MAC.
type sealer struct {
	key           []byte
	mac           hash.Hash
	onlyEncrypted bool // values in clear are not part of the MAC
	binary        bool // a value is below spec.binaryData
}

func (w *sealer) sealNode(node *yaml.Node, path []string) error {
	if isSealedField(path) && node.HeadComment+node.LineComment+node.FootComment != "" {
		return errors.New("spec.data: a comment there would stay readable: move it above the field")
	}
	switch node.Kind {
	case yaml.MappingNode:
		for i := 0; i+1 < len(node.Content); i += 2 {
			name := node.Content[i]
			below := append(path[:len(path):len(path)], name.Value)
			if isSealedField(path) && name.HeadComment+name.LineComment+name.FootComment != "" {
				return errors.New("spec.data: a comment there would stay readable: move it above the field")
			}
			if err := w.sealNode(node.Content[i+1], below); err != nil {
				return err
			}
		}
	case yaml.SequenceNode:
		for _, item := range node.Content {
			if err := w.sealNode(item, path); err != nil {
				return err
			}
		}
	case yaml.ScalarNode:
		return w.sealScalar(node, path)
	default:
		return errors.New("anchors and aliases are not read: write the value where it is used")
	}
	return nil
}

func (w *sealer) sealScalar(node *yaml.Node, path []string) error {
	if !isSealedField(path) {
		if w.onlyEncrypted {
			return nil
		}
		_, err := io.WriteString(w.mac, macText(node))
		return err
	}
	where := strings.Join(path, ".")
	switch {
	case len(path) != 3 || path[0] != "spec" || path[1] != "data" && path[1] != "binaryData":
		return fmt.Errorf("%s: only values right below spec.data and spec.binaryData are sealed: rename or move it", where)
	case node.Tag != "!!str":
		return fmt.Errorf("%s: the value is not text: put it in quotes", where)
	case node.Value == "": // sops would leave an empty value in clear, and a fleet takes no value in clear
		return fmt.Errorf("%s: the value is empty: leave the key out", where)
	case path[1] == "binaryData" && !isBase64(node.Value):
		return fmt.Errorf("%s: %w", where, errBase64)
	}
	w.binary = w.binary || path[1] == "binaryData"
	if _, err := io.WriteString(w.mac, node.Value); err != nil {
		return err
	}
	value, err := encryptValue(w.key, node.Value, strings.Join(path, ":")+":")
	*node = *newText(value)
	return err
}

// encodeScope writes a scope.
func encodeScope(scope schemas.Scope) *yaml.Node {
	node := newMapping()
	if len(scope.MatchLabels) > 0 {
		labels := newMapping()
		for _, key := range sortedKeys(scope.MatchLabels) {
			labels.Content = append(labels.Content, newText(key), newText(scope.MatchLabels[key]))
		}
		node.Content = append(node.Content, newText("matchLabels"), labels)
	}
	if len(scope.Hosts) > 0 {
		node.Content = append(node.Content, newText("hosts"), newList(scope.Hosts))
	}
	if len(scope.Deliveries) > 0 {
		node.Content = append(node.Content, newText("deliveries"), newList(scope.Deliveries))
	}
	if scope.AllHosts {
		node.Content = append(node.Content, newText("allHosts"),
			&yaml.Node{Kind: yaml.ScalarNode, Tag: "!!bool", Value: "true"})
	}
	return node
}

func newList(texts []string) *yaml.Node {
	list := &yaml.Node{Kind: yaml.SequenceNode}
	for _, text := range texts {
		list.Content = append(list.Content, newText(text))
	}
	return list
}

func encryptValue(key []byte, plain, additional string) (string, error) {
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
	return fmt.Sprintf("ENC[AES256_GCM,data:%s,iv:%s,tag:%s,type:str]", encode(out[:cut]), encode(nonce),
		encode(out[cut:])), nil
}

func wrapKey(key []byte, recipient age.Recipient) (string, error) {
	var out bytes.Buffer
	armored := armor.NewWriter(&out)
	writer, err := age.Encrypt(armored, recipient)
	if missing := new(plugin.NotFoundError); errors.As(err, &missing) {
		return "", fmt.Errorf("the program age-plugin-%s, which a recipient needs, is not on PATH: install it", missing.Name)
	}
	if err != nil {
		return "", err
	}
	if _, err := writer.Write(key); err != nil {
		return "", err
	}
	if err := errors.Join(writer.Close(), armored.Close()); err != nil {
		return "", err
	}
	return out.String(), nil
}

func encodeNode(node *yaml.Node) ([]byte, error) {
	var out bytes.Buffer
	encoder := yaml.NewEncoder(&out)
	encoder.SetIndent(2)
	if err := encoder.Encode(node); err != nil {
		return nil, err
	}
	return out.Bytes(), encoder.Close()
}

func newMapping(pairs ...any) *yaml.Node {
	node := &yaml.Node{Kind: yaml.MappingNode}
	for i := 0; i+1 < len(pairs); i += 2 {
		node.Content = append(node.Content, newText(pairs[i].(string)), pairs[i+1].(*yaml.Node))
	}
	return node
}

func newText(value string) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: value}
}

// manyLines matches texts that a block of YAML holds unchanged, such as a key or a certificate.
var manyLines = regexp.MustCompile(`^([!-~]([ -~]*[!-~])?\n)+$`)

// oneLine matches texts that need no escapes.
var oneLine = regexp.MustCompile(`^[ -~]*$`)

// chooseStyle is a style in which YAML readers read the same value.
func chooseStyle(value string) yaml.Style {
	switch {
	case oneLine.MatchString(value):
		return 0
	case manyLines.MatchString(value):
		return yaml.LiteralStyle
	default:
		return yaml.DoubleQuotedStyle
	}
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}
