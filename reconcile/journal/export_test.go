package journal

import "testing"

// WriteRaw puts a value past every check.
func WriteRaw(t *testing.T, j *Journal, key, value string) {
	t.Helper()
	if _, err := j.client.Put(t.Context(), prefix+key, value); err != nil {
		t.Fatal(err)
	}
}

// DropLease takes the owner's lease away, as silence does.
func DropLease(t *testing.T, j *Journal) {
	t.Helper()
	if _, err := j.client.Revoke(t.Context(), j.owner.lease); err != nil {
		t.Fatal(err)
	}
}

// ReadRaw gives a value as it is stored.
func ReadRaw(t *testing.T, j *Journal, key string) string {
	t.Helper()
	value, _, err := j.read(t.Context(), prefix+key)
	if err != nil {
		t.Fatal(err)
	}
	return string(value)
}
