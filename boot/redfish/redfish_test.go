package redfish_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gitmetal/ingot/boot/redfish"
	"github.com/gitmetal/ingot/boot/redfish/hardware"
	"github.com/gitmetal/ingot/internal/lab/bmc"
	"github.com/gitmetal/ingot/inventory"
)

const medium = "http://10.0.2.2:8080/boot/abc/ramdisk.iso"

func TestSystem(t *testing.T) {
	t.Parallel()
	c := open(t, serve(t, nil), nil)
	got, err := c.System(t.Context())
	must(t, err)
	want := redfish.System{
		Path: "/redfish/v1/Systems/1", Power: inventory.PoweredOff, Manufacturer: "ingot", Model: "lab-1", Serial: "LAB0001",
		UUID: "00000000-0000-4000-8000-000000000001", BIOSVersion: "1.0", Processors: 1, MemoryMiB: 2048,
		Override:   redfish.Override{Target: "None", Enabled: "Disabled", Mode: "UEFI"},
		Targets:    []string{"None", "Cd", "Hdd", "Pxe", "UefiHttp"},
		ResetTypes: []string{"On", "ForceOff", "GracefulShutdown", "ForceRestart"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("System (-want +got):\n%s", diff)
	}
}

// install walks through the order of DESIGN section 5 and checks what the BMC has seen.
func install(t *testing.T, b *bmc.BMC, c *redfish.Client) {
	t.Helper()
	ctx := t.Context()
	must(t, c.Reset(ctx, redfish.ForceOff))
	must(t, c.Eject(ctx))
	slot, err := c.Insert(ctx, medium)
	must(t, err)
	if !slot.Inserted || b.Medium() != (bmc.Medium{URL: medium, Inserted: true}) {
		t.Fatalf("Insert = %+v, the BMC holds %+v", slot, b.Medium())
	}
	shown, err := c.SetBootOverride(ctx, redfish.FromMedium, redfish.Continuous)
	must(t, err)
	if shown.Target != "Cd" || b.Override().Target != "Cd" {
		t.Fatalf("override = %+v, the BMC holds %+v", shown, b.Override())
	}
	must(t, c.Reset(ctx, redfish.PowerOn))
	must(t, c.Reset(ctx, redfish.PowerOn))
	if system, err := c.System(ctx); err != nil || system.Power != inventory.PoweredOn {
		t.Fatalf("System = %+v, %v, want it on", system, err)
	}
	must(t, c.Reset(ctx, redfish.GracefulShutdown))
	must(t, b.WaitOff(ctx))
	must(t, c.Eject(ctx))
	must(t, c.ClearBootOverride(ctx))
	must(t, c.Reset(ctx, redfish.PowerOn))
	if b.Medium().Inserted || b.Override().Enabled != "Disabled" || !b.On() {
		t.Errorf("at the end the BMC holds %+v, %+v, on %v", b.Medium(), b.Override(), b.On())
	}
}

var installStory = []string{
	"insert " + medium, "override Cd/Continuous", "power-on", "start cd", "power-off graceful", "exit powered-off", "eject " + medium,
	"override None/Disabled", "power-on", "start disk",
}

// TestInstall runs the install order against every variant of a BMC that ingot must get along with without anybody's help.
func TestInstall(t *testing.T) {
	t.Parallel()
	variants := map[string]bmc.Faults{
		"well behaved":                  {},
		"media under the system":        {MediaUnder: bmc.UnderSystem},
		"media under both":              {MediaUnder: bmc.UnderBoth},
		"decoy slot":                    {DecoySlot: true},
		"needs one parameter":           {InsertNeeds: []string{"TransferProtocolType"}},
		"needs five parameters":         {InsertNeeds: []string{"TransferMethod", "UserName", "Password", "Inserted", "TransferProtocolType"}},
		"media by PATCH":                {NoMediaAction: true},
		"reset as a task":               {ResetAsTask: true, TaskPolls: 2},
		"task that vanishes":            {ResetAsTask: true, TaskVanishes: true},
		"no sessions":                   {NoSessions: true},
		"compression only":              {RefuseIdentity: true},
		"weak ETags":                    {WeakETags: true},
		"If-Match refused":              {IfMatchRefused: true},
		"System changes under us":       {StaleETags: 1},
		"override needs all members":    {OverrideNeedsAll: true},
		"allowable values hidden":       {AllowableHidden: true},
		"second document in one answer": {SecondDocument: true},
		"numbers as text":               {NumbersAsText: true},
		"transitions shown":             {ShowTransitions: true},
		"slow":                          {Delay: 3 * time.Millisecond},
	}
	for name, faults := range variants {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := serve(t, func(config *bmc.Config) { config.Faults = faults })
			c := open(t, b, nil)
			install(t, b, c)
			if diff := cmp.Diff(installStory, b.Log().Story()); diff != "" {
				t.Errorf("story (-want +got):\n%s", diff)
			}
			must(t, c.Close(t.Context()))
			if b.Sessions() != 0 {
				t.Errorf("%d sessions are open after Close", b.Sessions())
			}
			if logins := b.Log().Counts().Logins; logins > 1 {
				t.Errorf("%d logins for one conversation", logins)
			}
		})
	}
}

func TestManyInParallel(t *testing.T) {
	t.Parallel()
	const many = 60
	var all sync.WaitGroup
	for range many {
		b := serve(t, nil)
		c := open(t, b, nil)
		all.Go(func() {
			if _, err := c.Insert(t.Context(), medium); err != nil {
				t.Error(err)
			}
			if err := c.Reset(t.Context(), redfish.PowerOn); err != nil {
				t.Error(err)
			}
			if !b.On() || !b.Medium().Inserted {
				t.Errorf("on %v, medium %+v", b.On(), b.Medium())
			}
		})
	}
	all.Wait()
}

func TestAddressWithoutASystem(t *testing.T) {
	t.Parallel()
	b := serve(t, nil)
	for _, suffix := range []string{"", "/", "/redfish", "/redfish/v1", "/redfish/v1/"} {
		c := open(t, b, func(config *redfish.Config) {
			config.Address = strings.TrimSuffix(b.URL(), "/redfish/v1/Systems/1") + suffix
		})
		if system, err := c.System(t.Context()); err != nil || system.Path != "/redfish/v1/Systems/1" {
			t.Errorf("System at %q = %+v, %v", suffix, system, err)
		}
		must(t, c.Close(t.Context()))
	}
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*redfish.Config){
		"plain http":       func(c *redfish.Config) { c.Address = "http://10.0.0.1/redfish/v1/Systems/1" },
		"credentials":      func(c *redfish.Config) { c.Address = "https://a:b@10.0.0.1/" },
		"another path":     func(c *redfish.Config) { c.Address = "https://10.0.0.1/ui" },
		"no password":      func(c *redfish.Config) { c.Username = "" },
		"bad fingerprint":  func(c *redfish.Config) { c.TLS.Fingerprint = "sha256:12" },
		"pin and first":    func(c *redfish.Config) { c.TLS.FirstUse = true },
		"CA that is no CA": func(c *redfish.Config) { c.TLS = redfish.TLS{CA: "none"} },
	} {
		config := redfish.Config{Address: "https://10.0.0.1", Username: "admin", TLS: redfish.TLS{Fingerprint: "sha256:" + strings.Repeat("0", 64)}}
		config.Password = secretOf(password)
		change(&config)
		if _, err := redfish.Open(config); err == nil || strings.Contains(err.Error(), "a:b") {
			t.Errorf("%s: Open = %v, want an error without credentials in it", name, err)
		}
	}
}

func TestInventory(t *testing.T) {
	t.Parallel()
	c := open(t, serve(t, nil), nil)
	got, err := c.Inventory(t.Context())
	must(t, err)
	want := redfish.Hardware{
		NICs:  []hardware.NIC{{ID: "1", MAC: "52:54:00:00:00:01"}},
		Disks: []hardware.Disk{{ID: "0", Serial: "DISK0001", Model: "virtual", Bytes: 4 << 30}}, SecureBoot: "Enabled",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Inventory (-want +got):\n%s", diff)
	}
}

func TestSerialOfADellIsItsServiceTag(t *testing.T) {
	t.Parallel()
	c := open(t, serve(t, func(config *bmc.Config) { config.Identity.Manufacturer = "Dell Inc." }), nil)
	got, err := c.System(t.Context())
	must(t, err)
	if got.Serial != "TAG0001" {
		t.Errorf("serial = %q, want the service tag", got.Serial)
	}
}

func TestContinuousKeptAsOnceIsShown(t *testing.T) {
	t.Parallel()
	b := serve(t, func(config *bmc.Config) { config.Faults.ContinuousAsOnce = true })
	c := open(t, b, nil)
	got, err := c.SetBootOverride(t.Context(), redfish.FromMedium, redfish.Continuous)
	if err != nil || got.Enabled != "Once" || got.Target != "Cd" {
		t.Errorf("SetBootOverride = %+v, %v, want the caller to see Once", got, err)
	}
}

func TestRepeatingWritesNothing(t *testing.T) {
	t.Parallel()
	b := serve(t, nil)
	c := open(t, b, nil)
	converge := func() {
		_, err := c.Insert(t.Context(), medium)
		must(t, err)
		_, err = c.SetBootOverride(t.Context(), redfish.FromMedium, redfish.Once)
		must(t, err)
		must(t, c.Reset(t.Context(), redfish.ForceOff))
	}
	converge()
	before := b.Log().Counts().Writes
	converge()
	if after := b.Log().Counts().Writes; before != 2 || after != before {
		t.Errorf("writes = %d, after repeating %d, want 2 and 2", before, after)
	}
}

func TestInsertReplacesAnotherMedium(t *testing.T) {
	t.Parallel()
	b := serve(t, nil)
	c := open(t, b, nil)
	for _, url := range []string{"https://10.0.2.2/1.iso", "https://10.0.2.2/2.iso"} {
		_, err := c.Insert(t.Context(), url)
		must(t, err)
	}
	want := []string{"insert https://10.0.2.2/1.iso", "eject https://10.0.2.2/1.iso", "insert https://10.0.2.2/2.iso"}
	if diff := cmp.Diff(want, b.Log().Story()); diff != "" {
		t.Errorf("story (-want +got):\n%s", diff)
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		faults  bmc.Faults
		usable  bool
		finding redfish.Finding
	}{
		"well behaved": {bmc.Faults{}, true, redfish.Finding{Topic: "secure boot", Verdict: redfish.Good, Text: "enforced"}},
		"power state null": {bmc.Faults{PowerStateNull: true}, false, redfish.Finding{
			Topic: "power state", Verdict: redfish.Missing, Text: "PowerState is missing or unknown: ingot cannot tell that the machine is off",
		}},
		"numbers as text": {bmc.Faults{NumbersAsText: true}, true, redfish.Finding{
			Topic: "document", Verdict: redfish.Limited, Text: "members that do not follow the schema are left out: MemorySummary, ProcessorSummary",
		}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := serve(t, func(config *bmc.Config) { config.Faults = test.faults })
			c := open(t, b, func(config *redfish.Config) { config.TLS = redfish.TLS{FirstUse: true} })
			report, err := c.Check(t.Context())
			must(t, err)
			pin, err := b.Fingerprint()
			must(t, err)
			if report.Usable != test.usable || report.Fingerprint != pin || report.Address != b.URL() {
				t.Errorf("usable %v, fingerprint %s, address %s", report.Usable, report.Fingerprint, report.Address)
			}
			text, err := json.Marshal(report)
			must(t, err)
			if finding, err := json.Marshal(test.finding); err != nil || !strings.Contains(string(text), string(finding)) {
				t.Errorf("report = %s, want %s in it", text, finding)
			}
			if got := b.Log().Counts(); got.Writes != 0 {
				t.Errorf("a check wrote %d times", got.Writes)
			}
		})
	}
}

func TestCheckOfAWrongPasswordSaysWhatItSaw(t *testing.T) {
	t.Parallel()
	b := serve(t, nil)
	c := open(t, b, func(config *redfish.Config) { config.Password = secretOf("wrong") })
	report, err := c.Check(context.WithoutCancel(t.Context()))
	wantKind(t, err, redfish.Unauthorized)
	if report.Usable || report.Redfish == "" || len(report.Findings) != 2 {
		t.Errorf("report = %s", fmt.Sprintf("%+v", report))
	}
}
