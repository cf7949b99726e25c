package door

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"time"

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
	answer, err := d.answerAgent(r.Context(), record, waiter.agent, m.Account)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	return json.NewEncoder(w).Encode(answer)
}

// soon is the pause of an agent whose BMC account is under way.
const soon = 5 * time.Second

// answerAgent is the answer to the agent of a record.
func (d *Door) answerAgent(ctx context.Context, record discovery.Record, agent string, report *wire.AccountReport) (answer wire.Waited,
	err error) {
	isOurs := record.Agent != nil && record.Agent.Key == agent
	var order *wire.AccountOrder
	if isOurs {
		if order, err = d.config.Account(ctx, record, report); err != nil {
			return wire.Waited{}, err
		}
	}
	if isOurs && order == nil && record.IsClear() {
		if answer, err = d.config.Answer(ctx, record); err != nil {
			return wire.Waited{}, err
		}
	}
	answer.Account, answer.After = order, d.pause()
	if isOurs && record.Account.IsUnderWay() {
		answer.After = min(answer.After, soon)
	}
	return answer, nil
}
