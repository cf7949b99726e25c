package agent

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/gitmetal/ingot/agent/logs"
	"github.com/gitmetal/ingot/agent/wire"
)

// maxSaid is how many bytes of the lines of one job are kept for the daemon: the newest.
const maxSaid = 1 << 20

// logsTime bounds the collection and the upload of the logs of one job. The result of the job waits for them.
const logsTime = 2 * time.Minute

// keepSaid keeps lines of the job's steps. The caller holds the lock.
func (s *session) keepSaid(lines []string) {
	for _, line := range lines {
		fmt.Fprintln(&s.said, line) // a Tail takes everything
	}
}

// sendFailure sends the logs of a failed step to the daemon, as far as that goes within logsTime: a failure that cannot
// be explained is still a failure. A run of an ephemeral workload has results of its own.
func (s *session) sendFailure(ctx context.Context, step wire.Step, failed wire.Result) {
	if step.Execution != nil || step.Collect != nil || ctx.Err() != nil {
		return
	}
	s.Report(wire.Progress{Lines: []string{failed.Error}})
	if err := s.sendLogs(ctx); err != nil {
		s.agent.Log.Warn("the logs of a failed step are not at the daemon", "job", s.job.ID, "error", err)
	}
}

// sendLogs collects the logs of the job, and uploads each until the daemon has acknowledged its digest.
func (s *session) sendLogs(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, logsTime)
	defer cancel()
	s.mu.Lock()
	files := []logs.File{{Name: "output.log", Body: s.said.Text()}}
	s.mu.Unlock()
	if facts, err := json.MarshalIndent(s.agent.facts, "", "  "); err == nil {
		files = append(files, logs.File{Name: "facts.json", Body: append(facts, '\n')})
	}
	if s.agent.Logs != nil {
		files = append(files, s.agent.Logs(ctx)...)
	}
	var failures []error
	for _, file := range files {
		if len(file.Body) == 0 {
			continue
		}
		err := s.agent.client.putLog(ctx, s.job.ID, file)
		if errors.Is(err, errGone) || errors.Is(err, errMissing) || ctx.Err() != nil {
			return fmt.Errorf("%s: %w", file.Name, err)
		}
		failures = append(failures, err)
	}
	return errors.Join(failures...)
}

// putLog uploads a log of a job, whole, again until the daemon has acknowledged it, does not want it, or ctx ends.
func (c *client) putLog(ctx context.Context, job string, file logs.File) error {
	sum := sha256.Sum256(file.Body)
	p := part{file: wire.ResultFile{Name: file.Name, Size: int64(len(file.Body)), SHA256: hex.EncodeToString(sum[:])},
		content: bytes.NewReader(file.Body)}
	for pause := firstPause; ; pause = min(2*pause, maxPause) {
		digest, err := c.putFile(ctx, fmt.Sprintf(wire.PathLog, job, file.Name), p)
		switch {
		case err == nil && digest == p.file.SHA256:
			return nil
		case err == nil:
			err = fmt.Errorf("the daemon took other bytes: digest %.64q", digest)
		case errors.Is(err, errGone), errors.Is(err, errMissing), errors.Is(err, errOverLimit):
			return err
		case errors.Is(err, errRefused):
			err = errors.Join(err, c.tradeToken(ctx)) // the certificate may have ended
		}
		if !pauseFor(ctx, pause) {
			return fmt.Errorf("not within the time for logs: %w", err)
		}
	}
}
