package hub

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"slices"
	"time"

	"github.com/gitmetal/ingot/agent/wire"
	"github.com/gitmetal/ingot/inventory/steps"
)

// Bounds of what plug-ins say of themselves.
const (
	maxDescribed = 64 // answers of one job
	maxVersion   = 64 // bytes of a name, a version or a step
)

// listPlugins lists the plug-ins of a job.
func listPlugins(j wire.Job) (plugins []wire.Plugin) {
	for _, step := range j.Steps {
		if step.Script != nil {
			plugins = append(plugins, step.Script.Plugins...)
		}
		for _, described := range step.Describe {
			plugins = append(plugins, described.Plugins...)
		}
	}
	return plugins
}

// listBlobs lists the digests of the plug-ins, of the inputs and of the files of a job.
func listBlobs(j wire.Job) (digests []string) {
	for _, p := range listPlugins(j) {
		if !slices.Contains(digests, p.SHA256) {
			digests = append(digests, p.SHA256)
		}
	}
	for _, in := range listInputs(j) {
		if in.SHA256 != "" && !slices.Contains(digests, in.SHA256) {
			digests = append(digests, in.SHA256)
		}
	}
	for _, step := range j.Steps {
		if step.Inject == nil {
			continue
		}
		for _, file := range step.Inject.Files {
			if file.SHA256 != "" && !slices.Contains(digests, file.SHA256) {
				digests = append(digests, file.SHA256)
			}
		}
	}
	return digests
}

// findBytes gives the bytes of a blob that the job itself has; nil for a blob of the image mirror.
func findBytes(j wire.Job, digest string) []byte {
	for _, plugin := range listPlugins(j) {
		if plugin.SHA256 == digest && plugin.Body != nil {
			return plugin.Body
		}
	}
	for _, in := range listInputs(j) {
		if in.SHA256 == digest && in.Content != nil {
			return in.Content
		}
	}
	return nil
}

// serveBlob serves only the plug-ins and inputs of the host's outstanding job. The bytes of a plug-in of the commit are
// in memory only: after a restart they are unknown until the job is assigned again.
func (h *Hub) serveBlob(w http.ResponseWriter, r *http.Request, p peer) error {
	digest := r.PathValue("sha256")
	var body []byte
	err := h.viewEntry(r.Context(), p.host, func(e *entry) error {
		j := e.doc.Job
		if j == nil || j.hasEnded() || !slices.Contains(j.Blobs, digest) {
			return statusError{http.StatusNotFound, "a file that no job of this host names"}
		}
		if e.body != nil {
			body = findBytes(*e.body, digest)
		}
		return nil
	})
	if err != nil {
		return err
	}
	var content io.ReadSeeker = bytes.NewReader(body)
	if body == nil {
		file, _, err := h.config.Images.Open(digest)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return statusError{http.StatusNotFound, "the file is not known (any more)"}
		case err != nil:
			return fmt.Errorf("open file %s of a job: %w", digest, err)
		}
		defer file.Close()
		content = file
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Etag", `"`+digest+`"`)
	http.ServeContent(w, r, "", time.Time{}, content)
	return nil
}

// cleanDescribed is what plug-ins said of themselves as the daemon keeps it.
func (h *Hub) cleanDescribed(said []wire.Described) (kept []wire.Described) {
	for _, d := range said[:min(len(said), maxDescribed)] {
		for _, text := range []*string{&d.SHA256, &d.Name, &d.Version, &d.Step, &d.Support} {
			*text = cutHead(h.config.Mask(*text), maxVersion)
		}
		kept = append(kept, d)
	}
	return kept
}

// readDescribed gives the answers of plug-ins in the words of the inventory.
func readDescribed(said []wire.Described) (described []steps.Described) {
	for _, d := range said {
		described = append(described, steps.Described{SHA256: d.SHA256, Name: d.Name, Version: d.Version, Step: d.Step,
			Support: d.Support})
	}
	return described
}
