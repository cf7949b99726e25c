package hub_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"testing"

	"github.com/gitmetal/ingot/agent/wire"
)

// configured is an install with a config of that many bytes.
func configured(id string, attempt, size int) (wire.Job, []byte) {
	job := install(id, attempt, 4)
	config := bytes.Repeat([]byte("canary "), size/7)
	job.Steps[0].Install.Ignition = config
	return job, config
}

func (c *caller) next() wire.Job {
	c.rig.t.Helper()
	var job wire.Job
	if err := json.Unmarshal(c.want(wire.PathNextJob, wire.Poll{}, http.StatusOK), &job); err != nil {
		c.rig.t.Fatal(err)
	}
	return job
}

func (c *caller) wantConfig(job string, status int, config []byte) {
	c.rig.t.Helper()
	got, body := c.do(http.MethodGet, "/v1/jobs/"+job+"/config", nil, "")
	if got != status || status == http.StatusOK && !bytes.Equal(body, config) {
		c.rig.t.Errorf("GET the config of %s = %d with %d bytes, want %d with %d", job, got, len(body), status,
			len(config))
	}
}

func TestASmallConfigIsInTheJob(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	agent := r.agent("web-03", "boot1", 4)
	small, config := configured("op1", 1, 1<<20)
	r.assign("web-03", small)
	job := agent.next()
	if i := job.Steps[0].Install; job.Kind != wire.JobWrite || !bytes.Equal(i.Ignition, config) || i.Config != nil {
		t.Errorf("job = %s with %d bytes of config and reference %v, want it whole", job.Kind, len(i.Ignition),
			i.Config)
	}
}

func TestALargeConfigIsFetched(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	agent, other := r.agent("web-03", "boot1", 4), r.agent("web-04", "boot1", 4)
	large, config := configured("op1", 1, 5<<20)
	r.assign("web-03", large)
	job := agent.next()
	i := job.Steps[0].Install
	if job.Kind != wire.JobWrite || len(i.Ignition) != 0 || i.Config == nil ||
		i.Config.Size != int64(len(config)) || i.Config.SHA256 != digestOf(config) {
		t.Fatalf("job = %s with %d bytes of config and reference %v, want the reference alone", job.Kind,
			len(i.Ignition), i.Config)
	}
	agent.wantConfig("op1", http.StatusOK, config)
	agent.wantConfig("op1", http.StatusOK, config) // the first answer may have been lost
	agent.wantConfig("op2", http.StatusGone, nil)
	other.wantConfig("op1", http.StatusServiceUnavailable, nil)
	r.caller().wantConfig("op1", http.StatusUnauthorized, nil)
	for host, document := range r.store.data {
		if bytes.Contains(document, []byte("canary")) {
			t.Errorf("the store of %s holds the config", host)
		}
	}
	agent.want("/v1/jobs/op1/result", wire.Result{Attempt: 1, OK: true}, http.StatusNoContent)
	agent.wantConfig("op1", http.StatusGone, nil)
}

func TestAConfigIsNotKnownAfterARestart(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	agent := r.agent("web-03", "boot1", 4)
	large, config := configured("op1", 1, 5<<20)
	r.assign("web-03", large)
	agent.next()
	r.start()
	agent.use(agent.leaf)
	agent.wantConfig("op1", http.StatusNotFound, nil)
	r.assign("web-03", large)
	agent.wantConfig("op1", http.StatusOK, config)
}

func TestAPollNamesTheAttemptItAnswersWith(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	agent := r.agent("web-03", "boot1", 4)
	r.assign("web-03", install("op1", 3, 4))
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, r.server.URL+wire.PathNextJob,
		bytes.NewReader([]byte("{}")))
	if err != nil {
		t.Fatal(err)
	}
	response, err := agent.client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if id, attempt := response.Header.Get("Ingot-Job"), response.Header.Get("Ingot-Attempt"); id != "op1" ||
		attempt != "3" {
		t.Errorf("headers name job %q, attempt %q, want op1, 3", id, attempt)
	}
}
