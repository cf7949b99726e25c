package hub

import (
	"github.com/gitmetal/ingot/agent/wire"
	"github.com/gitmetal/ingot/inventory/steps"
)

// Bounds of the receipts of one job.
const (
	maxErased  = 256 // disks
	maxReasons = 16  // texts of one list
	maxReason  = 256 // bytes of a text
)

// cleanErased is what an agent says of erased disks as the daemon keeps it.
func (h *Hub) cleanErased(said []wire.Erased) (kept []wire.Erased) {
	for _, r := range said[:min(len(said), maxErased)] {
		for _, text := range []*string{&r.Name, &r.Serial, &r.WWN, &r.Model, &r.Policy, &r.Method, &r.Agent} {
			*text = cutHead(h.config.Mask(*text), maxReason)
		}
		r.Passed, r.Capabilities = h.cleanTexts(r.Passed), h.cleanTexts(r.Capabilities)
		kept = append(kept, r)
	}
	return kept
}

func (h *Hub) cleanTexts(texts []string) (kept []string) {
	for _, text := range texts[:min(len(texts), maxReasons)] {
		kept = append(kept, cutHead(h.config.Mask(text), maxReason))
	}
	return kept
}

// readErased gives receipts in the words of the inventory.
func readErased(said []wire.Erased) (erased []steps.Erased) {
	for _, r := range said {
		erased = append(erased, steps.Erased{Name: r.Name, Serial: r.Serial, WWN: r.WWN, Model: r.Model, Size: r.Size,
			Policy: r.Policy, Method: r.Method, Passed: r.Passed, Capabilities: r.Capabilities, Begun: r.Begun,
			Ended: r.Ended, Samples: r.Samples, Known: r.Known, Agent: r.Agent})
	}
	return erased
}
