package ignition

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/vincent-petithory/dataurl"
	"sigs.k8s.io/yaml"

	"github.com/gitmetal/ingot/agent/wire"
	"github.com/gitmetal/ingot/internal/secret"
	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/refs"
	"github.com/gitmetal/ingot/schemas"
)

// NewRequest is the request for the config of a host with a workload, without secrets and without the call home.
func NewRequest(desired inventory.Desired) Request {
	r := Request{Host: desired.Name, Butane: desired.Workload.Butane, Ignition: desired.Workload.Ignition,
		OtherDisks: desired.Workload.OtherDisks}
	if desired.Network != nil {
		if r.Network = desired.Network.Host; r.Network == nil {
			r.Network = desired.Network.Ramdisk // unless the fleet gives the installed system another
		}
	}
	return r
}

// Preview is the config that a host would get, before anything is decrypted and before there is an install: a secret is
// «secret NAME.KEY», a value of the install «install id» and the like, a value of the daemon's configuration
// «daemon pin» and the like. The same fleet gives the same bytes.
type Preview struct {
	// Ignition is the config as JSON, indented. A file whose content has one of the values above is not compressed.
	Ignition []byte
	// Text is the config for people, as YAML: contents that are in the config stand there as inline, as in Butane. Contents
	// that are no text, or more than 64 KiB, are «N bytes, sha256 …».
	Text []byte
}

// NewPreview renders the preview of a host with a workload.
func NewPreview(desired inventory.Desired) (Preview, error) {
	masks := newMasks()
	return masks.renderPreview(desired, func(ref refs.Secret) (secret.Value, error) {
		return standIn(desired.Workload.Butane, ref, masks.maskSecret(ref)), nil
	})
}

// NewClearPreview renders the preview with the values of secrets in clear, for a person's eyes.
func NewClearPreview(desired inventory.Desired, open func(refs.Secret) (secret.Value, error)) (Preview, error) {
	return newMasks().renderPreview(desired, open)
}

func (m *masks) renderPreview(desired inventory.Desired, secrets func(refs.Secret) (secret.Value, error)) (Preview, error) {
	request := NewRequest(desired)
	request.Secrets = secrets
	if desired.Workload.PhoneHome != schemas.PhoneHomeDisabled {
		request.PhoneHome = &PhoneHome{Host: desired.Name, URLs: []string{maskURL}, Pin: maskPin, Install: maskInstall, Epoch: maskEpoch,
			Attempt: maskAttempt, Commit: maskCommit, Token: secret.New(maskToken)}
	}
	body, err := Render(request)
	if err != nil {
		return Preview{}, err
	}
	var p Preview
	if p.Ignition, err = m.rewriteConfig(body, keepResource, json.Marshal); err != nil {
		return Preview{}, err
	}
	var indented bytes.Buffer
	if err := json.Indent(&indented, p.Ignition, "", "  "); err != nil {
		return Preview{}, fmt.Errorf("indent the config of %s: %w", desired.Name, err)
	}
	p.Ignition = append(indented.Bytes(), '\n')
	p.Text, err = m.rewriteConfig(body, inlineResource, func(value any) ([]byte, error) { return yaml.Marshal(value) })
	return p, err
}

// What stands for values while a preview is rendered: letters and digits, which no encoding changes, and numbers that no
// install has.
const (
	maskInstall = "ingotmaskinstallid"
	maskToken   = "ingotmaskinstalltoken"
	maskCommit  = "ingotmaskinstallcommit"
	maskPin     = "ingotmaskdaemonpin"
	maskURL     = "ingotmaskdaemonurl"
	maskEpoch   = math.MaxUint64
	maskAttempt = math.MaxInt32
)

// masks knows what each mask stands for.
type masks struct{ shown map[string]string }

func newMasks() *masks {
	return &masks{shown: map[string]string{
		maskInstall: "«install id»", maskToken: "«install token»", maskCommit: "«install commit»",
		maskPin: "«daemon pin»", maskURL: "«advertise.agents»",
		fmt.Sprintf(`"epoch":%d`, uint64(maskEpoch)): `"epoch":"«install epoch»"`,
		fmt.Sprintf(`"attempt":%d`, maskAttempt):     `"attempt":"«install attempt»"`,
	}}
}

// maskSecret gives the mask of a secret. It begins with the placeholder, which may not stand in the path of a device.
func (m *masks) maskSecret(ref refs.Secret) string {
	sum := sha256.Sum256([]byte(ref.Name + "\x00" + ref.Key))
	mask := placeholder + hex.EncodeToString(sum[:8])
	m.shown[mask] = fmt.Sprintf("«secret %s.%s»", ref.Name, ref.Key)
	return mask
}

// showText puts what masks stand for into a text.
func (m *masks) showText(text string) string {
	for mask, shown := range m.shown {
		text = strings.ReplaceAll(text, mask, shown)
	}
	return text
}

// rewriteConfig decodes a config, rewrites its resources and texts, and encodes it with sorted keys.
func (m *masks) rewriteConfig(body []byte, rewrite func(m *masks, resource map[string]any),
	encode func(any) ([]byte, error)) ([]byte, error) {
	var config any
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	if err := decoder.Decode(&config); err != nil {
		return nil, fmt.Errorf("decode the rendered config: %w", err)
	}
	return encode(m.rewriteValue(config, rewrite))
}

func (m *masks) rewriteValue(value any, rewrite func(m *masks, resource map[string]any)) any {
	switch value := value.(type) {
	case map[string]any:
		if source, is := value["source"].(string); is && strings.HasPrefix(source, "data:") {
			rewrite(m, value)
		}
		for key, member := range value {
			value[key] = m.rewriteValue(member, rewrite)
		}
		return value
	case []any:
		for i := range value {
			value[i] = m.rewriteValue(value[i], rewrite)
		}
		return value
	case string:
		return m.showText(value)
	default:
		return value
	}
}

// keepResource leaves a resource as it is, unless its content holds a mask: then the content is encoded anew.
func keepResource(m *masks, resource map[string]any) {
	content, err := readContent(resource)
	if shown := m.showText(string(content)); err == nil && shown != string(content) {
		resource["source"] = "data:;base64," + base64.StdEncoding.EncodeToString([]byte(shown))
		delete(resource, "compression")
	}
}

// maxInline is the largest content in a preview's text, in bytes.
const maxInline = 64 << 10

// inlineResource writes the content of a resource in place of its data URL.
func inlineResource(m *masks, resource map[string]any) {
	content, err := readContent(resource)
	if err != nil {
		return // a reader sees the data URL
	}
	delete(resource, "source")
	delete(resource, "compression")
	if len(content) > maxInline || !isText(content) {
		resource["inline"] = fmt.Sprintf("«%d bytes, sha256 %x»", len(content), sha256.Sum256(content))
		return
	}
	resource["inline"] = string(content)
}

// readContent gives the content of a resource with a data URL.
func readContent(resource map[string]any) ([]byte, error) {
	source, _ := resource["source"].(string)
	data, err := dataurl.DecodeString(source)
	if err != nil {
		return nil, err
	}
	if resource["compression"] != "gzip" {
		return data.Data, nil
	}
	reader, err := gzip.NewReader(bytes.NewReader(data.Data))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(io.LimitReader(reader, wire.MaxConfig))
}

func isText(content []byte) bool {
	return utf8.Valid(content) && !bytes.ContainsFunc(content, func(r rune) bool {
		return unicode.IsControl(r) && r != '\n' && r != '\t' && r != '\r'
	})
}
