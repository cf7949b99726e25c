package agent

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"

	"github.com/gitmetal/ingot/agent/wire"
)

// configPatience is how long the agent asks for a config before the job fails.
const configPatience = 5 * time.Minute

// errOtherFile says that the served file is not the file of the job. The agent does not ask again: the daemon takes
// file and digest from the same job.
var errOtherFile = errors.New("the daemon's file is not the one of the job")

// fetchConfigs fetches the configs of a job, and gives the job with the configs. The machine is still untouched. Errors
// are for people: the job fails untouched with the error's text.
func (a *agent) fetchConfigs(ctx context.Context, job wire.Job) (wire.Job, error) {
	ctx, cancel := context.WithTimeout(ctx, configPatience)
	defer cancel()
	job.Steps = slices.Clone(job.Steps)
	for i, step := range job.Steps {
		if step.Install == nil || step.Install.Config == nil {
			continue
		}
		install := *step.Install
		config, err := a.fetchConfig(ctx, job.ID, *install.Config)
		if err != nil {
			return wire.Job{}, err
		}
		install.Ignition = config
		job.Steps[i].Install = &install
	}
	return job, nil
}

// fetchConfig asks for a config until the daemon serves the config or refuses for good, or ctx ends.
func (a *agent) fetchConfig(ctx context.Context, job string, ref wire.ConfigRef) ([]byte, error) {
	if ref.Size < 0 || ref.Size > wire.MaxConfig {
		return nil, fmt.Errorf("it has %d bytes, this agent takes at most %d: make the workload's Butane config "+
			"smaller", ref.Size, wire.MaxConfig)
	}
	return a.fetchVerified(ctx, fetched{what: "config", path: fmt.Sprintf(wire.PathConfig, job), sha256: ref.SHA256,
		size: ref.Size, patience: configPatience})
}

// fetched is a file that the daemon serves to the agent whose job names the file.
type fetched struct {
	what, path string
	sha256     string // hex
	size       int64  // bytes
	patience   time.Duration
}

// fetchVerified asks for a file until the daemon serves the file or refuses for good, or ctx ends.
func (a *agent) fetchVerified(ctx context.Context, f fetched) ([]byte, error) {
	for pause := firstPause; ; pause = min(2*pause, maxPause) {
		body, err := a.client.getVerified(ctx, f)
		switch {
		case err == nil:
			return body, nil
		case errors.Is(err, errGone), errors.Is(err, errMissing), errors.Is(err, errOtherFile):
			return nil, err
		case errors.Is(err, errRefused):
			err = errors.Join(err, a.client.tradeToken(ctx)) // the certificate may have ended
		}
		a.Log.Warn("fetch the "+f.what+": trying again", "in", pause, "error", err)
		if !pauseFor(ctx, pause) {
			return nil, fmt.Errorf("not within %s: %w", f.patience, err)
		}
	}
}

// getVerified fetches a file once, and compares size and digest with the job's. A stalled transfer fails.
func (c *client) getVerified(ctx context.Context, f fetched) ([]byte, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	response, err := c.sendRequest(ctx, c.withCertificate.Load(), f.path,
		func(url string) (*http.Request, error) {
			return http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		})
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(watchBody(response.Body, cancel), f.size+1))
	if err != nil {
		return nil, fmt.Errorf("read the %s: %w", f.what, err)
	}
	sum := sha256.Sum256(body)
	switch {
	case int64(len(body)) != f.size:
		return nil, fmt.Errorf("%w: want %d bytes, have %d bytes or more", errOtherFile, f.size, len(body))
	case hex.EncodeToString(sum[:]) != f.sha256:
		return nil, fmt.Errorf("%w: it has another digest", errOtherFile)
	}
	return body, nil
}
