package notices

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/gitmetal/ingot/inventory/format"
)

// Bounds of a memory.
const (
	// MaxPending is how many bytes of events wait for receivers. Older events give way, and are counted as lost.
	MaxPending = 256 << 10
	maxText    = 64 << 20 // bytes of JSON
	// GroupPause is the time between two events of a group.
	GroupPause = 5 * time.Minute
)

// Memory is what must outlive the process: what was told, what waits to be sent, and what the forge shows. Make one
// with NewMemory.
type Memory struct {
	Told map[string]Told `json:"told,omitempty"`
	// Groups are the groups that had an event lately, with the time of the next.
	Groups map[string]time.Time `json:"groups,omitempty"`
	// Pending are the events that receivers have not taken yet, the oldest first.
	Pending []Pending `json:"pending,omitempty"`
	// Sent are the newest commit statuses on the forge, by context.
	Sent map[string][]Sent `json:"sent,omitempty"`
	// Unknown are the members of a newer ingot, written back unchanged.
	Unknown format.Unknown `json:"-"`

	groupPause time.Duration
}

// Told is a condition that holds: since when, and with which mark it was told; without a mark it was not told yet.
type Told struct {
	Kind  Kind
	Since int64 // seconds since 1970
	Mark  string
}

// Pending is an event with the names of the receivers that have not taken it yet.
type Pending struct {
	Event Event    `json:"event"`
	To    []string `json:"to"`
}

// NewMemory gives a memory of nothing. A pause of 0 between two events of a group is GroupPause.
func NewMemory(groupPause time.Duration) *Memory {
	m := &Memory{groupPause: groupPause}
	m.fillMaps()
	return m
}

func (m *Memory) pace() time.Duration {
	if m.groupPause == 0 {
		return GroupPause
	}
	return m.groupPause
}

// Encode gives the memory's bytes: JSON, compressed, so that a fleet of 10,000 held hosts fits into a value of the
// journal.
func (m *Memory) Encode() ([]byte, error) {
	text, err := format.Marshal(*m)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, _ = w.Write(text) // into memory
	err = w.Close()
	return out.Bytes(), err
}

// Decode reads a memory into an empty one. The error is format.ErrNewer if only a newer ingot may read it.
func (m *Memory) Decode(data []byte) error {
	r, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return err
	}
	text, err := io.ReadAll(io.LimitReader(r, maxText))
	if err != nil {
		return err
	}
	read := Memory{groupPause: m.groupPause}
	if err := format.Unmarshal(text, &read); err != nil {
		return err
	}
	read.fillMaps()
	*m = read
	return nil
}

// fillMaps makes the maps that an empty memory leaves out.
func (m *Memory) fillMaps() {
	if m.Told == nil {
		m.Told = map[string]Told{}
	}
	if m.Groups == nil {
		m.Groups = map[string]time.Time{}
	}
	if m.Sent == nil {
		m.Sent = map[string][]Sent{}
	}
}

// Queue has events wait for receivers, and gives how many each receiver loses for want of room.
func (m *Memory) Queue(events []Event, to func(Kind) []string) (lost map[string]int) {
	for _, e := range events {
		if names := to(e.Event); len(names) > 0 {
			m.Pending = append(m.Pending, Pending{e, names})
		}
	}
	lost = map[string]int{}
	size := 0
	for i := len(m.Pending) - 1; i >= 0; i-- {
		text, _ := json.Marshal(m.Pending[i]) // strings, numbers and times
		if size += len(text); size <= MaxPending {
			continue
		}
		for _, p := range m.Pending[:i+1] {
			for _, name := range p.To {
				lost[name]++
			}
		}
		m.Pending = m.Pending[i+1:]
		break
	}
	return lost
}

// MarshalText implements encoding.TextMarshaler: kind, time and mark, between spaces.
func (t Told) MarshalText() ([]byte, error) {
	return fmt.Appendf(nil, "%s %d %s", t.Kind, t.Since, t.Mark), nil
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (t *Told) UnmarshalText(text []byte) error {
	words := strings.Split(string(text), " ")
	if len(words) != 3 {
		return fmt.Errorf("%q is no kind, time and mark", text)
	}
	since, err := strconv.ParseInt(words[1], 10, 64)
	*t = Told{Kind(words[0]), since, words[2]}
	return err
}
