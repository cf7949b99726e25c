package main

import "testing"

// TestDisable takes conditions out of lines, and keeps what the lines declare.
func TestDisable(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"	if aside { // guard: leave":                           "	if false && (aside) { // guard: leave",
		"	} else if a || b { // guard: leave":                   "	} else if false && (a || b) { // guard: leave",
		"	if why := f(a, b); why != \"\" { // guard: git-fence": "	if why := f(a, b); false && (why != \"\") { // guard: git-fence",
		"	case a != b || c: // guard: epoch-compare":            "	case false && (a != b || c): // guard: epoch-compare",
		"	case a, b: // guard: lives":                           "	case false && (a), false && (b): // guard: lives",
	} {
		if got, err := disable(text); err != nil || got != want {
			t.Errorf("disable(%q) = %q, %v, want %q", text, got, err, want)
		}
	}
	if got, err := disable("	return nil // guard: leave"); err == nil {
		t.Errorf("disable of a return = %q, want an error", got)
	}
}

// TestTheGuardsAreThere finds the guarded lines of the product.
func TestTheGuardsAreThere(t *testing.T) {
	t.Parallel()
	found, err := findGuards("../../..")
	if err != nil {
		t.Fatal(err)
	}
	for name, lines := range found {
		for _, guard := range lines {
			if _, err := disable(guard.text); err != nil {
				t.Errorf("guard %s at %s:%d: %v", name, guard.file, guard.number, err)
			}
		}
	}
	if len(found) == 0 {
		t.Error("no guard was found")
	}
}
