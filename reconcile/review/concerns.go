package review

import (
	"reflect"
	"strings"

	"github.com/gitmetal/ingot/inventory"
)

// Concerns names the hosts whose records Compare needs, besides those that the records of all hosts that head does not name are given for. Asked again
// with the records of those it names more, until it names no others: the records of any other host make no difference.
func Concerns(base, head inventory.Fleet, given map[string]inventory.Record) []string {
	serials := map[string]bool{}
	for _, record := range given {
		if record.Facts != nil {
			serials[oneCase(record.Facts.System.Serial)] = true
		}
	}
	var names []string
	ways := around(base, head)
	for name, after := range head.Hosts {
		if _, named := head.Hosts[after.Former]; named {
			names = append(names, after.Former) // it may be another machine that has the name now
		}
		before, had := base.Hosts[name]
		_, former := given[after.Former]
		_, another := head.Hosts[after.Former]
		if !had || former || another || serials[oneCase(after.Identity.Serial)] || len(ways[after.Ring]) > 0 || !asksTheSame(before, after) {
			names = append(names, name)
		}
	}
	return names
}

func oneCase(serial string) string { return strings.ToLower(strings.TrimSpace(serial)) }

// asksTheSame reports whether nothing that a plan goes by differs: where a host is written, and in which commit, does not.
func asksTheSame(before, after inventory.Desired) bool {
	before.Commit, before.Release, before.File, before.Line, before.Given = after.Commit, after.Release, after.File, after.Line, after.Given
	return reflect.DeepEqual(before, after)
}
