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

// errOtherConfig says that the served config is not the config of the job. The agent does not ask again: the daemon
// takes config and digest from the same job.
var errOtherConfig = errors.New("the daemon's config is not the one of the job")

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
	for pause := firstPause; ; pause = min(2*pause, maxPause) {
		config, err := a.client.getConfig(ctx, job, ref)
		switch {
		case err == nil:
			return config, nil
		case errors.Is(err, errGone), errors.Is(err, errMissing), errors.Is(err, errOtherConfig):
			return nil, err
		case errors.Is(err, errRefused):
			err = errors.Join(err, a.client.tradeToken(ctx)) // the certificate may have ended
		}
		a.Log.Warn("fetch the config: trying again", "in", pause, "error", err)
		if !pauseFor(ctx, pause) {
			return nil, fmt.Errorf("not within %s: %w", configPatience, err)
		}
	}
}

// getConfig fetches the Ignition config of a job once, and compares size and digest with the job's. A stalled transfer
// fails.
func (c *client) getConfig(ctx context.Context, job string, ref wire.ConfigRef) ([]byte, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	response, err := c.sendRequest(ctx, c.withCertificate.Load(), fmt.Sprintf(wire.PathConfig, job),
		func(url string) (*http.Request, error) {
			return http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		})
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	config, err := io.ReadAll(io.LimitReader(watchBody(response.Body, cancel), ref.Size+1))
	if err != nil {
		return nil, fmt.Errorf("read the config: %w", err)
	}
	sum := sha256.Sum256(config)
	switch {
	case int64(len(config)) != ref.Size:
		return nil, fmt.Errorf("%w: want %d bytes, have %d bytes or more", errOtherConfig, ref.Size, len(config))
	case hex.EncodeToString(sum[:]) != ref.SHA256:
		return nil, fmt.Errorf("%w: it has another digest", errOtherConfig)
	}
	return config, nil
}
