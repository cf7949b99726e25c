package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/gitmetal/ingot/agent/wire"
)

// errOverLimit says that the daemon does not keep a file: it is over a limit, or its name is none. The agent does not
// try again.
var errOverLimit = errors.New("the daemon does not keep it")

// Blob implements Session.
func (s *session) Blob(ctx context.Context, sha256 string, offset int64) (io.ReadCloser, error) {
	return s.agent.client.openFile(ctx, wire.PathBlobs+sha256, offset)
}

// NoteExecuted implements Session.
func (s *session) NoteExecuted(executed wire.Executed) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.noted.executed = &executed
}

// Upload implements Session: Upload stores a file, and goes on where the link broke, until the daemon has acknowledged
// the digest, does not want the file, or ctx ends.
func (s *session) Upload(ctx context.Context, file wire.ResultFile, content io.ReaderAt) error {
	path := fmt.Sprintf(wire.PathJobFile, s.job.ID, file.Name)
	offset := int64(0)
	for pause := firstPause; ; pause = min(2*pause, maxPause) {
		digest, err := s.agent.client.putFile(ctx, path, part{file: file, offset: offset, content: content})
		switch {
		case err == nil && digest == file.SHA256:
			return nil
		case err == nil:
			return fmt.Errorf("the daemon stored other bytes: digest %.64q", digest)
		case errors.Is(err, errGone), errors.Is(err, errOverLimit):
			return err
		case errors.Is(err, errRefused):
			err = errors.Join(err, s.agent.client.tradeToken(ctx)) // the certificate may have ended
		}
		s.agent.Log.Warn("upload a result: trying again", "file", file.Name, "from", offset, "in", pause, "error", err)
		if !pauseFor(ctx, pause) {
			return fmt.Errorf("not within the time for uploads: %w", err)
		}
		before, stored := offset, false
		if offset, stored = s.agent.client.askOffset(ctx, path, file); stored {
			return nil // the answer was lost
		}
		if offset > before {
			pause = firstPause
		}
	}
}

// part is what is uploaded of a file: the bytes from offset on.
type part struct {
	file    wire.ResultFile
	offset  int64
	content io.ReaderAt
}

// putFile uploads the rest of a file, and gives the digest that the daemon has of the whole file. A transfer of which
// the daemon takes no byte for the time stall fails.
func (c *client) putFile(ctx context.Context, path string, p part) (digest string, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	timer := time.AfterFunc(stall, cancel)
	defer timer.Stop()
	rest := p.file.Size - p.offset
	response, err := c.sendRequest(ctx, c.withCertificate.Load(), path, func(url string) (*http.Request, error) {
		request, err := http.NewRequestWithContext(ctx, http.MethodPut, url, nil)
		if err != nil {
			return nil, err
		}
		if rest > 0 {
			request.Body = io.NopCloser(timedReader{io.NewSectionReader(p.content, p.offset, rest), timer})
		}
		request.ContentLength = rest
		request.Header.Set("Expect", "100-continue") // so that a refusal is heard before the bytes are sent
		if p.offset > 0 {
			request.Header.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", p.offset, p.file.Size-1, p.file.Size))
		}
		return request, nil
	})
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	return response.Header.Get(wire.HeaderDigest), nil
}

// timedReader sets a timer anew at every read: the daemon has taken the bytes before.
type timedReader struct {
	io.Reader
	timer *time.Timer
}

// Read implements io.Reader.
func (t timedReader) Read(b []byte) (int, error) {
	t.timer.Reset(stall)
	return t.Reader.Read(b)
}

// askOffset asks how much of a file the daemon has; stored says that the daemon has the whole file. 0 stands for
// nothing stored, for another file under the name, and for a daemon that does not answer: the next upload says why.
func (c *client) askOffset(ctx context.Context, path string, file wire.ResultFile) (offset int64, stored bool) {
	ctx, cancel := context.WithTimeout(ctx, wire.CallTimeout)
	defer cancel()
	response, err := c.sendRequest(ctx, c.withCertificate.Load(), path, func(url string) (*http.Request, error) {
		return http.NewRequestWithContext(ctx, http.MethodHead, url, nil)
	})
	if err != nil {
		return 0, false
	}
	defer response.Body.Close()
	offset, err = strconv.ParseInt(response.Header.Get(wire.HeaderUploadOffset), 10, 64)
	whole := response.Header.Get(wire.HeaderDigest)
	if err != nil || offset < 0 || offset >= file.Size || whole != "" {
		return 0, whole == file.SHA256
	}
	return offset, false
}
