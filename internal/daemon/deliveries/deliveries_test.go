package deliveries_test

import (
	"context"
	"log/slog"
	"net/netip"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gitmetal/ingot/boot/redfish/accounts"
	"github.com/gitmetal/ingot/internal/daemon/deliveries"
	"github.com/gitmetal/ingot/internal/lab/bmc"
	"github.com/gitmetal/ingot/internal/lab/bmc/bmctest"
	"github.com/gitmetal/ingot/internal/secret"
	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/discovery"
	"github.com/gitmetal/ingot/inventory/discovery/account"
	"github.com/gitmetal/ingot/inventory/discovery/records"
	"github.com/gitmetal/ingot/schemas"
	"github.com/gitmetal/ingot/schemas/decode"
)

const uuid = "6d3b0d7e-0000-4000-8000-000000000009"

// rig is a keeper, its records, and one BMC.
type rig struct {
	*deliveries.Keeper
	config  deliveries.Config
	store   *records.Store
	known   *discovery.Known
	address string
	logins  int
	now     time.Time
}

// newRig is a fleet that expects a machine with a serial at the BMC, until a day.
func newRig(t *testing.T, serial, until, password string) *rig {
	t.Helper()
	_, at := bmctest.Serve(t, bmc.Config{Username: "root", Password: secret.New("calvin"), Identity: bmc.Identity{Serial: "5XKJ2M3", UUID: uuid}})
	r := &rig{known: discovery.NewKnown(), address: at, now: time.Date(2026, 11, 29, 4, 12, 0, 0, time.UTC)}
	dir := t.TempDir()
	store, err := records.Open(records.Config{Dir: filepath.Join(dir, "discovery"), Inventories: filepath.Join(dir, "inventory")})
	if err != nil {
		t.Fatal(err)
	}
	r.store = store
	documents, findings := decode.DecodeFile("pallet.yaml", []byte("apiVersion: ingot.dev/v1alpha1\nkind: Delivery\nmetadata: {name: pallet-7}\nspec:\n"+
		"  credentials: bmc-factory\n  until: "+until+"\n  machines: [{serial: "+serial+", bmc: {address: \""+r.address+"\"}, name: web-07}, {serial: LATER}]\n"))
	if len(findings) > 0 {
		t.Fatal(findings)
	}
	r.config = deliveries.Config{
		Fleet: func() (inventory.Fleet, bool) {
			return inventory.Fleet{Commit: "c1", Deliveries: documents}, true
		},
		Known: func() *discovery.Known { return r.known }, Records: r.store,
		Open: func(_ context.Context, name string) (map[string]secret.Value, error) {
			if name != "bmc-factory" {
				t.Errorf("Secret %s is opened", name)
			}
			return map[string]secret.Value{"username": secret.New("root"), "password": secret.New(password)}, nil
		},
		LogIn: func(ctx context.Context, target accounts.Target, m accounts.Machine) account.Login {
			r.logins++
			return accounts.Service{}.LogIn(ctx, target, m)
		},
		MayAct: func() error { return nil }, Mask: func(text string) string { return text }, Now: func() time.Time { return r.now }, Log: slog.New(slog.DiscardHandler),
		Find: func(context.Context, []string) (map[string]netip.Addr, error) {
			t.Error("a card is looked for")
			return nil, nil
		},
	}
	r.Keeper = deliveries.New(r.config)
	return r
}

// TestAnExpectedMachine: one login makes a record with what the BMC shows, and its certificate. The machine's agent is in the
// same record when it registers.
func TestAnExpectedMachine(t *testing.T) {
	t.Parallel()
	r := newRig(t, "5XKJ2M3", "2026-12-31", "calvin")
	for range 3 {
		r.Pass(t.Context())
		r.now = r.now.Add(2 * time.Hour)
	}
	list := r.store.List()
	if len(list) != 1 || r.logins != 1 {
		t.Fatalf("%d records after %d logins, want one of each", len(list), r.logins)
	}
	is := list[0]
	if is.Delivery != "pallet-7" || is.Identity.BMC == nil || is.Identity.BMC.Serial != "5XKJ2M3" || is.Identity.BMC.UUID != uuid || !is.IsClear() ||
		is.Identity.BMC.Address != "https://"+r.address+"/redfish/v1/Systems/1" || !strings.HasPrefix(is.Fingerprint, "sha256:") {
		t.Errorf("the record is %+v %+v", is, is.Identity.BMC)
	}
	facts := inventory.Facts{System: inventory.System{Serial: "5XKJ2M3", UUID: uuid}}
	id, err := r.store.Register(records.Registered{Registration: discovery.Registration{At: r.now, Key: "pallet", Agent: "a1", Facts: facts, Inventory: "00"},
		Report: []byte("{}")}, r.known)
	if err != nil || id != is.ID {
		t.Errorf("the agent of the machine is record %s, %v, want %s", id, err, is.ID)
	}
	if both, err := r.store.Get(id); err != nil || both.Delivery != "pallet-7" || both.Identity.BMC == nil || both.Agent == nil {
		t.Errorf("the record of both is %+v, %v", both, err)
	}
}

// TestNoRecord: what is not the expected machine is no record, and is not asked again and again.
func TestNoRecord(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		serial, until, password string
		host                    bool
		logins                  int
	}{
		"another machine is there":  {"5XKJ2M9", "2026-12-31", "calvin", false, 1},
		"the password is refused":   {"5XKJ2M3", "2026-12-31", "wrong", false, 1},
		"the delivery has ended":    {"5XKJ2M3", "2026-11-01", "calvin", false, 0},
		"the BMC is that of a host": {"5XKJ2M3", "2026-12-31", "calvin", true, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, test.serial, test.until, test.password)
			if test.host {
				r.known.Add(inventory.Desired{ID: "web-1", BMC: &schemas.BMC{Address: "https://" + r.address}}, inventory.Record{})
			}
			for range 5 {
				r.Pass(t.Context())
				r.now = r.now.Add(10 * time.Minute)
			}
			if list := r.store.List(); len(list) != 0 || r.logins != test.logins {
				t.Errorf("%d records after %d logins, want none after %d", len(list), r.logins, test.logins)
			}
		})
	}
}

// TestAnAgentThatRegisteredFirst: the login is noted in the record of the machine's agent.
func TestAnAgentThatRegisteredFirst(t *testing.T) {
	t.Parallel()
	r := newRig(t, "5XKJ2M3", "2026-12-31", "calvin")
	facts := inventory.Facts{System: inventory.System{Serial: "5XKJ2M3", UUID: uuid}}
	id, err := r.store.Register(records.Registered{Registration: discovery.Registration{At: r.now, Key: "pallet", Agent: "a1", Facts: facts, Inventory: "00"},
		Report: []byte("{}")}, r.known)
	if err != nil {
		t.Fatal(err)
	}
	r.Pass(t.Context())
	if list := r.store.List(); len(list) != 1 || list[0].ID != id || list[0].Delivery != "pallet-7" || list[0].Agent == nil || list[0].Identity.BMC == nil {
		t.Errorf("the records are %+v", list)
	}
}

// TestAMachineThatIsNamedByMAC: its BMC is looked for, all such at once, and the login goes to where the card is now. One that
// is not there is looked for again later, and the BMC of a host is left alone.
func TestAMachineThatIsNamedByMAC(t *testing.T) {
	t.Parallel()
	const there, gone, host = "04:32:01:aa:bb:c1", "04:32:01:aa:bb:c2", "04:32:01:aa:bb:c3"
	var asked [][]string
	var logins []string
	present := map[string]netip.Addr{there: netip.MustParseAddr("10.0.0.13"), host: netip.MustParseAddr("10.0.0.14")}
	r := newRig(t, "UNUSED", "2026-11-01", "calvin")
	documents, findings := decode.DecodeFile("pallet.yaml", []byte("apiVersion: ingot.dev/v1alpha1\nkind: Delivery\nmetadata: {name: pallet-7}\nspec:\n"+
		"  credentials: bmc-factory\n  until: 2026-12-31\n  machines:\n"+
		"    - {serial: S1, bmc: {mac: \"04:32:01:AA:BB:C1\"}}\n    - {serial: S2, bmc: {mac: \""+gone+"\"}}\n    - {serial: S3, bmc: {mac: \""+host+"\"}}\n"))
	if len(findings) > 0 {
		t.Fatal(findings)
	}
	r.known.Add(inventory.Desired{ID: "web-1", BMC: &schemas.BMC{Address: "https://10.0.0.14"}}, inventory.Record{})
	r.config.Fleet = func() (inventory.Fleet, bool) { return inventory.Fleet{Commit: "c1", Deliveries: documents}, true }
	r.config.Find = func(_ context.Context, macs []string) (map[string]netip.Addr, error) {
		asked = append(asked, macs)
		return present, nil
	}
	r.config.LogIn = func(_ context.Context, target accounts.Target, m accounts.Machine) account.Login {
		logins = append(logins, target.Address+" "+strings.Join(m.Serials, " "))
		return account.Login{Kind: account.LoggedIn, System: target.Address + "/redfish/v1/Systems/1", Serial: m.Serials[0], UUID: uuid, Fingerprint: "sha256:00"}
	}
	r.Keeper = deliveries.New(r.config)
	r.Pass(t.Context())
	r.Pass(t.Context())
	if want := [][]string{{there, gone, host}}; !reflect.DeepEqual(asked, want) {
		t.Errorf("looked for %v, want %v", asked, want)
	}
	present[gone] = netip.MustParseAddr("2001:db8::15")
	r.now = r.now.Add(11 * time.Minute)
	r.Pass(t.Context())
	if want := []string{"https://10.0.0.13 S1", "https://[2001:db8::15] S2"}; !slices.Equal(logins, want) {
		t.Errorf("logins at %v, want %v", logins, want)
	}
	if list := r.store.List(); len(list) != 2 {
		t.Errorf("%d records, want 2: %+v", len(list), list)
	}
}
