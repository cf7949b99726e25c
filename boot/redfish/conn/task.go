package conn

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/stmcginnis/gofish/schemas"
)

// Following a task: the deadline, and the pause if the BMC names none.
const (
	taskDeadline = 30 * time.Second
	taskPause    = 2 * time.Second
)

// FollowTask waits for an operation that the BMC answered with 202. A task that the BMC has forgotten says neither
// success nor failure: FollowTask returns nil, and the caller reads the state that was to change.
func (call Call) FollowTask(info *schemas.TaskMonitorInfo) error {
	if info == nil {
		return nil
	}
	if info.TaskMonitor == "" && info.Task != nil { // Location is missing: the body is the task
		info.TaskMonitor = info.Task.ODataID
	}
	if info.TaskMonitor == "" {
		return nil // accepted, without a task to follow
	}
	ctx, cancel := context.WithTimeout(call.ctx, taskDeadline)
	defer cancel()
	call.ctx = ctx
	for {
		over, err := call.readTask(info)
		if over || err != nil {
			return err
		}
		if err := waitFor(ctx, time.Until(info.RetryAfter)); err != nil {
			return call.TemporaryError(fmt.Sprintf("it still works on it after %s", taskDeadline),
				"it is looked at again")
		}
	}
}

// readTask reads the task monitor, or the task, and reports whether the operation is over.
func (call Call) readTask(info *schemas.TaskMonitorInfo) (over bool, err error) {
	response, err := call.Get(info.TaskMonitor)
	if failed := AsError(err); failed != nil {
		if failed.Status == http.StatusNotFound || failed.Status == http.StatusGone {
			return true, nil
		}
		return false, err
	}
	if err != nil {
		return false, err
	}
	defer response.Body.Close()
	seen := schemas.ParseTaskMonitorInfo(call, response)
	info.RetryAfter = seen.RetryAfter
	if seen.RetryAfter.IsZero() {
		info.RetryAfter = time.Now().Add(taskPause)
	}
	if seen.Task == nil || seen.Task.TaskState == "" {
		return response.StatusCode != http.StatusAccepted, nil
	}
	switch seen.Task.TaskState {
	case schemas.CompletedTaskState:
		if seen.Task.TaskStatus == schemas.CriticalHealth { // iDRAC: the job has ended, and failed
			return false, call.taskError("Completed with the status Critical", seen.Task)
		}
		return true, nil
	case schemas.ExceptionTaskState, schemas.KilledTaskState, schemas.CancelledTaskState:
		return false, call.taskError(string(seen.Task.TaskState), seen.Task)
	default: // New, Starting, Running, Pending…
		return false, nil
	}
}

// taskError is the error for a task that failed, with the task's messages.
func (call Call) taskError(ended string, task *schemas.Task) *Error {
	said := []string{"its task ended as " + ended}
	for _, m := range task.Messages {
		if text := (message{MessageID: m.MessageID, Message: m.Message}).text(); text != "" {
			said = append(said, text)
		}
	}
	return call.TemporaryError(call.conn.scrubText(strings.Join(said, ": ")),
		"it is tried again; the BMC's task log may say more")
}

// waitFor waits for the given time or until the context ends.
func waitFor(ctx context.Context, while time.Duration) error {
	timer := time.NewTimer(max(while, 10*time.Millisecond))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
