package agent

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/gitmetal/ingot/agent/wire"
)

// pluginPatience is how long the agent fetches the plug-ins of a job before the job fails.
const pluginPatience = 15 * time.Minute

// describePatience is how long a plug-in may take to describe itself, with the start of its service.
const describePatience = time.Minute

// fetchPlugins fetches the plug-ins of a job, each once, and gives the job with the plug-ins. Nothing was run so far.
// Errors are for people: the job fails untouched with the error's text.
func (a *agent) fetchPlugins(ctx context.Context, job wire.Job) (wire.Job, error) {
	ctx, cancel := context.WithTimeout(ctx, pluginPatience)
	defer cancel()
	known := map[string][]byte{}
	job.Steps = slices.Clone(job.Steps)
	for i := range job.Steps {
		if script := job.Steps[i].Script; script != nil {
			next, err := a.withPlugins(ctx, *script, known)
			if err != nil {
				return wire.Job{}, err
			}
			job.Steps[i].Script = &next
		}
		job.Steps[i].Describe = slices.Clone(job.Steps[i].Describe)
		for at, script := range job.Steps[i].Describe {
			next, err := a.withPlugins(ctx, script, known)
			if err != nil {
				return wire.Job{}, err
			}
			job.Steps[i].Describe[at] = next
		}
	}
	return job, nil
}

// withPlugins gives a step with its plug-ins; known are the plug-ins that were fetched before, by their digests.
func (a *agent) withPlugins(ctx context.Context, script wire.Script, known map[string][]byte) (wire.Script, error) {
	script.Plugins = slices.Clone(script.Plugins)
	for i, p := range script.Plugins {
		body, has := known[p.SHA256]
		if !has {
			if p.Size < 0 || p.Size > wire.MaxPlugin {
				return script, fmt.Errorf("plug-in %s has %d bytes, this agent takes at most %d", p.Name, p.Size, wire.MaxPlugin)
			}
			var err error
			body, err = a.fetchVerified(ctx, fetched{what: "plug-in", path: wire.PathBlobs + p.SHA256, sha256: p.SHA256,
				size: p.Size, patience: pluginPatience})
			if err != nil {
				return script, fmt.Errorf("plug-in %s: %w", p.Name, err)
			}
			known[p.SHA256] = body
		}
		script.Plugins[i].Body = body
	}
	return script, nil
}

// describeTime is how long the plug-ins of a step may take to describe themselves.
func describeTime(script *wire.Script) time.Duration {
	if script == nil {
		return 0
	}
	return time.Duration(len(script.Plugins)) * describePatience
}
