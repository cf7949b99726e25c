package proposal

import (
	"fmt"

	"github.com/gitmetal/ingot/inventory/rotation"
	"github.com/gitmetal/ingot/schemas"
)

// RenderRotation makes the proposal of a rotation: the file of the Secret with the new password, sealed.
func RenderRotation(r rotation.Rotation, trunk Trunk, signed bool) Proposal {
	p := Proposal{Path: r.File, Files: map[string][]byte{r.File: []byte(r.Document)},
		Host: schemas.Host{Metadata: schemas.Metadata{Name: string(r.Host), ID: string(r.Host)}}}
	p.Comments = []string{fmt.Sprintf("Host %s asks for another password of its BMC account: requests.rotate %s", r.Host, r.Value)}
	switch r.Stage {
	case rotation.Changed:
		p.Comments = append(p.Comments, "The BMC has the new password, and the daemon logged in with it. The daemon uses this Secret until the merge")
	default:
		p.Comments = append(p.Comments, "The BMC does not have the new password for sure yet: wait before you merge")
	}
	for _, f := range check(p, trunk) {
		p.Refused = append(p.Refused, f)
		p.Comments = append(p.Comments, "Doubt: the trunk refuses this file as it is: "+oneLine(f.Field+": "+f.Message, maxComment/2))
	}
	p.Title = "Rotate: Secret " + r.Secret + " has another password"
	p.Body = p.writeRequest("This changes `"+p.Path+"`, and nothing else.", signed,
		"Do not delete the branch: without it only the daemon knows the password. A branch that is deleted is pushed again.")
	return p
}
