package load

import "testing"

func TestFindPointer(t *testing.T) {
	t.Parallel()
	const oid = "oid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 12345\n"
	for text, want := range map[string]string{
		"version https://git-lfs.github.com/spec/v1\n" + oid:                        "Git LFS",
		"version https://git-lfs.github.com/spec/v1\next-0-foo sha256:0123\n" + oid: "Git LFS",
		"version http://git-media.io/v/2\n" + oid:                                   "Git LFS",
		"version https://hawser.github.com/spec/v1\n" + oid:                         "Git LFS",
		"# git-media\n" + oid:                           "Git LFS",
		"/annex/objects/SHA256E-s12345--4d7a2146.img\n": "git-annex",
		"": "",
		"version https://git-lfs.github.com/spec/v1 is what a pointer starts with\n":            "",
		"The format:\nversion https://git-lfs.github.com/spec/v1\n" + oid:                       "",
		"version https://git-lfs.github.com/spec/v1\n" + oid + string(make([]byte, maxPointer)): "",
		"/annex/objects\n": "",
	} {
		if got := findPointer([]byte(text)); got != want {
			t.Errorf("findPointer(%.60q) = %q, want %q", text, got, want)
		}
	}
}

// TestAFileOfGitCrypt: a file that git-crypt encrypted is no file for a machine.
func TestAFileOfGitCrypt(t *testing.T) {
	t.Parallel()
	for text, usable := range map[string]bool{"\x00GITCRYPT\x00abc": false, "GITCRYPT": true, "": true} {
		l := &loader{}
		if got := l.checkPointer("workloads/motd", []byte(text), installsPointer); got != usable || len(l.findings) > 0 == usable {
			t.Errorf("checkPointer(%q) = %t with %v, want %t", text, got, l.findings, usable)
		}
	}
}
