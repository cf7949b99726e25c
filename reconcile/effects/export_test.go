package effects

// Job exposes the job that AssignStep hands out: the hub gives bodies to agents only.
var Job = (*Effects).buildJob

// Request and Secret are what that job's config is rendered from.
var (
	Request = (*Effects).buildIgnitionRequest
	Secret  = (*Effects).openSecret
)
