package secrets

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/gitmetal/ingot/internal/secret"
)

// vector is a file of sops, the keys that open it, and what is in it.
func vector(t testing.TB) (document []byte, keys Keys, want map[string]secret.Value) {
	t.Helper()
	document, err := os.ReadFile("testdata/sops-3.13.3.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if keys, err = LoadKeys("testdata/age.key", nil); err != nil {
		t.Fatal(err)
	}
	if want, err = OpenSecret(document, keys); err != nil {
		t.Fatal(err)
	}
	return document, keys, want
}

// FuzzOpen: no file makes Open panic, and none opens without a key. With it, whatever opens holds values that were sealed in the seed, under their
// names, and no error repeats one. The second half keeps the seed's sops section, so that changes get as far as the values.
func FuzzOpen(f *testing.F) {
	document, keys, want := vector(f)
	body, section, found := bytes.Cut(document, []byte("sops:\n"))
	if !found {
		f.Fatal("the seed has no sops section")
	}
	f.Add(document)
	f.Add(body)
	f.Add([]byte("sops: {}\n"))
	f.Add([]byte("spec: {data: {a: 'ENC[AES256_GCM,data:AA==,iv:AA==,tag:AA==,type:str]'}}\nsops: {mac: x, encrypted_regex: ^data$, age: [{enc: x}]}\n"))
	f.Add([]byte("a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\nsops: {mac: x, encrypted_regex: '(a*)*$', age: [{enc: x}], pgp: [{}], kms: ~}\n"))
	f.Fuzz(func(t *testing.T, fuzzed []byte) {
		if _, err := OpenSecret(fuzzed, Keys{}); err == nil {
			t.Error("opened without a key")
		}
		for _, changed := range [][]byte{fuzzed, bytes.Join([][]byte{fuzzed, section}, []byte("\nsops:\n"))} {
			got, err := OpenSecret(changed, keys)
			if err != nil && strings.Contains(err.Error(), "pass: ") {
				t.Errorf("the error repeats a value: %v", err)
			}
			for key, value := range got {
				if was, ok := want[key]; err != nil || (!value.Empty() && (!ok || !was.Equal(value))) {
					t.Errorf("%s opens as another value, with error %v", key, err)
				}
			}
		}
	})
}

// FuzzChangedByte changes one byte of a file that opens. What then still opens has the same values: data is never changed unseen.
func FuzzChangedByte(f *testing.F) {
	document, keys, want := vector(f)
	for at := 0; at < len(document); at += 97 {
		f.Add(uint(at), byte('A'))
	}
	f.Fuzz(func(t *testing.T, at uint, b byte) {
		changed := bytes.Clone(document)
		changed[at%uint(len(changed))] = b
		got, err := OpenSecret(changed, keys)
		if err != nil {
			return
		}
		for key, value := range got {
			if was, ok := want[key]; !value.Empty() && (!ok || !was.Equal(value)) {
				t.Errorf("byte %d as %q: %s opens as another value", at%uint(len(changed)), b, key)
			}
		}
	})
}
