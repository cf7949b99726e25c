package bmc

import (
	"net/http"
	"strconv"

	"github.com/gitmetal/ingot/internal/lab/bmc/document"
)

// task is one long-running operation. Its state is read and written under the BMC's mu.
type task struct {
	name  string
	polls int // reads that still say Running
	done  bool
}

// finish marks what the task waits for as over.
func (t *task) finish() { t.done = true }

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
	reply(w, http.StatusAccepted, document.Task(id, name, "Running"))
}

// look returns a task's state as one more read sees it.
func (b *BMC) look(id string) (name, state string, found bool) {
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
	name, state, found := b.look(id)
	if !found {
		reply(w, http.StatusNotFound, document.Error("ResourceMissingAtURI", "there is no task "+id, ""))
		return
	}
	b.answer(w, r, document.Task(id, name, state))
}

// getMonitor answers 202 while the task runs and then as the operation itself would have.
func (b *BMC) getMonitor(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	name, state, found := b.look(id)
	switch {
	case !found, state == "Completed" && b.meet("TaskVanishes", b.current().TaskVanishes):
		reply(w, http.StatusNotFound, document.Error("ResourceMissingAtURI", "there is no task monitor "+id, ""))
	case state == "Completed":
		w.WriteHeader(http.StatusNoContent)
	default:
		w.Header().Set("Location", document.Monitors+"/"+id)
		w.Header().Set("Retry-After", "0")
		reply(w, http.StatusAccepted, document.Task(id, name, state))
	}
}
