package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/gitmetal/ingot/agent/hub/door"
	"github.com/gitmetal/ingot/agent/wire"
	"github.com/gitmetal/ingot/internal/daemon/accounts"
	"github.com/gitmetal/ingot/internal/daemon/deliveries"
	"github.com/gitmetal/ingot/internal/daemon/known"
	"github.com/gitmetal/ingot/internal/daemon/proposals"
	"github.com/gitmetal/ingot/internal/daemon/rotations"
	"github.com/gitmetal/ingot/internal/daemon/waiting"
	"github.com/gitmetal/ingot/inventory/discovery"
	"github.com/gitmetal/ingot/inventory/discovery/records"
	"github.com/gitmetal/ingot/inventory/proposal"
	"github.com/gitmetal/ingot/schemas"
)

// discoveries is the daemon's knowledge of unknown machines.
type discoveries struct {
	*records.Store
	door       *door.Door
	proposer   *proposals.Proposer
	accounts   *accounts.Runner
	waiting    *waiting.Answerer
	rotations  *rotations.Keeper
	deliveries *deliveries.Keeper

	mu    sync.Mutex
	known known.Cache
	trunk proposal.Trunk // as loaded last
}

// openDiscovery opens the records of unknown machines, and the door for them.
func (d *Daemon) openDiscovery(context.Context) error {
	store, err := records.Open(records.Config{Dir: filepath.Join(d.config.StateDir, "discovery"),
		Inventories: filepath.Join(d.config.StateDir, "inventory"), Log: d.log, Notify: d.wakeDiscovery})
	if err != nil {
		return err
	}
	d.discoveries.Store = store
	if err := d.openProposals(); err != nil {
		return err
	}
	d.discoveries.waiting = waiting.New(waiting.Config{Hosts: func() waiting.Hosts { return d.loop }, MayAct: d.mayAct, Records: store, Hub: d.hub, Log: d.log})
	d.discoveries.door = door.New(door.Config{Identity: d.identity, Records: store, Keys: d.enrolmentKeys,
		Known: d.knownMachines, Answer: d.discoveries.waiting.Answer, Account: d.discoveries.accounts.Answer, Log: d.log})
	return nil
}

// enrolmentKeys are the keys of the accepted fleet; false while no fleet is known.
func (d *Daemon) enrolmentKeys() ([]schemas.EnrolmentKey, bool) {
	fleet, known := d.loop.Fleet()
	if fleet.Settings.Discovery == nil {
		return nil, known
	}
	return fleet.Settings.Discovery.Keys, known
}

// knownMachines are the hosts of the fleet, and the machines that the journal knows.
func (d *Daemon) knownMachines() *discovery.Known {
	return d.discoveries.known.Machines(d.loop)
}

// addDiscoveryRoutes adds what operators ask of discovery.
func (d *Daemon) addDiscoveryRoutes(api *http.ServeMux) {
	api.HandleFunc("GET /v1/discovered", func(w http.ResponseWriter, _ *http.Request) {
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(stall)) // not every writer has deadlines
		writeJSON(w, Discovered{Records: d.discoveries.List(), Refused: d.discoveries.Refused()})
	})
	api.HandleFunc("GET /v1/discovered/{record}", d.answerRecord(func(w http.ResponseWriter, id discovery.ID) error {
		record, err := d.discoveries.Get(id)
		if err == nil {
			writeJSON(w, record)
		}
		return err
	}))
	api.HandleFunc("GET /v1/discovered/{record}/inventory", d.answerRecord(func(w http.ResponseWriter, id discovery.ID) error {
		report, err := d.discoveries.ReadInventory(id)
		if err == nil {
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write(report) // the reader went away
		}
		return err
	}))
	api.HandleFunc("POST /v1/discovered/{record}/forget", func(w http.ResponseWriter, r *http.Request) {
		id := r.PathValue("record")
		d.performAct(w, r, "forgot the discovered machine "+id, func() error { return d.discoveries.Forget(discovery.ID(id)) })
	})
	api.HandleFunc("POST /v1/discovered/{record}/propose", func(w http.ResponseWriter, r *http.Request) {
		id := r.PathValue("record")
		d.performAct(w, r, "asked for the proposal of the discovered machine "+id,
			func() error { return d.discoveries.proposer.Propose(r.Context(), discovery.ID(id)) })
	})
	api.HandleFunc("POST /v1/discovered/{record}/retry", func(w http.ResponseWriter, r *http.Request) {
		id := r.PathValue("record")
		d.performAct(w, r, "had the BMC account of the discovered machine "+id+" tried again",
			func() error { return d.discoveries.accounts.Retry(discovery.ID(id)) })
	})
	api.HandleFunc("POST /v1/discovery/media/{key}", d.answerMedium)
	api.HandleFunc("POST /v1/discover", d.answerDiscover)
}

// answerRecord answers a request about a record.
func (d *Daemon) answerRecord(answer func(http.ResponseWriter, discovery.ID) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(stall)) // not every writer has deadlines
		switch err := answer(w, discovery.ID(r.PathValue("record"))); {
		case errors.Is(err, records.ErrUnknown):
			http.Error(w, err.Error(), http.StatusNotFound)
		case err != nil:
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	}
}

// answerMedium answers with the boot configuration of a discovery medium, which holds an enrolment key.
func (d *Daemon) answerMedium(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("key")
	keys, known := d.enrolmentKeys()
	i := slices.IndexFunc(keys, func(k schemas.EnrolmentKey) bool { return k.ID == id })
	switch {
	case !known:
		http.Error(w, "no fleet is accepted yet: `ingot status` says why", http.StatusBadRequest)
		return
	case i < 0:
		http.Error(w, fmt.Sprintf("the fleet has no enrolment key %q: add it to spec.discovery.keys of ingot.yaml", id),
			http.StatusBadRequest)
		return
	case door.HasEnded(keys[i], time.Now()):
		http.Error(w, fmt.Sprintf("the last day of enrolment key %s was %s: write a later one in ingot.yaml", id,
			keys[i].Until), http.StatusBadRequest)
		return
	}
	boot := door.BootConfig(d.identity, keys[i], d.config.Advertise.Agents, time.Now())
	body, err := json.Marshal(boot)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	d.performAct(&answerer{w, body}, r, "made a discovery medium with enrolment key "+id, func() error { return nil })
}

// answerer answers with a body where an act is answered without one.
type answerer struct {
	http.ResponseWriter
	body []byte
}

// WriteHeader implements http.ResponseWriter.
func (a *answerer) WriteHeader(status int) {
	if status != http.StatusNoContent {
		a.ResponseWriter.WriteHeader(status)
		return
	}
	a.Header().Set("Content-Type", "application/json")
	_, _ = a.Write(a.body) // the reader went away
}

// Discovered are the records of unknown machines, without their facts.
type Discovered struct {
	Records []discovery.Record `json:"records"`
	// Refused are the machines for which an enrolment key was used up since the start, by the key's id.
	Refused map[string]int `json:"refused,omitempty"`
}

// ListDiscovered gives the records of unknown machines.
func (c *Client) ListDiscovered(ctx context.Context) (list Discovered, err error) {
	return list, c.readJSON(ctx, http.MethodGet, "/v1/discovered", &list)
}

// ReadDiscovered gives the record of an unknown machine, with its facts.
func (c *Client) ReadDiscovered(ctx context.Context, id discovery.ID) (r discovery.Record, err error) {
	return r, c.readJSON(ctx, http.MethodGet, "/v1/discovered/"+string(id), &r)
}

// ReadInventory gives the whole report of an unknown machine.
func (c *Client) ReadInventory(ctx context.Context, id discovery.ID) (report json.RawMessage, err error) {
	return report, c.readJSON(ctx, http.MethodGet, "/v1/discovered/"+string(id)+"/inventory", &report)
}

// ProposeDiscovered makes the proposal of an unknown machine at once, also one that was declined.
func (c *Client) ProposeDiscovered(ctx context.Context, id discovery.ID) error {
	return c.sendPost(ctx, "/v1/discovered/"+string(id)+"/propose")
}

// ForgetDiscovered drops the record of an unknown machine.
func (c *Client) ForgetDiscovered(ctx context.Context, id discovery.ID) error {
	return c.sendPost(ctx, "/v1/discovered/"+string(id)+"/forget")
}

// RetryDiscovered tries the failed BMC account of an unknown machine again.
func (c *Client) RetryDiscovered(ctx context.Context, id discovery.ID) error {
	return c.sendPost(ctx, "/v1/discovered/"+string(id)+"/retry")
}

// DiscoveryMedium gives the boot configuration of a discovery medium with an enrolment key of the accepted fleet.
func (c *Client) DiscoveryMedium(ctx context.Context, key string) (boot wire.BootConfig, err error) {
	return boot, c.readJSON(ctx, http.MethodPost, "/v1/discovery/media/"+key, &boot)
}

// answerWithin is how long an answer may take: that about a whole range takes more than 4 minutes.
const answerWithin = 6 * time.Minute

// readJSON sends a request and reads the answer.
func (c *Client) readJSON(ctx context.Context, method, path string, into any) error {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, "http://ingot"+path, http.NoBody)
	if err != nil {
		return err
	}
	response, err := c.sendRequest(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return refusalError(response)
	}
	if err := json.NewDecoder(http.MaxBytesReader(nil, response.Body, maxView)).Decode(into); err != nil {
		return fmt.Errorf("read the daemon's answer: %w", err)
	}
	return nil
}
