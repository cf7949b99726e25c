package hub_test

import (
	"bytes"
	"net/http"
	"testing"

	"github.com/gitmetal/ingot/agent/wire"
)

// TestAnImageIsLookedAtBeforeLeave: an agent that writes images itself reads the beginning of an image before leave, in whatever range it asks
// for, and the whole of a qcow2 file; after leave it reads everything. No other agent reads a byte before leave.
func TestAnImageIsLookedAtBeforeLeave(t *testing.T) {
	t.Parallel()
	const look = 4 << 20
	raw := bytes.Repeat([]byte("an operating system "), look/16)
	qcow2 := append([]byte("QFI\xfb"), raw...)
	for name, test := range map[string]struct {
		image []byte
		plain bool
		want  int // bytes before leave
	}{
		"by coreos-installer":   {raw, false, 0},
		"by the agent":          {raw, true, look},
		"by the agent, short":   {raw[:1000], true, 1000},
		"by the agent, qcow2":   {qcow2, true, len(qcow2)},
		"qcow2 by an installer": {qcow2, false, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.images.(shelf)[digestOf(test.image)] = test.image
			agent := r.agent("web-03", "boot1", 4)
			job := install("op1", 1, 4)
			job.Steps[0].Install.Plain = test.plain
			job.Steps[0].Install.Image = wire.Image{SHA256: digestOf(test.image), Size: int64(len(test.image))}
			r.assign("web-03", job)
			agent.want(wire.PathNextJob, wire.Poll{}, http.StatusOK)
			fetch := func(span string) (int, []byte) {
				return agent.do(http.MethodGet, imagePath+digestOf(test.image), nil, span)
			}
			if status, got := fetch(""); status == http.StatusOK != test.plain || test.plain && !bytes.Equal(got, test.image[:test.want]) {
				t.Errorf("before leave %d bytes, status %d, want %d bytes", len(got), status, test.want)
			}
			if status, _ := fetch("bytes=5000000-"); status == http.StatusPartialContent && test.want < 5000000 {
				t.Errorf("before leave what lies behind the beginning is served")
			}
			r.letWrite(agent)
			if status, got := fetch(""); status != http.StatusOK || !bytes.Equal(got, test.image) {
				t.Errorf("after leave %d bytes, status %d, want %d bytes", len(got), status, len(test.image))
			}
		})
	}
}
