package load

import (
	"fmt"
	"maps"
	"slices"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/schemas"
	"github.com/gitmetal/ingot/schemas/decode"
)

// isOutOfScope reports whether a host is not in the scope of a Secret. A scope that cannot be read is reported for itself,
// and no host is out of it.
func (l *loader) isOutOfScope(sealed inventory.Sealed, d schemas.Document) bool {
	isEncrypted := slices.ContainsFunc(append(slices.Collect(maps.Values(sealed.Scope.MatchLabels)), sealed.Scope.Hosts...), decode.IsEncrypted)
	return !sealed.Scope.SelectsHost(d.ID(), d.Host.Metadata.Labels) && !isEncrypted &&
		!l.trunk.secrets()[sealed.Name].Fields.IsSpoiledBelow("spec.scope")
}

// followerFields are fields of a Host that name a document. What many hosts name and is missing, or cannot be read, is one
// thing to mend.
var followerFields = []string{"spec.bmc.credentials", "spec.workload"}

// mostFollowers is how many hosts are reported one by one.
const mostFollowers = 5

// joinFollowers leaves one finding of those that many hosts have about one document, with their number. The findings are
// sorted.
func joinFollowers(findings []schemas.Finding) []schemas.Finding {
	same := func(f schemas.Finding) schemas.Finding {
		f.Position = schemas.Position{}
		return f
	}
	counts := map[schemas.Finding]int{}
	for _, f := range findings {
		if slices.Contains(followerFields, f.Field) {
			counts[same(f)]++
		}
	}
	told := map[schemas.Finding]bool{}
	var joined []schemas.Finding
	for _, f := range findings {
		key := same(f)
		if many := counts[key] > mostFollowers; many && told[key] {
			continue
		} else if many {
			f.Message = fmt.Sprintf("%s; the same in %d more places", f.Message, counts[key]-1)
		}
		told[key] = true
		joined = append(joined, f)
	}
	return joined
}
