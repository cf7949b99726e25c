package bmc

import (
	"net/http"
	"strconv"

	"github.com/gitmetal/ingot/internal/lab/bmc/document"
)

// task is a long-running operation. The state is guarded by the BMC's mu.
type task struct {
	name   string
	polls  int // reads that still say Running
	done   bool
	state  string // of a job, until it is done: Pending or Running
	status string // TaskStatus of a task that is done; "" for OK
	gone   bool   // the BMC has forgotten the task
}

// finishTask marks the task's operation as over. A job ends otherwise.
func (t *task) finishTask() { t.done = t.done || t.state == "" }

// answerTask makes a task for an accepted reset and answers 202. A switch-off is over when the machine is off.
func (b *BMC) answerTask(w http.ResponseWriter, name string) {
	b.mu.Lock()
	off := name == "ForceOff" || name == "GracefulShutdown"
	added := &task{name: "Reset " + name, polls: b.faults.TaskPolls, done: !off || b.run == nil}
	b.tasks = append(b.tasks, added)
	id := strconv.Itoa(len(b.tasks))
	b.mu.Unlock()
	w.Header().Set("Location", document.Monitors+"/"+id)
	w.Header().Set("Retry-After", "0")
	sendJSON(w, http.StatusAccepted, document.NewTask(id, "Reset "+name, "Running"))
}

// readTask returns a task's document with its state, and counts the read.
func (b *BMC) readTask(id string) (doc document.Document, state string, found bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	number, err := strconv.Atoi(id)
	if err != nil || number < 1 || number > len(b.tasks) {
		return nil, "", false
	}
	b.advanceBIOS()
	seen := b.tasks[number-1]
	switch {
	case seen.gone:
		return nil, "", false
	case seen.state != "":
		return document.NewTask(id, seen.name, seen.state), seen.state, true
	case seen.done && seen.polls <= 0:
		doc := document.NewTask(id, seen.name, "Completed")
		doc.SetUnlessEmpty("TaskStatus", seen.status)
		return doc, "Completed", true
	}
	seen.polls--
	return document.NewTask(id, seen.name, "Running"), "Running", true
}

func (b *BMC) taskIDs() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var ids []string
	for number, t := range b.tasks {
		if !t.gone {
			ids = append(ids, strconv.Itoa(number+1))
		}
	}
	return ids
}

func (b *BMC) getTask(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	doc, _, found := b.readTask(id)
	if !found {
		sendJSON(w, http.StatusNotFound, document.NewError("ResourceMissingAtURI", "there is no task "+id, ""))
		return
	}
	b.sendDocument(w, r, doc)
}

// getMonitor answers 202 while the task runs, and then with the operation's own answer.
func (b *BMC) getMonitor(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	doc, state, found := b.readTask(id)
	switch {
	case !found, state == "Completed" && b.meetFault("TaskVanishes", b.currentFaults().TaskVanishes):
		sendJSON(w, http.StatusNotFound, document.NewError("ResourceMissingAtURI", "there is no task monitor "+id, ""))
	case state == "Completed":
		w.WriteHeader(http.StatusNoContent)
	default:
		w.Header().Set("Location", document.Monitors+"/"+id)
		w.Header().Set("Retry-After", "0")
		sendJSON(w, http.StatusAccepted, doc)
	}
}
