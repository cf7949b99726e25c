package bmc

import (
	"net/http"
	"strconv"

	"github.com/gitmetal/ingot/internal/lab/bmc/document"
)

// task is a long-running operation. The state is guarded by the BMC's mu.
type task struct {
	name  string
	polls int // reads that still say Running
	done  bool
}

// finishTask marks the task's operation as over.
func (t *task) finishTask() { t.done = true }

// answerTask makes a task for an accepted reset and answers 202. A switch-off is over when the machine is off.
func (b *BMC) answerTask(w http.ResponseWriter, name string) {
	b.mu.Lock()
	off := name == "ForceOff" || name == "GracefulShutdown"
	added := &task{name: name, polls: b.faults.TaskPolls, done: !off || b.run == nil}
	b.tasks = append(b.tasks, added)
	id := strconv.Itoa(len(b.tasks))
	b.mu.Unlock()
	w.Header().Set("Location", document.Monitors+"/"+id)
	w.Header().Set("Retry-After", "0")
	sendJSON(w, http.StatusAccepted, document.NewTask(id, name, "Running"))
}

// readTask returns a task's state and counts the read.
func (b *BMC) readTask(id string) (name, state string, found bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	number, err := strconv.Atoi(id)
	if err != nil || number < 1 || number > len(b.tasks) {
		return "", "", false
	}
	seen := b.tasks[number-1]
	if seen.done && seen.polls <= 0 {
		return seen.name, "Completed", true
	}
	seen.polls--
	return seen.name, "Running", true
}

func (b *BMC) taskIDs() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var ids []string
	for number := range b.tasks {
		ids = append(ids, strconv.Itoa(number+1))
	}
	return ids
}

func (b *BMC) getTask(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	name, state, found := b.readTask(id)
	if !found {
		sendJSON(w, http.StatusNotFound, document.NewError("ResourceMissingAtURI", "there is no task "+id, ""))
		return
	}
	b.sendDocument(w, r, document.NewTask(id, name, state))
}

// getMonitor answers 202 while the task runs, and then with the operation's own answer.
func (b *BMC) getMonitor(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	name, state, found := b.readTask(id)
	switch {
	case !found, state == "Completed" && b.meetFault("TaskVanishes", b.currentFaults().TaskVanishes):
		sendJSON(w, http.StatusNotFound, document.NewError("ResourceMissingAtURI", "there is no task monitor "+id, ""))
	case state == "Completed":
		w.WriteHeader(http.StatusNoContent)
	default:
		w.Header().Set("Location", document.Monitors+"/"+id)
		w.Header().Set("Retry-After", "0")
		sendJSON(w, http.StatusAccepted, document.NewTask(id, name, state))
	}
}
