package schemas

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/gitmetal/ingot/schemas/yamltext"
)

// sizeGrammar is a number with a decimal (GB) or binary (GiB) unit, with at most one space between.
var sizeGrammar = regexp.MustCompile(`^([0-9]{1,15}) ?([KMGTP]i?)?B?$`)

// ParseSize reads a quantity in bytes: 1000000, 480GB (decimal), 1TiB (binary).
func ParseSize(text string) (uint64, error) {
	parts := sizeGrammar.FindStringSubmatch(text)
	if parts == nil {
		return 0, fmt.Errorf("%q is not a size", yamltext.ShortenText(text))
	}
	n, err := strconv.ParseUint(parts[1], 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%q is not a size", yamltext.ShortenText(text))
	}
	if parts[2] == "" {
		return n, nil
	}
	base := uint64(1000)
	if strings.HasSuffix(parts[2], "i") {
		base = 1024
	}
	for range strings.Index("KMGTP", parts[2][:1]) + 1 {
		if n > (1<<63)/base {
			return 0, fmt.Errorf("%q is too large", yamltext.ShortenText(text))
		}
		n *= base
	}
	return n, nil
}
