package hub

import (
	"github.com/gitmetal/ingot/agent/wire"
	"github.com/gitmetal/ingot/inventory/runs"
)

// cleanExecuted is the end of a run as the document keeps it: the files are in the manifest in the store of results.
func (h *Hub) cleanExecuted(said *wire.Executed) *wire.Executed {
	if said == nil {
		return nil
	}
	return &wire.Executed{Run: cutHead(said.Run, maxName), Exit: said.Exit, Began: said.Began, Ended: said.Ended,
		Output: cutHead(h.config.Mask(said.Output), runs.MaxOutput)}
}

// readExecuted gives the end of a run in the words of the inventory.
func readExecuted(said *wire.Executed) *runs.Ended {
	if said == nil {
		return nil
	}
	return &runs.Ended{Exit: said.Exit, Output: said.Output, Began: said.Began, Ended: said.Ended}
}
