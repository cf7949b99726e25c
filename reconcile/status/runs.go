package status

import (
	"bytes"
	"fmt"
)

// RunProgress is how far a Workload with spec.run is.
type RunProgress struct {
	Workload string `json:"workload"`
	Batch    string `json:"batch,omitempty"`
	Page     string `json:"page,omitempty"` // path of the batch's document on the status branch
	Machines int    `json:"machines"`       // claimed
	Lacks    int    `json:"lacks,omitempty"`
	// Waiting, Running, Succeeded and Failed are the items of the batch by state.
	Waiting   int  `json:"waiting"`
	Running   int  `json:"running"`
	Succeeded int  `json:"succeeded"`
	Failed    int  `json:"failed"`
	Done      bool `json:"done,omitempty"` // the batch starts no more, as its items are done
	// Why says why the Workload starts nothing; "" otherwise.
	Why string `json:"why,omitempty"`
}

// Describe says in one line how far the Workload is.
func (r RunProgress) Describe() string {
	text := fmt.Sprintf("%d of %d items succeeded, %d running, %d failed, %d to go, on %d machines", r.Succeeded,
		r.Waiting+r.Running+r.Succeeded+r.Failed, r.Running, r.Failed, r.Waiting, r.Machines)
	if r.Lacks > 0 {
		text += fmt.Sprintf(" (%d more wanted)", r.Lacks)
	}
	switch {
	case r.Done:
		text += "; done"
	case r.Why != "":
		text += "; " + r.Why
	}
	return text
}

// writeRuns writes the Workloads with runs. A run never reads as Active.
func writeRuns(b *bytes.Buffer, f Fleet) {
	if len(f.Runs) == 0 {
		return
	}
	b.WriteString("## Runs\n\n| Workload | Progress |\n| --- | --- |\n")
	for _, r := range f.Runs {
		name := escapeCell(r.Workload)
		if r.Page != "" {
			name = fmt.Sprintf("[%s](%s)", name, r.Page)
		}
		fmt.Fprintf(b, "| %s | %s |\n", name, escapeCell(r.Describe()))
	}
	b.WriteString("\n")
}
