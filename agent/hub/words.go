package hub

import (
	"strings"

	"github.com/gitmetal/ingot/agent/wire"
)

// The words of machines are masked before anything else, then cut, and copied: a short piece of a long message must not
// keep the whole message in memory.

// Bounds of the words of one progress report.
const (
	maxLines = 500
	maxLine  = 1 << 10 // bytes
	maxName  = 256     // bytes of a step's name
)

// cleanProgress is a report as the daemon keeps it.
func (h *Hub) cleanProgress(m wire.Progress) wire.Progress {
	m.Step = cutHead(m.Step, maxName)
	lines := m.Lines[max(0, len(m.Lines)-maxLines):]
	m.Lines = nil
	for _, line := range lines {
		m.Lines = append(m.Lines, cutHead(h.config.Mask(line), maxLine))
	}
	return m
}

// cleanResult is a result as the daemon keeps it: the beginning of the error, and the end of the output.
func (h *Hub) cleanResult(m wire.Result) *result {
	m.Disks, m.Described = nil, h.cleanDescribed(m.Described) // the disks are described in the job
	m.Erased, m.Executed = h.cleanErased(m.Erased), h.cleanExecuted(m.Executed)
	m.Step = cutHead(m.Step, maxName)
	m.Error = cutHead(h.config.Mask(m.Error), maxError)
	output := h.config.Mask(m.Output)
	m.Output = strings.Clone(output[max(0, len(output)-maxOutput):])
	return &result{Result: m}
}

// cutHead copies at most the given number of bytes.
func cutHead(text string, most int) string { return strings.Clone(text[:min(len(text), most)]) }
