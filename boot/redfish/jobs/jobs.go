// Package jobs reads the tasks and jobs of a BMC: Jobs.List gives those that have not ended, and Read gives one. A job
// that the BMC has forgotten is nil, which says neither success nor failure.
package jobs

import (
	"cmp"
	"encoding/json"
	"io"
	"net/http"
	"sync"

	"github.com/stmcginnis/gofish/schemas"

	"github.com/gitmetal/ingot/boot/redfish/conn"
	"github.com/gitmetal/ingot/inventory/settings"
)

// Jobs remembers which jobs of one BMC have ended: BMCs list them for weeks, and an ended job never runs again. The
// zero Jobs is ready. The methods are safe for concurrent use.
type Jobs struct {
	mu    sync.Mutex
	list  string // path of the collection; "" while none was found: a BMC that starts shows its services late
	ended map[string]bool
}

// maxPages bounds how many pages of a collection are read.
const maxPages = 64

// document is a Task, a Job, or a job of iDRAC.
type document struct {
	ID              string `json:"@odata.id"`
	Name            string
	TaskState       string
	TaskStatus      string
	JobState        string
	JobStatus       string
	PercentComplete int
	Messages        []struct{ Message string }
	Oem             struct {
		Dell struct{ JobState string }
	}
}

// job gives the job of a document. iDRAC says Starting of a task whose job waits for a reset, and names the job's state
// beside it.
func (d document) job(at string) settings.Job {
	j := settings.Job{Path: at, Name: d.Name, State: cmp.Or(d.TaskState, d.JobState), Status: cmp.Or(d.TaskStatus, d.JobStatus),
		Percent: d.PercentComplete}
	if d.Oem.Dell.JobState != "" && !j.HasEnded() {
		j.State = d.Oem.Dell.JobState
	}
	if n := len(d.Messages); n > 0 {
		j.Message = d.Messages[n-1].Message
	}
	return j
}

// List gives the jobs that have not ended, or may not have. Without a task service there are none; an error is no
// answer.
func (l *Jobs) List(w conn.Call) ([]settings.Job, error) {
	list, err := l.findList(w)
	if err != nil || list == "" {
		return nil, err
	}
	members, found, err := l.readList(w, list)
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	ended := l.ended
	l.ended = map[string]bool{} // of those that are listed still
	for _, at := range members {
		if ended[at] {
			l.ended[at] = true
		}
	}
	l.mu.Unlock()
	var open []settings.Job
	for _, at := range members {
		job, whole := found[at]
		switch {
		case ended[at]:
			continue
		case !whole:
			read, err := Read(w, at)
			if err != nil {
				return nil, err
			}
			if read == nil { // it is gone since the list was read
				continue
			}
			job = *read
		}
		if !job.HasEnded() {
			open = append(open, job)
			continue
		}
		l.mu.Lock()
		l.ended[at] = true
		l.mu.Unlock()
	}
	return open, nil
}

// findList gives the path of the collection of tasks, or of jobs; "" without one.
func (l *Jobs) findList(w conn.Call) (string, error) {
	l.mu.Lock()
	list := l.list
	l.mu.Unlock()
	if list != "" {
		return list, nil
	}
	root, err := w.ReadRoot()
	if err != nil {
		return "", err
	}
	for _, service := range []string{root.Tasks, root.Jobs} {
		if service == "" || list != "" {
			continue
		}
		got, err := conn.Get[struct{ Tasks, Jobs conn.Link }](w, service)
		if conn.IsAbsent(err) {
			continue
		}
		if err != nil {
			return "", err
		}
		if link := cmp.Or(got.Doc.Tasks.ID, got.Doc.Jobs.ID); link != "" {
			if list, err = w.ResolveLink(link); err != nil {
				return "", err
			}
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.list = list
	return list, nil
}

// readList gives the paths of all members, and those members that came whole. A BMC without the list has no members; a
// BMC that shows a part of the list gives an error.
func (l *Jobs) readList(w conn.Call, list string) (members []string, whole map[string]settings.Job, err error) {
	root, err := w.ReadRoot()
	if err != nil {
		return nil, nil, err
	}
	if root.Expands {
		members, whole, err = readPages(w, list+"?$expand=.($levels=1)")
		refused := conn.AsError(err) != nil && conn.AsError(err).Status != 0 // then the list alone is asked for
		if !refused {
			return members, whole, err
		}
	}
	if members, whole, err = readPages(w, list); conn.IsAbsent(err) {
		return nil, nil, nil
	}
	return members, whole, err
}

// readPages reads a list from its first page on. An absent first page is an error that conn.IsAbsent knows.
func readPages(w conn.Call, page string) (members []string, whole map[string]settings.Job, err error) {
	whole = map[string]settings.Job{}
	for number := range maxPages {
		got, err := conn.Get[struct {
			Members []document
			Next    string `json:"Members@odata.nextLink"`
		}](w, page)
		switch {
		case conn.IsAbsent(err) && number > 0:
			return nil, nil, w.RefusedError("it shows a part of its list of tasks: "+err.Error(), "clear the list of tasks at the BMC")
		case err != nil:
			return nil, nil, err
		}
		for _, d := range got.Doc.Members {
			if d.ID == "" {
				continue // a member without an address
			}
			at, err := w.ResolveLink(d.ID)
			if err != nil {
				return nil, nil, err
			}
			members = append(members, at)
			if job := d.job(at); job.State != "" {
				whole[at] = job
			}
		}
		if got.Doc.Next == "" {
			return members, whole, nil
		}
		if page, err = w.ResolveLink(got.Doc.Next); err != nil {
			return nil, nil, err
		}
	}
	return nil, nil, w.RefusedError("its list of tasks has no end", "clear the list of tasks at the BMC")
}

// Read reads one job, by the path of a task, of a job, or of a task monitor. It gives nil for one that the BMC does not
// know any more, as for a monitor whose task is over.
func Read(w conn.Call, at string) (*settings.Job, error) {
	response, err := w.Get(at)
	if conn.IsAbsent(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	var d document
	body, err := io.ReadAll(response.Body)
	if err == nil {
		err = json.Unmarshal(body, &d)
	}
	if err != nil || d.TaskState == "" && d.JobState == "" {
		if response.StatusCode == http.StatusAccepted {
			return &settings.Job{Path: at, State: string(schemas.RunningTaskState)}, nil
		}
		if response.StatusCode == http.StatusNoContent {
			return nil, nil
		}
		if err == nil && d.ID == "" {
			return nil, nil // the answer of the operation itself
		}
	}
	path := at
	if d.ID != "" {
		if path, err = w.ResolveLink(d.ID); err != nil {
			return nil, err
		}
	}
	job := d.job(path)
	job.State = cmp.Or(job.State, "Unknown")
	return &job, nil
}
