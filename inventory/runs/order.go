package runs

// Order is what the Workloads with runs want of one machine now. It is worked out from all machines and batches, and
// decided upon by the planner of the machine alone.
type Order struct {
	Workload string // that has claimed the machine; "" for none
	// Work is the Workload's, or, with a run under way, that of the run; nil where the fleet has none any more.
	Work *Work
	// Next is the run to begin, without its id; nil while there is none.
	Next *Run
	// Look is set while a kernel or an ISO of one's own may not begin before the disks of the machine were looked at.
	Look bool
	// Waits says why there is no Next.
	Waits string
	// TakeBack says why a run under way that was not handed out is taken back; "" otherwise. With Now the run is taken
	// back at any time.
	TakeBack string
	Now      bool
	// Counted is set when the run that is over is counted, in the journal.
	Counted bool
}
