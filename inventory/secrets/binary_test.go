package secrets

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"filippo.io/age"

	"github.com/gitmetal/ingot/internal/secret"
	"github.com/gitmetal/ingot/schemas"
	"github.com/gitmetal/ingot/schemas/decode"
)

// TestBinaryValues seals bytes beside a text: they come back as base64, in clear nothing of them stands in the file, and a
// text that is no base64 is refused when it is sealed and when it is opened.
func TestBinaryValues(t *testing.T) {
	t.Parallel()
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	keys, recipients := Keys{[]age.Identity{identity}}, []age.Recipient{identity.Recipient()}
	keytab := "\x05\x02\x00canary\xff\xfe"
	encoded := base64.StdEncoding.EncodeToString([]byte(keytab))
	for name, text := range map[string]map[string]secret.Value{"alone": nil, "beside a text": {"user": secret.New("root")}} {
		document, err := SealSecret(Plain{Name: "krb", Scope: schemas.Scope{AllHosts: true}, Data: text,
			Binary: map[string]secret.Value{"keytab": secret.New(keytab)}}, recipients, time.Unix(1e9, 0))
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(document), encoded) || !strings.Contains(string(document), "encrypted_regex: ^(data|binaryData)$") {
			t.Errorf("%s: the document is\n%s", name, document)
		}
		documents, findings := decode.DecodeFile("secrets/krb.yaml", document)
		if len(findings) > 0 || len(documents) != 1 || len(documents[0].Secret.Spec.BinaryData) != 1 {
			t.Errorf("%s: decoded with findings %v", name, findings)
		}
		data, err := OpenSecret(document, keys)
		if err != nil || data["keytab"].Reveal() != encoded || len(data) != len(text)+1 {
			t.Errorf("%s: OpenSecret = %d values, %v", name, len(data), err)
		}
		clear, err := RevealText(document, keys)
		if err != nil || !strings.Contains(string(clear), "keytab: "+encoded) {
			t.Errorf("%s: RevealText gives\n%s\n%v", name, clear, err)
		}
		if again, err := SealText(clear, document, recipients, time.Unix(1e9, 0)); err != nil || !strings.Contains(string(again), "binaryData") {
			t.Errorf("%s: SealText: %v", name, err)
		}
		for _, bad := range []string{"canary!", "Y2FuYXJ5=", "Y2Fu\n  YXJ5"} {
			text := strings.Replace(string(clear), "keytab: "+encoded, "keytab: '"+bad+"'", 1)
			if _, err := SealText([]byte(text), nil, recipients, time.Unix(1e9, 0)); err == nil || strings.Contains(err.Error(), "canary") ||
				!strings.Contains(err.Error(), "spec.binaryData.keytab: the value is no base64") {
				t.Errorf("%s: %q is sealed: %v", name, bad, err)
			}
		}
	}
	onlyText, _ := sealedFile(t)
	if !strings.Contains(string(onlyText), "encrypted_regex: ^data$") {
		t.Errorf("a Secret without bytes is not as earlier versions write it:\n%s", onlyText)
	}
}
