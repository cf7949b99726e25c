package redfish_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitmetal/ingot/boot/redfish"
	"github.com/gitmetal/ingot/internal/lab/replay"
	"github.com/gitmetal/ingot/internal/lab/rules"
)

func openShape(t *testing.T, server *replay.Server) *redfish.Client {
	t.Helper()
	c, err := redfish.Open(redfish.Config{Address: server.URL(), Username: "admin", Password: secretOf(password), TLS: redfish.TLS{FirstUse: true}})
	must(t, err)
	return c
}

// keep is a profile as a journal keeps it.
func keep(t *testing.T, p redfish.Profile) redfish.Profile {
	t.Helper()
	text, err := json.Marshal(p)
	must(t, err)
	var kept redfish.Profile
	must(t, json.Unmarshal(text, &kept))
	return kept
}

// setUp has a machine start from a medium.
func setUp(t *testing.T, c *redfish.Client) {
	t.Helper()
	_, err := c.System(t.Context())
	must(t, err)
	_, err = c.Insert(t.Context(), medium, secureMedium)
	must(t, err)
	_, err = c.SetBootOverride(t.Context(), redfish.FromMedium, redfish.Continuous)
	must(t, err)
}

// What one Client learned saves the next one requests: drives that need no read, refused forms, places of the override.
func TestAProfileOutlivesItsClient(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		want    redfish.Profile // beside manager, firmware and drives
		refused int             // requests that the first client is refused
	}{
		"two-names": {redfish.Profile{NoCD: []string{"/redfish/v1/Managers/1/VirtualMedia/2", "/redfish/v1/Systems/1/VirtualMedia/2"},
			SecondNames: map[string]string{"/redfish/v1/Systems/1/VirtualMedia/1": "/redfish/v1/Managers/1/VirtualMedia/1"}}, 0},
		"wants-https":             {redfish.Profile{HTTPSOnly: true}, 1},
		"nameless-parameter":      {redfish.Profile{InsertNeeds: []string{"UserName", "Password"}}, 1},
		"continuous-refused":      {redfish.Profile{OnceOnly: true}, 1},
		"mode-needed":             {redfish.Profile{WholeOverride: true}, 1},
		"settings-named-by-error": {redfish.Profile{Settings: "/redfish/v1/Systems/1/SD", WriteAt: "/redfish/v1/Systems/1/SD", ReadAt: "/redfish/v1/Systems/1/SD"}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := serveShape(t, name)
			first := openShape(t, server)
			setUp(t, first)
			writes, reads := server.Log().Counts().Writes, len(server.Requests())
			learned := first.Profile()
			test.want.Manager, test.want.Firmware, test.want.Drives = "/redfish/v1/Managers/1", "1.0", learned.Drives
			if diff := cmp.Diff(test.want, keep(t, learned)); diff != "" || len(learned.Drives) == 0 {
				t.Errorf("profile (-want +got):\n%s", diff)
			}
			must(t, first.Eject(t.Context()))
			must(t, first.ClearBootOverride(t.Context()))
			must(t, first.Close(t.Context()))

			second := openShape(t, server)
			second.UseProfile(keep(t, learned))
			before := len(server.Requests())
			writesBefore := server.Log().Counts().Writes
			setUp(t, second)
			if got := server.Log().Counts().Writes - writesBefore; got != writes-test.refused {
				t.Errorf("the second client sent %d changes, the first %d, of which %d were refused", got, writes, test.refused)
			}
			if got := len(server.Requests()) - before; got > reads+2 { // the firmware, and the settings object from the start on
				t.Errorf("the second client made %d requests, the first %d", got, reads)
			}
			for at, want := range map[string]int{"/redfish/v1/Managers/1/VirtualMedia/2": 1, "/redfish/v1/Systems/1/VirtualMedia/1": 1} {
				if got := server.Reads(at); got > want {
					t.Errorf("%s was read %d times", at, got)
				}
			}
			if diff := cmp.Diff(keep(t, learned), keep(t, second.Profile())); diff != "" {
				t.Errorf("the second client's profile (-first +second):\n%s", diff)
			}
		})
	}
}

// After an update of the BMC nothing of the profile counts.
func TestAProfileOfAnEarlierFirmware(t *testing.T) {
	t.Parallel()
	server := serveShape(t, "well-behaved")
	c := openShape(t, server)
	c.UseProfile(redfish.Profile{Manager: "/redfish/v1/Managers/1", Firmware: "0.9",
		Drives: []string{"/redfish/v1/Managers/1/VirtualMedia/1"}, NoCD: []string{"/redfish/v1/Managers/1/VirtualMedia/1"},
		OnceOnly: true, InsertNeeds: []string{"MediaType"}, WriteAt: "/redfish/v1/Systems/1/Gone", ReadAt: "/redfish/v1/Systems/1/Gone"})
	list, err := rules.Read([]byte(`[{"match": {"method": "POST", "body": {"MediaType": "CD"}}, "then": {"status": 418}},
		{"match": {"method": "PATCH", "body": {"Boot": {"BootSourceOverrideEnabled": "Once"}}}, "then": {"status": 418}}]`))
	must(t, err)
	server.Rules().Put(list)
	_, err = c.Media(t.Context())
	must(t, err)
	setUp(t, c)
	for _, r := range server.Requests() {
		if r.Method != http.MethodGet && strings.Contains(r.Path, "Gone") {
			t.Errorf("%s %s", r.Method, r.Path)
		}
	}
	if got := c.Profile(); got.Firmware != "1.0" || got.OnceOnly || got.WriteAt != "" || len(got.NoCD) > 0 {
		t.Errorf("profile = %+v", got)
	}
}
