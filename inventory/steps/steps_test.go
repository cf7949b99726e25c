package steps_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitmetal/ingot/inventory/refs"
	"github.com/gitmetal/ingot/inventory/steps"
)

func keys(list []steps.Step) string {
	var names []string
	for _, s := range list {
		names = append(names, s.Key())
	}
	return strings.Join(names, " ")
}

func TestInsertSteps(t *testing.T) {
	t.Parallel()
	list := []steps.Step{{Name: "wipe"}, {Name: "install"}, {Name: "mend", ID: "last"}}
	add := func(id, after, before string) steps.Addition {
		return steps.Addition{Step: steps.Step{Name: "s", ID: id}, Place: steps.Place{After: after, Before: before}}
	}
	for _, test := range []struct {
		name string
		add  []steps.Addition
		want string
		lost []int
	}{
		{"none", nil, "wipe install last", nil},
		{"after", []steps.Addition{add("a", "wipe", "")}, "wipe a install last", nil},
		{"two after one", []steps.Addition{add("a", "wipe", ""), add("b", "wipe", "")}, "wipe a b install last", nil},
		{"two before one", []steps.Addition{add("a", "", "last"), add("b", "", "last")}, "wipe install a b last", nil},
		{"behind an added one", []steps.Addition{add("a", "last", ""), add("b", "a", "")}, "wipe install last a b", nil},
		{"before the first", []steps.Addition{add("a", "", "wipe")}, "a wipe install last", nil},
		{"by the id, not by the name", []steps.Addition{add("a", "mend", "")}, "wipe install last", []int{0}},
		{"behind a later one", []steps.Addition{add("a", "b", ""), add("b", "wipe", "")}, "wipe b install last", []int{0}},
	} {
		got, lost := steps.InsertSteps(list, test.add)
		if keys(got) != test.want || !cmp.Equal(lost, test.lost) {
			t.Errorf("%s: InsertSteps = %s, lost %v, want %s, lost %v", test.name, keys(got), lost, test.want, test.lost)
		}
	}
	if keys(list) != "wipe install last" {
		t.Errorf("the given list became %s", keys(list))
	}
}

func compile(t *testing.T, properties map[string]any) steps.Schema {
	t.Helper()
	s, mistakes := steps.Compile(map[string]any{"type": "object", "properties": properties})
	if len(mistakes) > 0 {
		t.Fatal(mistakes)
	}
	return s
}

func none(string) (string, error) { return "", errors.New("no vars here") }

// Secrets are allowed where the schema says so, at any depth, and are opened at their places alone.
func TestSecretsOfArguments(t *testing.T) {
	t.Parallel()
	secret := map[string]any{"type": "string", "x-ingot-secret": true}
	s := compile(t, map[string]any{
		"top":   secret,
		"users": map[string]any{"type": "array", "items": map[string]any{"type": "object", "properties": map[string]any{"password": secret}}},
		"map":   map[string]any{"type": "object", "additionalProperties": secret},
		"any":   map[string]any{"anyOf": []any{secret, map[string]any{"type": "integer"}}},
		"plain": map[string]any{"type": "string"},
	})
	args := map[string]any{
		"top": "${secret.a.b}", "map": map[string]any{"x/y": "${secret.a.c}"}, "any": "${secret.a.d}",
		"users": []any{map[string]any{"password": "${secret.a.e}"}}, "plain": "$${secret.a.b}",
	}
	got, mistakes := s.Resolve(args, none)
	if len(mistakes) > 0 {
		t.Fatal(mistakes)
	}
	want := map[string]refs.Secret{"/top": {Name: "a", Key: "b"}, "/map/x~1y": {Name: "a", Key: "c"}, "/any": {Name: "a", Key: "d"}, "/users/0/password": {Name: "a", Key: "e"}}
	if diff := cmp.Diff(want, got.Secrets); diff != "" {
		t.Errorf("secrets (-want +got):\n%s", diff)
	}
	open, err := got.Open(func(ref refs.Secret) (string, error) { return "opened-" + ref.Key, nil })
	wantArgs := map[string]any{
		"top": "opened-b", "map": map[string]any{"x/y": "opened-c"}, "any": "opened-d",
		"users": []any{map[string]any{"password": "opened-e"}}, "plain": "${secret.a.b}",
	}
	if diff := cmp.Diff(wantArgs, open); diff != "" || err != nil {
		t.Errorf("opened (-want +got):\n%s%v", diff, err)
	}
	if _, err := got.Open(func(refs.Secret) (string, error) { return "", errors.New("no such key") }); err == nil {
		t.Error("a secret that cannot be opened makes no error")
	}
	args["plain"] = "${secret.a.b}"
	if _, mistakes := s.Resolve(args, none); len(mistakes) != 1 || mistakes[0].Field != ".plain" {
		t.Errorf("a secret at a place for texts: %v", mistakes)
	}
}

// A Step without a schema takes no arguments, and a schema is closed unless it says otherwise.
func TestClosedSchemas(t *testing.T) {
	t.Parallel()
	var closed steps.Schema
	if _, mistakes := closed.Resolve(map[string]any{"a": 1}, none); len(mistakes) != 1 {
		t.Errorf("without a schema: %v", mistakes)
	}
	if got, mistakes := closed.Resolve(nil, none); len(mistakes) != 0 || got.Args != nil {
		t.Errorf("without arguments: %v, %v", got, mistakes)
	}
	if _, mistakes := compile(t, map[string]any{}).Resolve(map[string]any{"a": 1}, none); len(mistakes) != 1 || !strings.Contains(mistakes[0].Message, "additional") {
		t.Errorf("an unknown argument: %v", mistakes)
	}
	open, mistakes := steps.Compile(map[string]any{"type": "object", "additionalProperties": true})
	if len(mistakes) > 0 {
		t.Fatal(mistakes)
	}
	if _, mistakes := open.Resolve(map[string]any{"a": 1}, none); len(mistakes) != 0 {
		t.Errorf("an open schema: %v", mistakes)
	}
}
