package statusbranch

import "fmt"

// CommitMessage gives the commit message of a change: the subject for people, and a trailer with the fleet's commit if
// there is one.
func (c *Change) CommitMessage(fleet string) string {
	hosts := c.HostDocuments()
	subject := fmt.Sprintf("%d hosts changed", len(hosts))
	if len(hosts) == 1 {
		for _, document := range hosts {
			subject = fmt.Sprintf("%s: %s", document.Metadata.Name, document.Phase)
		}
	}
	if len(hosts) == 0 {
		subject = "fleet"
	}
	message := fmt.Sprintf("status: %s [skip ci]\n", subject)
	if fleet != "" {
		message += fmt.Sprintf("\nFleet-Commit: %s\n", fleet)
	}
	return message
}
