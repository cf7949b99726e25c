package status

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/cause"
	"github.com/gitmetal/ingot/reconcile/plan"
	"github.com/gitmetal/ingot/reconcile/plan/change"
)

// UnreachedCause gives why the BMC of a host was not reached at the last try, as the cause of a host that waits for its
// BMC: BMCUnauthorized, SecretUnusable, BMCUnreachable, BMCRefused. It is "" where the BMC was reached or is not asked. The phase of a
// host at rest, such as Active, says nothing about that.
func (d Document) UnreachedCause() cause.Name {
	reach, known := d.findCondition(Reachable)
	if !known || reach.Status != "False" || d.Phase == plan.Orphaned {
		return ""
	}
	if reach.Reason == string(inventory.SecretUnusable) {
		return cause.Name(reach.Reason)
	}
	return cause.Name("BMC" + reach.Reason)
}

// SecretTrouble says which Secret keeps the daemon from asking the host's BMC, and why, where the hold says something else;
// "" elsewhere. Whatever shows what a host waits for shows the trouble beside it.
func (d Document) SecretTrouble() string {
	reach, _ := d.findCondition(Reachable)
	if d.UnreachedCause() != cause.Name(inventory.SecretUnusable) || d.Hold != nil && d.Hold.Reason == change.SecretUnusable {
		return ""
	}
	return reach.Message
}

// DescribeUnreached counts and names the hosts whose BMCs were not reached at the last try, in one line; "" for none.
func DescribeUnreached(hosts []Document) string {
	var names []string
	causes, secrets := map[cause.Name]int{}, map[string]bool{}
	for _, d := range hosts {
		if why := d.UnreachedCause(); why != "" {
			names = append(names, d.Metadata.Label())
			causes[why]++
		}
		if trouble := d.SecretTrouble(); trouble != "" {
			secrets[trouble] = true
		}
	}
	if len(names) == 0 {
		return ""
	}
	slices.Sort(names)
	var counts, commands []string
	for _, why := range slices.Sorted(maps.Keys(causes)) {
		counts = append(counts, fmt.Sprintf("%d %s", causes[why], why))
		commands = append(commands, "ingot status --cause "+string(why))
	}
	return fmt.Sprintf("The BMCs of %d of %d hosts are not reached (%s): %s; to list them: %s", len(names), len(hosts),
		strings.Join(counts, ", "), nameSome(names, func(text string) string { return text }),
		strings.Join(commands, ", ")) + tellSecrets(slices.Sorted(maps.Keys(secrets)))
}

// tellSecrets tells the troubles of Secrets, at most a few.
func tellSecrets(troubles []string) (text string) {
	const most = 3
	for _, trouble := range troubles[:min(most, len(troubles))] {
		text += "; " + trouble
	}
	if more := len(troubles) - most; more > 0 {
		text += fmt.Sprintf("; and %d more Secrets", more)
	}
	return text
}
