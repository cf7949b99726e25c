package yamltext_test

import (
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/gitmetal/ingot/schemas/yamltext"
)

func scalar(t *testing.T, text string) *yaml.Node {
	t.Helper()
	roots, problem := yamltext.ParseDocuments([]byte("a: "+text+"\n"), 1000)
	if problem != nil || len(roots) != 1 {
		t.Fatalf("ParseDocuments(%q) = %d documents, %+v", text, len(roots), problem)
	}
	return roots[0].Content[1]
}

// What YAML 1.1, YAML 1.2 and JSON readers agree to be a text.
func TestIsText(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"web", "'no'", `"0123"`, "1.5.0", "52:54:00:00:00:0a", "10.0.0.1", "5000c500a1b2c3d4", "a_b", "-x", "yes please", "2001:db8::1"} {
		if !yamltext.IsText(scalar(t, text)) {
			t.Errorf("IsText(%s) = false", text)
		}
	}
	for _, text := range []string{"no", "Yes", "ON", "off", "y", "N", "true", "null", "~", "", "12", "-1", "0123", "08", "0x1f", "0o17", "0b1", "1_000", "1.5", "1e3", "5e10", ".inf", ".nan", "12:30", "52:54:00:00:00:01", "2026-01-01", "+7"} {
		if yamltext.IsText(scalar(t, text)) {
			t.Errorf("IsText(%s) = true", text)
		}
	}
}

func TestBoolAndInt(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int{"0": 0, "12": 12, "-3": -3, "2147483647": 2147483647} {
		if got, ok := yamltext.ReadInt(scalar(t, text)); !ok || got != want {
			t.Errorf("ReadInt(%s) = %d, %t, want %d", text, got, ok, want)
		}
	}
	for _, text := range []string{"012", "0x10", "1_0", "1.0", "'1'", "2147483648", "1e3", "true", "~"} {
		if got, ok := yamltext.ReadInt(scalar(t, text)); ok {
			t.Errorf("ReadInt(%s) = %d, want none", text, got)
		}
	}
	for _, text := range []string{"yes", "True", "TRUE", "1", "'true'", "on", "~"} {
		if got, ok := yamltext.ReadBool(scalar(t, text)); ok {
			t.Errorf("ReadBool(%s) = %t, want none", text, got)
		}
	}
	if got, ok := yamltext.ReadBool(scalar(t, "true")); !ok || !got {
		t.Errorf("ReadBool(true) = %t, %t", got, ok)
	}
	if got, ok := yamltext.ReadBool(scalar(t, "false")); !ok || got {
		t.Errorf("ReadBool(false) = %t, %t", got, ok)
	}
}

func TestSuggest(t *testing.T) {
	t.Parallel()
	fields := []string{"address", "credentials", "tls"}
	for word, want := range map[string]string{
		"addrss":   `did you mean "address"?`,
		"TLS":      `did you mean "tls"?`,
		"password": "one of address, credentials, tls",
		"":         "one of address, credentials, tls",
	} {
		if got := yamltext.SuggestWord(word, fields); got != want {
			t.Errorf("SuggestWord(%q) = %s, want %s", word, got, want)
		}
	}
	if got := yamltext.SuggestWord("x", nil); got != "" {
		t.Errorf("Suggest among none = %q", got)
	}
}
