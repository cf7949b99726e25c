package refs_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitmetal/ingot/inventory/refs"
)

// TestFindWritten finds what a person wrote as a reference, and leaves the texts of programs alone.
func TestFindWritten(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][]string{
		"${vars.x}": {"${vars.x}=${vars.x}"}, "${ vars.x }": {"${ vars.x }=${vars.x}"}, "${vars .x}": {"${vars .x}=${vars.x}"},
		"${VARS.x}": {"${VARS.x}=${vars.x}"}, "${var.x}": {"${var.x}=${vars.x}"}, "$vars.x": {"$vars.x=${vars.x}"},
		"${vars.x:-hunter2}": {"${vars.x:…}=${vars.x}"}, "${vars.x | default('hunter2')}": {"${vars.x |…}=${vars.x}"},
		"${secret. a.b}": {"${secret. a.b}=${secret.a.b}"}, "${Secrets.a.b}": {"${Secrets.a.b}=${secret.a.b}"}, "$secret.a.b": {"$secret.a.b=${secret.a.b}"},
		"${secret.a}": {"${secret.a}="}, "${vars.x-y}": {"${vars.x-y}="}, "${vars.x": {"${vars.x=${vars.x}"}, "${machine.id}": {"${machine.id}="},
		"a $vars.x ${vars.y} ${secret.a.b}": {"$vars.x=${vars.x}", "${vars.y}=${vars.y}", "${secret.a.b}=${secret.a.b}"},

		"${VAR:-x} ${vars} ${vars:-x} ${vars:x} ${vars[x]} ${#vars} ${vars_x.y} $vars $vars/x ${varsity.x}": nil,
		"$${vars.x} $$vars.x \\$vars.x {$vars.x}":                                                           nil,
		"${{ vars.x }} {{ vars.x }} %{vars.x} $(vars.x)":                                                    nil,
		"vars=/etc/openvpn/vars\ncp $vars.x $vars.bak":                                                      nil,
		"for vars in *; do cat $vars.x; done":                                                               nil,
		"$vars = array(); echo $vars.x;":                                                                    nil,
		"cat $secret.txt $vars.":                                                                            nil,
		"vars=1; echo $vars.x ${vars.y} ${ vars.z }":                                                        {"${vars.y}=${vars.y}", "${ vars.z }=${vars.z}"},
		"a shell's variables are no references: $vars_x.y $avars.x":                                         nil,
	} {
		var got []string
		for _, w := range refs.FindWritten(text) {
			got = append(got, w.Text+"="+w.Meant)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("FindWritten(%q) (-want +got):\n%s", text, diff)
		}
	}
}
