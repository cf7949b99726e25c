package effects

// Job exposes the job that AssignStep hands out: the hub gives bodies to agents only.
var Job = (*Effects).job

// Request and Secret are what that job's config is rendered from.
var (
	Request = (*Effects).request
	Secret  = (*Effects).secret
)
