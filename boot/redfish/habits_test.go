package redfish_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gitmetal/ingot/boot/redfish"
	"github.com/gitmetal/ingot/internal/lab/profiles"
	"github.com/gitmetal/ingot/internal/lab/replay"
	"github.com/gitmetal/ingot/internal/lab/rules"
	"github.com/gitmetal/ingot/inventory"
)

// openAt opens a client with a clock that the test moves.
func (v *vendor) openAt(t *testing.T, now *time.Time) *redfish.Client {
	t.Helper()
	c, err := redfish.Open(redfish.Config{Address: v.URL + one, Username: "admin", Password: secretOf(password),
		TLS: redfish.TLS{FirstUse: true}, Now: func() time.Time { return *now }})
	must(t, err)
	return c
}

func (v *vendor) show(doc string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.docs[one] = doc
}

func (v *vendor) countSent() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return len(v.sent)
}

const (
	resetAction = `,"Actions":{"#ComputerSystem.Reset":{"target":"/redfish/v1/reset"}}`
	noon        = "2026-11-01T12:00:00Z"
)

func startOfTest(t *testing.T) time.Time {
	t.Helper()
	now, err := time.Parse(time.RFC3339, noon)
	must(t, err)
	return now
}

// TestAMachineThatDoesNotGoOff looks every 2.2 s for an hour at a machine that accepts each power-off and stays on.
func TestAMachineThatDoesNotGoOff(t *testing.T) {
	t.Parallel()
	on := strings.Replace(system(resetAction), `"Off"`, `"On"`, 1)
	v := newVendor(t, map[string]string{one: on}, nil)
	now := startOfTest(t)
	c := v.openAt(t, &now)
	var last error
	silent := 0
	for since := time.Duration(0); since < time.Hour; since += 2200 * time.Millisecond {
		if last = c.Reset(t.Context(), redfish.ForceOff); last == nil {
			silent++
		}
		now = now.Add(2200 * time.Millisecond)
	}
	if sent := v.countSent(); sent < 8 || sent > 12 {
		t.Errorf("%d power-offs were sent in an hour, want about ten", sent)
	}
	if silent > 20 {
		t.Errorf("%d of the looks said nothing, want those of the first seconds and those that sent", silent)
	}
	got := asKind(t, last, redfish.Refused)
	if !got.Temporary || !strings.Contains(got.Error(), "power-offs since 12:00:00 and the machine is still on") {
		t.Errorf("error = %v", got)
	}
}

func TestAMachineThatComesBackOn(t *testing.T) {
	t.Parallel()
	off := system(resetAction)
	on := strings.Replace(off, `"Off"`, `"On"`, 1)
	v := newVendor(t, map[string]string{one: on}, nil)
	now := startOfTest(t)
	c := v.openAt(t, &now)
	look := func(after time.Duration, shown string) {
		now = now.Add(after)
		v.show(shown)
		_, err := c.System(t.Context())
		must(t, err)
	}
	must(t, c.Reset(t.Context(), redfish.ForceOff))
	look(2*time.Second, off)
	look(4*time.Second, on)
	got := asKind(t, c.Reset(t.Context(), redfish.ForceOff), redfish.Refused)
	if !got.Temporary || !strings.Contains(got.Error(), "was off at 12:00:02 and is on since 12:00:06") ||
		!strings.Contains(got.Error(), "something else powers it on") {
		t.Errorf("error = %v", got)
	}
	look(20*time.Second, on)
	must(t, c.Reset(t.Context(), redfish.ForceOff))
	look(time.Second, off)
	must(t, c.Reset(t.Context(), redfish.PowerOn)) // from here on ingot itself has powered it on
	look(time.Second, on)
	must(t, c.Reset(t.Context(), redfish.ForceOff))
	if sent := v.countSent(); sent != 4 {
		t.Errorf("%d changes of power were sent, want 4", sent)
	}
}

// TestTenSlowDrives: each look has time for four of ten drives, and the third look ends the reading.
func TestTenSlowDrives(t *testing.T) {
	t.Parallel()
	docs := map[string]string{one: system(`,"VirtualMedia":{"@odata.id":"/redfish/v1/Systems/1/VirtualMedia"}`)}
	var members []string
	answers := map[string]func(http.ResponseWriter, *vendor){}
	left := 4
	ctx, end := context.WithCancel(t.Context())
	for _, n := range strings.Split("0123456789", "") {
		at := "/redfish/v1/Systems/1/VirtualMedia/" + n
		members = append(members, `{"@odata.id":"`+at+`"}`)
		answers["GET "+at] = func(w http.ResponseWriter, _ *vendor) {
			if left--; left < 0 {
				end() // the caller's time is over while the BMC is asked
				panic(http.ErrAbortHandler)
			}
			_, _ = w.Write([]byte(`{"@odata.id":"` + at + `","Id":"` + n + `","MediaTypes":["CD"],"Inserted":false}`))
		}
	}
	docs["/redfish/v1/Systems/1/VirtualMedia"] = `{"Members":[` + strings.Join(members, ",") + `]}`
	docs["/redfish/v1/Managers"] = `{"Members":[]}`
	v := newVendor(t, docs, answers)
	c := v.open(t, one)
	for look, want := range []string{"4 of 10 virtual drives", "8 of 10 virtual drives", ""} {
		slots, err := c.Media(ctx)
		if want == "" {
			must(t, err)
			if len(slots) != 10 {
				t.Errorf("%d drives, want 10", len(slots))
			}
			break
		}
		got := asKind(t, err, redfish.Unreachable)
		if !got.Temporary || !strings.Contains(got.Error(), want) {
			t.Errorf("look %d: error = %v, want %q", look, err, want)
		}
		v.mu.Lock()
		left = 4
		v.mu.Unlock()
		ctx, end = context.WithCancel(t.Context())
	}
	end()
}

// TestDrivesAreLearnedAnewWithTheFirmware: a drive that took no CD takes one after an update, which ends the session.
func TestDrivesAreLearnedAnewWithTheFirmware(t *testing.T) {
	t.Parallel()
	base, err := profiles.Base()
	must(t, err)
	const drive = "/redfish/v1/Managers/1/VirtualMedia/1"
	tree := base.Merge(map[string]map[string]any{drive: {"MediaTypes": []any{"USBStick"}}})
	server, err := replay.New(tree, replay.Options{Username: "admin", Password: secretOf(password)})
	must(t, err)
	serveReplay(t, server)
	c, err := redfish.Open(redfish.Config{Address: server.URL(), Username: "admin", Password: secretOf(password),
		TLS: redfish.TLS{FirstUse: true}})
	must(t, err)
	usable := func() bool {
		slots, err := c.Media(t.Context())
		must(t, err)
		return slots[0].Usable
	}
	list, err := rules.Read([]byte(`[{"match": {"path": "` + drive + `"}, "then": {"merge": {"MediaTypes": ["CD"]}}},
		{"match": {"path": "/redfish/v1/Managers/1"}, "then": {"merge": {"FirmwareVersion": "2.0"}}}]`))
	must(t, err)
	for range 2 {
		if usable() || server.Reads(drive) != 1 {
			t.Errorf("the drive was read %d times, want once", server.Reads(drive))
		}
	}
	server.Rules().Put(list)
	if usable() {
		t.Error("the drive was read again within the session")
	}
	must(t, c.Close(t.Context()))
	_, err = c.System(t.Context()) // another session
	must(t, err)
	if !usable() {
		t.Error("after an update the drive was not read again")
	}
}

// What the BMC says reaches the error in every shape that BMCs use.
func TestTheBMCsWordsAreKept(t *testing.T) {
	t.Parallel()
	const info = `[{"MessageId":"Base.1.18.1.PropertyValueNotInList",
		"MessageArgs":["Turbo","BootSourceOverrideTarget"]}]`
	const said = "the value Turbo of the property BootSourceOverrideTarget is not in the list"
	for name, test := range map[string]struct{ body, want string }{
		"in error":       {`{"error":{"@Message.ExtendedInfo":` + info + `}}`, said},
		"one object":     {`{"error":{"@Message.ExtendedInfo":` + strings.Trim(info, "[]") + `}}`, "the value Turbo"},
		"beside error":   {`{"@Message.ExtendedInfo":` + info + `}`, said},
		"at a property":  {`{"Boot@Message.ExtendedInfo":` + info + `}`, said},
		"a bare message": {`{"error":{"message":"no such target"}}`, "no such target"},
		"a bare text":    {`{"error":"no such target"}`, "no such target"},
		"without error":  {`{"message":"no such target"}`, "no such target"},
		"an unknown id":  {`{"@Message.ExtendedInfo":[{"MessageId":"I.2.8.SYS428","MessageArgs":["a"]}]}`, "SYS428 (a)"},
		"the password": {`{"@Message.ExtendedInfo":[{"MessageId":"Base.1.18.PasswordChangeRequired",
			"MessageArgs":["/redfish/v1/A/2"]}]}`, "change its password"},
		"only a code":      {`{"error":{"code":"Base.1.8.InsufficientPrivilege"}}`, "privileges are not enough"},
		"missing argument": {`{"@Message.ExtendedInfo":[{"MessageId":"Base.1.8.PropertyMissing"}]}`, "the property ? is"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := newVendor(t, map[string]string{one: system("")}, map[string]func(http.ResponseWriter, *vendor){
				"PATCH " + one: answerWith(http.StatusForbidden, test.body)})
			_, err := v.open(t, one).SetBootOverride(t.Context(), redfish.FromDisk, redfish.Once)
			if got := asKind(t, err, redfish.Refused); !strings.Contains(got.Error(), test.want) {
				t.Errorf("error = %v, want %q", got, test.want)
			}
		})
	}
}

func TestADrivesMedium(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		says     string
		inserted bool
		image    string
	}{
		"nothing":                 {``, false, ""},
		"null":                    {`,"Image":null,"Inserted":false,"ConnectedVia":"NotConnected"`, false, ""},
		"a word for none":         {`,"Image":"None","Inserted":false,"ConnectedVia":"NotConnected"`, false, ""},
		"a word alone":            {`,"Image":"N/A"`, false, ""},
		"a name that stays":       {`,"Image":"http://h/a","Inserted":false,"ConnectedVia":"NotConnected"`, false, ""},
		"not connected, no more":  {`,"Image":"http://h/a.iso","ConnectedVia":"NotConnected"`, false, ""},
		"an image alone":          {`,"Image":"http://h/a.iso"`, true, "http://h/a.iso"},
		"an image, not inserted":  {`,"Image":"http://h/a","Inserted":false,"ConnectedVia":"URI"`, true, "http://h/a"},
		"another word for none":   {`,"Image":"No Media","Inserted":false`, false, ""},
		"a word, alone":           {`,"Image":"Unmounted"`, false, ""},
		"another spelling":        {`,"Image":"http://h/a.iso","ConnectedVia":"Not Connected"`, false, ""},
		"inserted without a name": {`,"Inserted":true`, true, ""},
		"inserted, not connected": {`,"Image":"http://h/a","Inserted":true,"ConnectedVia":"NotConnected"`, true,
			"http://h/a"},
		"inserted, a word for one": {`,"Image":"None","Inserted":true,"ConnectedVia":"Applet"`, true, ""},
	} {
		v := newVendor(t, map[string]string{
			one:                    system(`,"VirtualMedia":{"@odata.id":"/redfish/v1/vm"}`),
			"/redfish/v1/Managers": `{"Members":[]}`,
			"/redfish/v1/vm":       `{"Members":[{"@odata.id":"/redfish/v1/vm/1"}]}`,
			"/redfish/v1/vm/1":     `{"@odata.id":"/redfish/v1/vm/1","Id":"1","MediaTypes":["CD"]` + test.says + `}`,
		}, nil)
		slots, err := v.open(t, one).Media(t.Context())
		must(t, err)
		if got := slots[0]; got.Inserted != test.inserted || got.Image != test.image {
			t.Errorf("%s: inserted %t, image %q; want %t, %q", name, got.Inserted, got.Image, test.inserted, test.image)
		}
	}
}

// TestTypesOfDrives: a drive takes a CD by whatever name its BMC has for CDs.
func TestTypesOfDrives(t *testing.T) {
	t.Parallel()
	for types, usable := range map[string]bool{`["CD"]`: true, `["DVD"]`: true, `["CDROM"]`: true, `["CD-ROM","Floppy"]`: true, `["cd"]`: true,
		`[]`: true, `["USBStick"]`: false, `["Floppy"]`: false, `["HDD"]`: false} {
		v := newVendor(t, map[string]string{
			one:                    system(`,"VirtualMedia":{"@odata.id":"/redfish/v1/vm"}`),
			"/redfish/v1/Managers": `{"Members":[]}`,
			"/redfish/v1/vm":       `{"Members":[{"@odata.id":"/redfish/v1/vm/1"}]}`,
			"/redfish/v1/vm/1":     `{"@odata.id":"/redfish/v1/vm/1","Id":"1","MediaTypes":` + types + `}`,
		}, nil)
		slots, err := v.open(t, one).Media(t.Context())
		must(t, err)
		if slots[0].Usable != usable {
			t.Errorf("%s: usable = %t, want %t", types, slots[0].Usable, usable)
		}
	}
}

// TestNamesInOtherSpellings: the BMC's own spelling is used, and a power state counts in any.
func TestNamesInOtherSpellings(t *testing.T) {
	t.Parallel()
	const allowable = `,"Boot":{"BootSourceOverrideTarget":"%s","BootSourceOverrideEnabled":"%s","BootSourceOverrideTarget@Redfish.AllowableValues":["NONE","CD"]}`
	off := strings.Replace(system(fmt.Sprintf(allowable, "NONE", "Disabled")), `"Off"`, `"OFF"`, 1)
	v := newVendor(t, map[string]string{one: off},
		map[string]func(http.ResponseWriter, *vendor){"PATCH " + one: turnTo(fmt.Sprintf(allowable, "CD", "Continuous"))})
	c := v.open(t, one)
	got, err := c.System(t.Context())
	must(t, err)
	if got.Power != inventory.PoweredOff {
		t.Errorf("power = %q", got.Power)
	}
	over, err := c.SetBootOverride(t.Context(), redfish.FromMedium, redfish.Continuous)
	must(t, err)
	if over.Target != string(redfish.FromMedium) || over.Enabled != "Continuous" || !strings.Contains(v.sent[0], `"CD"`) {
		t.Errorf("override = %+v, sent %q", over, v.sent)
	}
}

// A 401 counts also if its page is larger than what is read of an answer: the session is renewed.
func TestALarge401(t *testing.T) {
	t.Parallel()
	server := serveShape(t, "well-behaved")
	c, err := redfish.Open(redfish.Config{Address: server.URL(), Username: "admin", Password: secretOf(password), TLS: redfish.TLS{FirstUse: true}})
	must(t, err)
	list, err := rules.Read([]byte(`[{"match": {"path": "/redfish/v1/Systems/1"}, "times": 1,
		"then": {"status": 401, "merge": {"html": "` + strings.Repeat("log in again ", 9<<20/13) + `"}}}]`))
	must(t, err)
	server.Rules().Put(list)
	_, err = c.System(t.Context())
	must(t, err)
}

// A reading that went wrong is never Off: also not where a whole System stands beside an error with status 500.
func TestAnErrorWithASystemIsNoReading(t *testing.T) {
	t.Parallel()
	v := newVendor(t, nil, map[string]func(http.ResponseWriter, *vendor){
		"GET " + one: answerWith(http.StatusInternalServerError, system(`,"error":{"message":"sensors are gone"}`))})
	got, err := v.open(t, one).System(t.Context())
	var said *redfish.Error
	if !errors.As(err, &said) || got.Power != inventory.PowerUnknown ||
		!strings.Contains(err.Error(), "sensors are gone") {
		t.Errorf("System = %+v, %v", got, err)
	}
	if diff := cmp.Diff(redfish.System{}, got); diff != "" {
		t.Errorf("a failed reading says (-want +got):\n%s", diff)
	}
}

// The target None overrides nothing, also where the BMC goes on showing Continuous beside it (sushy-tools).
func TestTheTargetNoneIsNoOverride(t *testing.T) {
	t.Parallel()
	const boot = `,"Boot":{"BootSourceOverrideTarget":"%s","BootSourceOverrideEnabled":"Continuous"}`
	v := newVendor(t, map[string]string{one: system(strings.Replace(boot, "%s", "Cd", 1))},
		map[string]func(http.ResponseWriter, *vendor){"PATCH " + one: turnTo(strings.Replace(boot, "%s", "None", 1))})
	c := v.open(t, one)
	must(t, c.ClearBootOverride(t.Context()))
	must(t, c.ClearBootOverride(t.Context()))
	if sent := v.countSent(); sent != 1 {
		t.Errorf("%d changes were sent, want one", sent)
	}
}
