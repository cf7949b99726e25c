package imageadd

import (
	"strings"
	"testing"
)

const (
	digest = "128fba7d83a0f8b707445e5fe84c56852f6ddceffa297db7aca9db117c158147"
	other  = "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"
)

func TestFindInChecksums(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ text, want, failure string }{
		"sha256sum":            {other + "  a.raw\n" + digest + "  os.raw\n", digest, ""},
		"binary mode":          {digest + " *os.raw\r\n", digest, ""},
		"below a directory":    {digest + "  ./images/os.raw\n", digest, ""},
		"BSD":                  {"SHA512 (os.raw) = " + digest + digest + "\nSHA256 (os.raw) = " + strings.ToUpper(digest) + "\n", digest, ""},
		"signed, as Fedora's":  {"-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n# os.raw: 4 bytes\nSHA256 (os.raw) = " + digest + "\n-----BEGIN PGP SIGNATURE-----\n\niQIz\n-----END PGP SIGNATURE-----\n", digest, ""},
		"a digest alone":       {digest + "\n", digest, ""},
		"twice the same":       {digest + "  os.raw\n" + digest + "  os.raw\n", digest, ""},
		"two digests":          {digest + "  os.raw\n" + other + "  old/os.raw\n", "", "it has 2 digests for os.raw"},
		"another name":         {digest + "  os.raw.sig\n", "", "none of its 1 lines is a SHA-256 of os.raw"},
		"SHA-512":              {digest + digest + "  os.raw\n", "", "has 128 hex digits, and a SHA-256 has 64"},
		"a short digest alone": {"0123abcd\n", "", "has 8 hex digits"},
		"a page":               {"<html>not found</html>\n", "", "it is no checksum file"},
		"nothing":              {"", "", "it is no checksum file"},
	} {
		got, err := FindInChecksums(test.text, "os.raw")
		if got != test.want || (err == nil) != (test.failure == "") || err != nil && !strings.Contains(err.Error(), test.failure) {
			t.Errorf("%s: FindInChecksums = %q, %v, want %q, %q", name, got, err, test.want, test.failure)
		}
	}
}

func TestFindInStream(t *testing.T) {
	t.Parallel()
	const stream = `{"stream": "stable", "architectures": {"x86_64": {"artifacts": {"metal": {"release": "44.1", "formats": {
		"raw.xz": {"disk": {"location": "https://example.com/os.raw.xz", "signature": "https://example.com/os.raw.xz.sig", "sha256": "` + digest + `", "uncompressed-sha256": "` + other + `"}},
		"bare": {"disk": {"location": "https://example.com/bare"}}, "pxe": {"kernel": {"location": "https://example.com/kernel", "sha256": "` + other + `"}}}}}}}}`
	metal := Artifact{"x86_64", "metal", "raw.xz"}
	for name, test := range map[string]struct {
		body    string
		want    Artifact
		failure string
	}{
		"there":                {stream, Artifact{"x86_64", "metal", "raw.xz"}, ""},
		"another architecture": {stream, Artifact{"s390x", "metal", "raw.xz"}, `the stream has no architecture "s390x": it has x86_64`},
		"another platform":     {stream, Artifact{"x86_64", "aws", "raw.xz"}, `the stream has no platform "aws": it has metal`},
		"another format":       {stream, Artifact{"x86_64", "metal", "iso"}, `the stream has no format "iso": it has bare, raw.xz`},
		"no disk":              {stream, Artifact{"x86_64", "metal", "pxe"}, `the stream has no format "pxe": it has bare, raw.xz`},
		"no digest":            {stream, Artifact{"x86_64", "metal", "bare"}, "it has no URL and SHA-256"},
		"no hex digits":        {strings.Replace(stream, digest, strings.Repeat("z", 64), 1), metal, "it has no URL and SHA-256"},
		"a file":               {strings.Replace(stream, "https://example.com/os.raw.xz", "file:///etc/os.raw.xz", 1), metal, "it has no URL and SHA-256"},
		"an account":           {strings.Replace(stream, "https://example.com/os.raw.xz", "https://a:b@example.com/os.raw.xz", 1), metal, "it has no URL and SHA-256"},
		"a URL for terminals":  {strings.Replace(stream, "os.raw.xz", "os\\u009b2J.raw.xz", 1), metal, "it has no URL and SHA-256"},
		"a name for terminals": {strings.Replace(stream, "44.1", "44.1\\u001b[2J", 1), metal, "it has no URL and SHA-256"},
		"no stream":            {`{"a": 1}`, Artifact{"x86_64", "metal", "raw.xz"}, "it is no metadata of a CoreOS stream"},
		"no JSON":              {`<html>`, Artifact{"x86_64", "metal", "raw.xz"}, "it is no metadata of a CoreOS stream"},
	} {
		got, err := FindInStream([]byte(test.body), test.want)
		good := err == nil && got == Found{"https://example.com/os.raw.xz", digest, "44.1"}
		if good != (test.failure == "") || err != nil && !strings.Contains(err.Error(), test.failure) {
			t.Errorf("%s: FindInStream = %+v, %v, want %q", name, got, err, test.failure)
		}
	}
}
