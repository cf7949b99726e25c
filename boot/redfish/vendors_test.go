package redfish_test

import (
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gitmetal/ingot/boot/redfish"
	"github.com/gitmetal/ingot/inventory"
)

// vendor is a BMC of which only some documents matter: GET answers from docs, every other request is kept and answered by
// answers, or with 204.
type vendor struct {
	*httptest.Server
	mu      sync.Mutex
	docs    map[string]string
	answers map[string]func(http.ResponseWriter, *vendor) // by "METHOD path"
	sent    []string
}

func newVendor(t *testing.T, docs map[string]string, answers map[string]func(http.ResponseWriter, *vendor)) *vendor {
	t.Helper()
	v := &vendor{docs: map[string]string{"/redfish/v1/": `{"@odata.id":"/redfish/v1/","Systems":{"@odata.id":"/redfish/v1/Systems"},"Managers":{"@odata.id":"/redfish/v1/Managers"}}`}}
	for path, doc := range docs {
		v.docs[path] = doc
	}
	v.answers = answers
	v.Server = httptest.NewTLSServer(v)
	t.Cleanup(v.Close)
	return v
}

// ServeHTTP implements http.Handler.
func (v *vendor) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	v.mu.Lock()
	defer v.mu.Unlock()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	key := r.Method + " " + r.URL.RequestURI()
	if r.Method != http.MethodGet {
		line := strings.TrimSpace(key + " " + string(body))
		if tag := r.Header.Get("If-Match"); tag != "" {
			line += " If-Match " + tag
		}
		v.sent = append(v.sent, line)
	}
	doc, known := v.docs[r.URL.RequestURI()]
	switch answer := v.answers[key]; {
	case answer != nil:
		answer(w, v)
	case r.Method != http.MethodGet:
		w.WriteHeader(http.StatusNoContent)
	case !known:
		w.WriteHeader(http.StatusNotFound)
	default:
		_, _ = io.WriteString(w, doc)
	}
}

func (v *vendor) open(t *testing.T, path string) *redfish.Client {
	t.Helper()
	c, err := redfish.Open(redfish.Config{Address: v.URL + path, Username: "admin of " + t.Name(), Password: secretOf(password), TLS: redfish.TLS{FirstUse: true}})
	must(t, err)
	return c
}

func (v *vendor) wantSent(t *testing.T, want ...string) {
	t.Helper()
	v.mu.Lock()
	defer v.mu.Unlock()
	if diff := cmp.Diff(want, v.sent); diff != "" {
		t.Errorf("sent (-want +got):\n%s", diff)
	}
}

const one = "/redfish/v1/Systems/1"

// system is a ComputerSystem with more members after the usual ones.
func system(more string) string {
	return `{"@odata.id":"` + one + `","@odata.etag":"W/\"1\"","PowerState":"Off"` + more + `}`
}

func answerWith(status int, body string) func(http.ResponseWriter, *vendor) {
	return func(w http.ResponseWriter, _ *vendor) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// turnTo changes the System and answers 204.
func turnTo(more string) func(http.ResponseWriter, *vendor) {
	return func(w http.ResponseWriter, v *vendor) {
		v.docs[one] = system(more)
		w.WriteHeader(http.StatusNoContent)
	}
}

func TestSupermicroStartsUsbCdAndGetsTheWholeOverride(t *testing.T) {
	t.Parallel()
	const boot = `,"Manufacturer":"Supermicro","Boot":{"BootSourceOverrideTarget":"%s","BootSourceOverrideEnabled":"%s","BootSourceOverrideTarget@Redfish.AllowableValues":["None","Cd","UsbCd"]}`
	v := newVendor(t, map[string]string{one: system(fmt.Sprintf(boot, "UsbCd", "Once"))},
		map[string]func(http.ResponseWriter, *vendor){"PATCH " + one: turnTo(fmt.Sprintf(boot, "UsbCd", "Once"))})
	got, err := v.open(t, one).SetBootOverride(t.Context(), redfish.FromMedium, redfish.Once)
	if err != nil || got.Target != "UsbCd" {
		t.Fatalf("SetBootOverride = %+v, %v", got, err)
	}
	v.wantSent(t, `PATCH `+one+` {"Boot":{"BootSourceOverrideEnabled":"Once","BootSourceOverrideMode":"UEFI","BootSourceOverrideTarget":"UsbCd"}} If-Match W/"1"`)
}

// TestChangedETagIsReadAgain: the System changes between our read and our PATCH, and the BMC insists on its newest ETag.
func TestChangedETagIsReadAgain(t *testing.T) {
	t.Parallel()
	const boot = `,"Boot":{"BootSourceOverrideTarget":"%s","BootSourceOverrideEnabled":"%s","BootSourceOverrideMode":"UEFI"}`
	newest := func(doc string) string { return strings.Replace(doc, `W/\"1\"`, `\"2\"`, 1) }
	v := newVendor(t, map[string]string{one: system(fmt.Sprintf(boot, "None", "Disabled"))}, map[string]func(http.ResponseWriter, *vendor){
		"PATCH " + one: func(w http.ResponseWriter, v *vendor) {
			if strings.HasSuffix(v.sent[len(v.sent)-1], `If-Match "2"`) {
				v.docs[one] = newest(system(fmt.Sprintf(boot, "Hdd", "Once")))
				w.WriteHeader(http.StatusNoContent)
				return
			}
			v.docs[one] = newest(v.docs[one])
			w.WriteHeader(http.StatusPreconditionFailed)
		},
	})
	_, err := v.open(t, one).SetBootOverride(t.Context(), redfish.FromDisk, redfish.Once)
	must(t, err)
	const body = `PATCH ` + one + ` {"Boot":{"BootSourceOverrideEnabled":"Once","BootSourceOverrideTarget":"Hdd"}} If-Match `
	v.wantSent(t, body+`W/"1"`, body+`"2"`)
}

func TestOverrideGoesToTheSettingsWhereTheSystemIsReadOnly(t *testing.T) {
	t.Parallel()
	const boot = `,"@Redfish.Settings":{"SettingsObject":{"@odata.id":"/redfish/v1/Systems/1/Settings"}},"Boot":{"BootSourceOverrideTarget":"%s","BootSourceOverrideEnabled":"%s","BootSourceOverrideMode":"UEFI"}`
	v := newVendor(t, map[string]string{one: system(fmt.Sprintf(boot, "None", "Disabled"))}, map[string]func(http.ResponseWriter, *vendor){
		"PATCH " + one:               answerWith(http.StatusMethodNotAllowed, `{"error":{"message":"read-only"}}`),
		"PATCH " + one + "/Settings": turnTo(fmt.Sprintf(boot, "Cd", "Continuous")),
	})
	_, err := v.open(t, one).SetBootOverride(t.Context(), redfish.FromMedium, redfish.Continuous)
	must(t, err)
	const body = `{"Boot":{"BootSourceOverrideEnabled":"Continuous","BootSourceOverrideTarget":"Cd"}}`
	v.wantSent(t, `PATCH `+one+` `+body+` If-Match W/"1"`, `PATCH `+one+`/Settings `+body)
}

func TestOverrideWithoutATargetForTheMedium(t *testing.T) {
	t.Parallel()
	v := newVendor(t, map[string]string{one: system(`,"Boot":{"BootSourceOverrideTarget@Redfish.AllowableValues":["None","Pxe"]}`)}, nil)
	_, err := v.open(t, one).SetBootOverride(t.Context(), redfish.FromMedium, redfish.Once)
	wantKind(t, err, redfish.Refused)
	if !strings.Contains(err.Error(), "only None, Pxe") {
		t.Errorf("error = %v", err)
	}
	v.wantSent(t)
}

func TestResetTypeComesFromWhatIsOffered(t *testing.T) {
	t.Parallel()
	const action = `,"Actions":{"#ComputerSystem.Reset":{"target":"/redfish/v1/reset","@Redfish.ActionInfo":"/redfish/v1/info"}}`
	const info = `{"@odata.id":"/redfish/v1/info","Parameters":[{"Name":"ResetType","AllowableValues":["PushPowerButton","PowerCycle","ForceOff"]}]}`
	on := strings.Replace(system(action), `"Off"`, `"On"`, 1)
	unknown := strings.Replace(system(action), `"Off"`, `null`, 1)
	tests := map[string]struct {
		system string
		want   redfish.ResetType
		sent   []string // nil: refused without a request
	}{
		"on, seen off once": {system(action), redfish.PowerOn, nil},
		"on, when unknown":  {unknown, redfish.PowerOn, nil},
		"off, when unknown": {unknown, redfish.ForceOff, []string{`POST /redfish/v1/reset {"ResetType":"ForceOff"}`}},
		"restart":           {on, redfish.ForceRestart, []string{`POST /redfish/v1/reset {"ResetType":"PowerCycle"}`}},
		"graceful":          {on, redfish.GracefulShutdown, nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := newVendor(t, map[string]string{one: test.system, "/redfish/v1/info": info}, nil)
			err := v.open(t, one).Reset(t.Context(), test.want)
			if test.sent == nil {
				wantKind(t, err, redfish.Refused)
			} else {
				must(t, err)
			}
			v.wantSent(t, test.sent...)
		})
	}
}

// Where there is only a button, it is pushed when the machine was off at two readings in a row that are 30 s apart: a BMC may be behind the times.
func TestTheButtonIsPushedAtTheSecondOff(t *testing.T) {
	t.Parallel()
	const action = `,"Actions":{"#ComputerSystem.Reset":{"target":"/redfish/v1/reset","ResetType@Redfish.AllowableValues":["PushPowerButton","ForceOff"]}}`
	off := system(action)
	on := strings.Replace(off, `"Off"`, `"On"`, 1)
	v := newVendor(t, map[string]string{one: off}, nil)
	now := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	c, err := redfish.Open(redfish.Config{Address: v.URL + one, Username: "admin", Password: secretOf(password), TLS: redfish.TLS{FirstUse: true}, Now: func() time.Time { return now }})
	must(t, err)
	push := func(after time.Duration, shown string) error {
		now = now.Add(after)
		v.mu.Lock()
		v.docs[one] = shown
		v.mu.Unlock()
		return c.Reset(t.Context(), redfish.PowerOn)
	}
	for _, look := range []struct {
		after time.Duration
		shown string
	}{{0, off}, {29 * time.Second, off}, {time.Second / 2, on}, {time.Second, off}, {29 * time.Second, off}} {
		if err := push(look.after, look.shown); look.shown == off {
			if got := asKind(t, err, redfish.Refused); !got.Temporary {
				t.Errorf("error = %v, want it temporary", got)
			}
		} else {
			must(t, err)
		}
	}
	v.wantSent(t)
	must(t, push(time.Second, off))
	v.wantSent(t, `POST /redfish/v1/reset {"ResetType":"PushPowerButton"}`)
}

// Whoever powers a machine on learns whether it was on already.
func TestAPowerOnThatFindsTheMachineOn(t *testing.T) {
	t.Parallel()
	const action = `,"Actions":{"#ComputerSystem.Reset":{"target":"/redfish/v1/reset"}}`
	for state, want := range map[string]bool{"On": true, "Off": false} {
		v := newVendor(t, map[string]string{one: strings.Replace(system(action), `"Off"`, `"`+state+`"`, 1)}, nil)
		if already, err := v.open(t, one).Change(t.Context(), redfish.PowerOn); err != nil || already != want {
			t.Errorf("%s: Change = %t, %v; want %t", state, already, err, want)
		}
	}
}

func TestRefusedResetThatIsSoAlready(t *testing.T) {
	t.Parallel()
	const action = `,"Actions":{"#ComputerSystem.Reset":{"target":"/redfish/v1/reset"}}`
	v := newVendor(t, map[string]string{one: system(action)}, map[string]func(http.ResponseWriter, *vendor){
		"POST /redfish/v1/reset": func(w http.ResponseWriter, v *vendor) {
			v.docs[one] = strings.Replace(system(action), `"Off"`, `"On"`, 1)
			w.WriteHeader(http.StatusConflict)
		},
	})
	must(t, v.open(t, one).Reset(t.Context(), redfish.PowerOn))
}

func TestTasksByOtherWays(t *testing.T) {
	t.Parallel()
	const action = `,"Actions":{"#ComputerSystem.Reset":{"target":"/redfish/v1/reset"}}`
	for state, good := range map[string]bool{"Completed": true, "Exception": false} {
		v := newVendor(t, map[string]string{
			one: system(action), "/redfish/v1/tasks/7": `{"@odata.id":"/redfish/v1/tasks/7","TaskState":"` + state + `"}`,
		}, map[string]func(http.ResponseWriter, *vendor){
			"POST /redfish/v1/reset": answerWith(http.StatusAccepted, `{"@odata.id":"/redfish/v1/tasks/7","TaskState":"New"}`),
		})
		err := v.open(t, one).Reset(t.Context(), redfish.PowerOn)
		if good {
			must(t, err)
		} else if got := asKind(t, err, redfish.Refused); !got.Temporary {
			t.Errorf("error = %v, want it temporary", got)
		}
	}
}

func TestSeveralSystemsNeedAPath(t *testing.T) {
	t.Parallel()
	v := newVendor(t, map[string]string{
		"/redfish/v1/Systems":     `{"Members":[{"@odata.id":"/redfish/v1/Systems/1"}],"Members@odata.nextLink":"/redfish/v1/Systems?p=2"}`,
		"/redfish/v1/Systems?p=2": `{"Members":[{},{"@odata.id":"/redfish/v1/Systems/2"}]}`,
	}, nil)
	_, err := v.open(t, "").System(t.Context())
	wantKind(t, err, redfish.Refused)
	if !strings.Contains(err.Error(), "2 systems: /redfish/v1/Systems/1, /redfish/v1/Systems/2") {
		t.Errorf("error = %v", err)
	}
}

func TestMediaOfAllManagersWhenTheSystemNamesNone(t *testing.T) {
	t.Parallel()
	v := newVendor(t, map[string]string{
		one:                           system(""),
		"/redfish/v1/Managers":        `{"Members":[{"@odata.id":"/redfish/v1/Managers/bmc"}]}`,
		"/redfish/v1/Managers/bmc":    `{"@odata.id":"/redfish/v1/Managers/bmc","VirtualMedia":{"@odata.id":"/redfish/v1/Managers/bmc/VM"}}`,
		"/redfish/v1/Managers/bmc/VM": `{"Members":[{"@odata.id":"/redfish/v1/vm/floppy"},{"@odata.id":"/redfish/v1/vm/dvd"}]}`,
		"/redfish/v1/vm/floppy":       `{"@odata.id":"/redfish/v1/vm/floppy","Id":"floppy","MediaTypes":["Floppy"]}`,
		"/redfish/v1/vm/dvd":          `{"@odata.id":"/redfish/v1/vm/dvd","Id":"dvd","MediaTypes":["DVD"],"Image":"http://h/left.iso"}`,
	}, nil)
	got, err := v.open(t, one).Media(t.Context())
	must(t, err)
	want := []redfish.Slot{
		{Path: "/redfish/v1/vm/dvd", ID: "dvd", Types: []string{"DVD"}, Inserted: true, Image: "http://h/left.iso", Usable: true},
		{Path: "/redfish/v1/vm/floppy", ID: "floppy", Types: []string{"Floppy"}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Media (-want +got):\n%s", diff)
	}
}

func TestNoDriveForAMedium(t *testing.T) {
	t.Parallel()
	v := newVendor(t, map[string]string{one: system(""), "/redfish/v1/Managers": `{"Members":[]}`}, nil)
	c := v.open(t, one)
	_, err := c.Insert(t.Context(), medium)
	wantKind(t, err, redfish.Refused)
	report, err := c.Check(t.Context())
	must(t, err)
	if report.Usable {
		t.Errorf("a BMC without virtual media was found usable: %+v", report.Findings)
	}
	v.wantSent(t)
}

func TestLoginRefusedInOtherWords(t *testing.T) {
	t.Parallel()
	root := map[string]string{
		"/redfish/v1/": `{"Systems":{"@odata.id":"/redfish/v1/Systems"},"Links":{"Sessions":{"@odata.id":"/redfish/v1/Sessions"}}}`,
		one:            system(""), // there for whoever falls back to Basic authentication
	}
	tests := map[string]struct {
		status int
		body   string
		kind   redfish.Kind
	}{
		"iLO":             {400, `{"error":{"@Message.ExtendedInfo":[{"MessageId":"iLO.2.14.UnauthorizedLoginAttempt"}]}}`, redfish.Unauthorized},
		"forbidden":       {403, `{}`, redfish.Unauthorized},
		"BMC starting up": {503, `{}`, redfish.Refused},
	}
	for name, test := range tests {
		v := newVendor(t, root, map[string]func(http.ResponseWriter, *vendor){"POST /redfish/v1/Sessions": answerWith(test.status, test.body)})
		_, err := v.open(t, one).System(t.Context())
		if got := asKind(t, err, test.kind); got.Reach() == inventory.Reached {
			t.Errorf("%s: reach %s", name, got.Reach())
		}
	}
}

func TestSessionWithoutALocation(t *testing.T) {
	t.Parallel()
	v := newVendor(t, map[string]string{
		"/redfish/v1/": `{"Systems":{"@odata.id":"/redfish/v1/Systems"},"Links":{"Sessions":{"@odata.id":"/redfish/v1/Sessions"}}}`, one: system(""),
	}, map[string]func(http.ResponseWriter, *vendor){"POST /redfish/v1/Sessions": func(w http.ResponseWriter, _ *vendor) {
		w.Header().Set("X-Auth-Token", "t")
		w.WriteHeader(http.StatusCreated)
		_, _ = io.WriteString(w, `{"@odata.id":"/redfish/v1/Sessions/9"}`)
	}})
	c := v.open(t, one)
	_, err := c.System(t.Context())
	must(t, err)
	must(t, c.Close(t.Context()))
	v.wantSent(t, `POST /redfish/v1/Sessions {"Password":"`+password+`","UserName":"admin of `+t.Name()+`"}`, "DELETE /redfish/v1/Sessions/9")
}

func TestCAOfTheBMC(t *testing.T) {
	t.Parallel()
	v := newVendor(t, map[string]string{one: system("")}, nil)
	c, err := redfish.Open(redfish.Config{Address: v.URL + one, Username: "admin", Password: secretOf(password), TLS: redfish.TLS{
		CA: string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: v.Certificate().Raw})),
	}})
	must(t, err)
	if got, err := c.System(t.Context()); err != nil || got.Power != inventory.PoweredOff {
		t.Errorf("System = %+v, %v", got, err)
	}
}

// What BMCs say of the serial console, as of the last look: nothing is asked for it.
func TestConsole(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, says string
		want       *redfish.SerialConsole
		verdict    redfish.Verdict
	}{
		{"none", ``, nil, redfish.Limited},
		{"IPMI alone", `,"SerialConsole":{"IPMI":{"ServiceEnabled":true,"Port":623}}`, nil, redfish.Limited},
		{"a raw port", `,"SerialConsole":{"MaxConcurrentSessions":15,"SSH":{"HotKeySequenceDisplay":"Press ~. to exit console","Port":2200,"ServiceEnabled":true}}`, &redfish.SerialConsole{Enabled: true, Port: 2200}, redfish.Good},
		{"behind a command line", `,"SerialConsole":{"SSH":{"ConsoleEntryCommand":"console com2","SharedWithManagerCLI":true,"ServiceEnabled":true}}`, &redfish.SerialConsole{Enabled: true, Port: 22, Shared: true, Entry: "console com2"}, redfish.Good},
		{"no way in", `,"SerialConsole":{"SSH":{"SharedWithManagerCLI":true,"ServiceEnabled":true,"Port":22}}`, &redfish.SerialConsole{Enabled: true, Port: 22, Shared: true}, redfish.Limited},
		{"switched off", `,"SerialConsole":{"SSH":{"ServiceEnabled":false,"Port":22}}`, &redfish.SerialConsole{Port: 22}, redfish.Limited},
		{"a port that is none", `,"SerialConsole":{"SSH":{"ServiceEnabled":true,"Port":70000}}`, &redfish.SerialConsole{Enabled: true, Port: 22}, redfish.Good},
		{"another shape", `,"SerialConsole":[]`, nil, redfish.Limited},
	} {
		v := newVendor(t, map[string]string{"/redfish/v1/Systems/1": `{"@odata.id":"/redfish/v1/Systems/1","PowerState":"On"` + test.says + `}`}, nil)
		c := v.open(t, "/redfish/v1/Systems/1")
		if console, read := c.Console(); console != nil || read {
			t.Errorf("%s: before any look: %+v, %t", test.name, console, read)
		}
		report, err := c.Check(t.Context())
		must(t, err)
		console, read := c.Console()
		if diff := cmp.Diff(test.want, console); diff != "" || !read {
			t.Errorf("%s: %t (-want +got):\n%s", test.name, read, diff)
		}
		found := slices.IndexFunc(report.Findings, func(f redfish.Finding) bool { return f.Topic == "serial console" })
		if found < 0 || report.Findings[found].Verdict != test.verdict {
			t.Errorf("%s: the findings are %+v, want the console %s", test.name, report.Findings, test.verdict)
		}
	}
}
