package door

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"

	"github.com/gitmetal/ingot/agent/wire"
	"github.com/gitmetal/ingot/inventory/discovery"
	"github.com/gitmetal/ingot/inventory/discovery/records"
)

// serveWaiting takes the word of a waiting agent. An agent whose enrolment key was revoked gets 404, as if it had none; one
// whose key has ended may go on waiting.
func (d *Door) serveWaiting(w http.ResponseWriter, r *http.Request) error {
	waiter, err := d.authenticate(r)
	if err != nil {
		return err
	}
	if _, err := d.findKey(waiter.key); err != nil {
		return err
	}
	if !d.calls.Allow(waiter.agent, d.config.Now()) {
		return errBusy
	}
	var m wire.Waiting
	data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxWaiting))
	if err != nil || json.Unmarshal(data, &m) != nil {
		return errBody
	}
	record, told, err := d.config.Records.Hear(waiter.record, discovery.Word{Agent: waiter.agent, At: d.config.Now()})
	switch {
	case errors.Is(err, records.ErrUnknown), err == nil && told == discovery.RegisterAgain:
		answerStatus(w, http.StatusUnauthorized)
		return nil
	case err != nil:
		return err
	}
	var answer wire.Waited
	if record.Agent != nil && record.Agent.Key == waiter.agent && record.IsClear() {
		if answer, err = d.config.Answer(r.Context(), record); err != nil {
			return err
		}
	}
	answer.After = d.pause()
	w.Header().Set("Content-Type", "application/json")
	return json.NewEncoder(w).Encode(answer)
}
