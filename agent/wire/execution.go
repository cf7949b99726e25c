package wire

import "time"

// Execution is one run of an ephemeral workload: a script, its inputs, and what is kept of what it leaves. Step.Timeout
// is the deadline, from the job taken.
type Execution struct {
	RunExecution
	// Inputs are the files that the script finds in its inputs directory.
	Inputs []Input `json:"inputs,omitempty"`
	// Results are what is uploaded after the end of the script.
	Results ResultLimits `json:"results"`
}

// RunExecution names a run, for the script and for people.
type RunExecution struct {
	Run      string `json:"run"` // id
	Workload string `json:"workload"`
	Batch    string `json:"batch"`
	Item     int    `json:"item"`    // from 0
	Attempt  int    `json:"attempt"` // of the item, from 1
}

// Input is a file for a run. The agent fetches a file without Body from PathBlobs.
type Input struct {
	Name   string `json:"name"`             // by the grammar of result files
	SHA256 string `json:"sha256,omitempty"` // hex
	Size   int64  `json:"size"`             // bytes
	// Body holds a secret, or is small: at most MaxInline bytes of all bodies together. RAM only.
	Body []byte `json:"body,omitempty"`
	// Content is the file of the fleet's commit that PathBlobs serves; never in a message.
	Content []byte `json:"-"`
}

// ResultLimits bound what a run leaves.
type ResultLimits struct {
	Files    []string `json:"files,omitempty"` // patterns below the results directory; none: nothing is kept
	MaxSize  int64    `json:"maxSize"`         // bytes of all files
	MaxFiles int      `json:"maxFiles"`
	Required bool     `json:"required,omitempty"` // every pattern must match a file
}

// Executed is the end of a run, once every file in it was uploaded and its digest acknowledged.
type Executed struct {
	Run   string       `json:"run"`  // Execution.Run
	Exit  int          `json:"exit"` // exit code of the script; -1 where it did not end by itself
	Files []ResultFile `json:"files,omitempty"`
	// Output is the beginning of the script's output, at most MaxOutput bytes.
	Output string    `json:"output,omitempty"`
	Began  time.Time `json:"began,omitzero"`
	Ended  time.Time `json:"ended,omitzero"`
}

// ResultFile is one uploaded file of a run.
type ResultFile struct {
	Name   string `json:"name"`
	Size   int64  `json:"size"`   // bytes
	SHA256 string `json:"sha256"` // hex
}

// MaxOutput is the most bytes of Executed.Output.
const MaxOutput = 4 << 10
