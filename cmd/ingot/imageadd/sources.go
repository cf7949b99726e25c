package imageadd

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"
)

// Found is an image with the digest that somebody published.
type Found struct {
	URL, SHA256 string
	Release     string // as the stream calls it; "" without a stream
}

// sumLine are the lines of checksum files: of sha256sum, with a space or a star before the name, and of BSD's sha256. Source:
// sha256sum(1), cksum(1) --tag.
var (
	sumLine  = regexp.MustCompile(`(?m)^\\?([0-9a-fA-F]+) [ *]?(\S.*?)\s*$`)
	bsdLine  = regexp.MustCompile(`(?m)^([A-Z0-9-]+) \((.+)\) = ([0-9a-fA-F]+)\s*$`)
	loneLine = regexp.MustCompile(`^\s*([0-9a-fA-F]+)\s*$`)
)

// sha256Digits is how long a SHA-256 is in hex digits.
const sha256Digits = 64

// FindInChecksums finds the SHA-256 of a file in the text of a checksum file. A digest alone counts for any name. A file
// that gives two digests for the name, or a digest of another kind, is refused.
func FindInChecksums(text, name string) (sha256 string, err error) {
	found := map[string]bool{}
	if lone := loneLine.FindStringSubmatch(text); lone != nil {
		found[strings.ToLower(lone[1])] = true
	}
	others := 0
	for _, line := range sumLine.FindAllStringSubmatch(text, -1) {
		if others++; path.Base(line[2]) == name {
			found[strings.ToLower(line[1])] = true
		}
	}
	for _, line := range bsdLine.FindAllStringSubmatch(text, -1) {
		if others++; path.Base(line[2]) == name && line[1] == "SHA256" {
			found[strings.ToLower(line[3])] = true
		}
	}
	switch sums := slices.Sorted(maps.Keys(found)); {
	case len(sums) == 1 && len(sums[0]) == sha256Digits:
		return sums[0], nil
	case len(sums) == 1:
		return "", fmt.Errorf("the digest of %s has %d hex digits, and a SHA-256 has %d: name a file of SHA-256 sums", name, len(sums[0]), sha256Digits)
	case len(sums) > 1:
		return "", fmt.Errorf("it has %d digests for %s", len(sums), name)
	case others > 0:
		return "", fmt.Errorf("none of its %d lines is a SHA-256 of %s: name the file for this image", others, name)
	default:
		return "", errors.New("it is no checksum file: want lines as sha256sum writes them")
	}
}

// Artifact says which image of a stream is meant.
type Artifact struct{ Architecture, Platform, Format string }

// sha256Text and releaseText are what the metadata of a stream may hold: the texts are written into the fleet, and shown.
var (
	sha256Text  = regexp.MustCompile(`^[0-9a-fA-F]{64}$`)
	releaseText = regexp.MustCompile(`^[0-9A-Za-z._+-]{0,64}$`)
)

// isImageURL reports whether a text is a URL that the daemon fetches, in printable ASCII.
func isImageURL(text string) bool {
	address, err := url.Parse(text)
	return err == nil && (address.Scheme == "https" || address.Scheme == "http") && address.Host != "" && address.User == nil &&
		!strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' })
}

// FindInStream finds an image in the metadata of a CoreOS stream. Source: github.com/coreos/stream-metadata-go, package
// stream.
func FindInStream(body []byte, want Artifact) (Found, error) {
	type format struct {
		Disk *struct{ Location, SHA256 string }
	}
	type artifact struct {
		Release string
		Formats map[string]format
	}
	var stream struct {
		Architectures map[string]struct{ Artifacts map[string]artifact }
	}
	if err := json.Unmarshal(body, &stream); err != nil || len(stream.Architectures) == 0 {
		return Found{}, errors.New("it is no metadata of a CoreOS stream")
	}
	architecture, has := stream.Architectures[want.Architecture]
	if !has {
		return Found{}, missing("architecture", want.Architecture, slices.Sorted(maps.Keys(stream.Architectures)))
	}
	platform, has := architecture.Artifacts[want.Platform]
	if !has {
		return Found{}, missing("platform", want.Platform, slices.Sorted(maps.Keys(architecture.Artifacts)))
	}
	file, has := platform.Formats[want.Format]
	switch {
	case !has || file.Disk == nil:
		var disks []string
		for _, name := range slices.Sorted(maps.Keys(platform.Formats)) {
			if platform.Formats[name].Disk != nil {
				disks = append(disks, name)
			}
		}
		return Found{}, missing("format", want.Format, disks)
	case !sha256Text.MatchString(file.Disk.SHA256) || !isImageURL(file.Disk.Location) || !releaseText.MatchString(platform.Release):
		return Found{}, errors.New("it has no URL and SHA-256 for the image, as CoreOS writes them")
	}
	return Found{URL: file.Disk.Location, SHA256: strings.ToLower(file.Disk.SHA256), Release: platform.Release}, nil
}

func missing(what, name string, there []string) error {
	return fmt.Errorf("the stream has no %s %q: it has %s", what, name, strings.Join(there, ", "))
}
