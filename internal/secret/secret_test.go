package secret_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/gitmetal/ingot/internal/secret"
)

func TestValueNeverPrints(t *testing.T) {
	t.Parallel()
	const canary = "hunter2-canary"
	v := secret.New(canary)
	wrapped := struct {
		Inner secret.Value
		List  []secret.Value
	}{v, []secret.Value{v}}

	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
		fmt.Fprintf(&out, verb+"\n", v)
		fmt.Fprintf(&out, verb+"\n", wrapped)
	}
	body, err := json.Marshal(wrapped)
	if err != nil {
		t.Fatal(err)
	}
	out.Write(body)
	slog.New(slog.NewTextHandler(&out, nil)).Info("x", "secret", v, "wrapped", wrapped)
	slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "secret", v, "wrapped", wrapped)
	fmt.Fprint(&out, fmt.Errorf("login: %w: %v", bytes.ErrTooLarge, v))

	hexed := fmt.Sprintf("%x", canary)
	if text := out.String(); strings.Contains(text, canary) || strings.Contains(text, hexed) || strings.Contains(strings.ToLower(text), hexed) {
		t.Errorf("a secret was printed:\n%s", text)
	}
	if v.Reveal() != canary {
		t.Errorf("Reveal() = %q, want %q", v.Reveal(), canary)
	}
}

func TestEqual(t *testing.T) {
	t.Parallel()
	if !secret.New("a").Equal(secret.New("a")) || secret.New("a").Equal(secret.New("b")) || !secret.New("").Empty() {
		t.Error("Equal or Empty is wrong")
	}
}
