package effects

// Job exposes the job that AssignInstall hands out: the hub gives bodies to agents only.
var Job = (*Effects).job
