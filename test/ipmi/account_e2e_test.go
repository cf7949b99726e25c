//go:build e2e

package ipmi_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/gitmetal/ingot/agent/wire"
	"github.com/gitmetal/ingot/internal/lab/bmc"
	"github.com/gitmetal/ingot/internal/lab/bmc/inband"
	"github.com/gitmetal/ingot/internal/lab/ports"
	"github.com/gitmetal/ingot/internal/secret"
)

const (
	account = "ingot-4be91c"
	long    = "Aa0123456789bcdefghi"
	short   = "Bb0123456789cdef"
	address = "10.0.0.13"
)

// off is a machine that nobody powers.
type off struct{}

func (off) Start(context.Context, bmc.Boot) (<-chan bmc.Exit, error) {
	return nil, fmt.Errorf("this machine is not the BMC's to start")
}
func (off) Stop(context.Context, bmc.Stop) error { return nil }

// TestAccountsAtTheLabsBMC: one machine, one boot. An account that is made through the kernel's device works at the Redfish
// service of the same BMC; each fault is told with its reason and leaves nothing that works; an agent that dies between any
// two commands is survived.
func TestAccountsAtTheLabsBMC(t *testing.T) {
	t.Parallel()
	b, err := bmc.New(bmc.Config{Username: "admin", Password: secret.New("factory"), InBand: inband.Config{Slots: 6, Channels: []inband.Channel{
		{Number: 1, Medium: 5}, {Number: 8, Medium: 4, Redfish: true, MAC: [6]byte{4, 0x32, 1, 0xaa, 0xbb, 0xc1}, IPv4: netip.MustParseAddr(address)}}}}, off{})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "bmc")
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "unix", path)
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- b.InBand().Serve(t.Context(), listener) }()
	t.Cleanup(func() {
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	g := startGuest(t, "path="+path)
	order := func(do, password string) wire.AccountOrder {
		return wire.AccountOrder{ID: do + password, Do: do, Name: account, Slot: 3, Address: address, Password: password}
	}
	check := func(about string, got answer, problem, text, left string, works string) {
		t.Helper()
		if got.Report == nil || got.Report.Problem != problem || !strings.Contains(got.Report.Error, text) || got.Report.Left != left {
			t.Errorf("%s: %s %+v, want %s %q, left %s", about, got.Error, got.Report, problem, text, left)
		}
		for _, password := range []string{long, short, long[:16]} {
			if in := logsIn(b, password); in != (password == works) {
				t.Errorf("%s: login with the password of %d bytes: %t", about, len(password), in)
			}
		}
		if !b.Login("admin", secret.New("factory")) {
			t.Errorf("%s: the administrator cannot log in any more", about)
		}
		t.Logf("%s: %.2f s, %d commands, %s", about, got.Seconds, len(got.Report.Commands), got.Report.Error)
	}
	survey := g.carry(t, wire.AccountOrder{ID: "s", Do: wire.AccountSurvey, Name: account, Address: address}, 0)
	check("survey", survey, "", "", "", "")
	if survey.Report.Slot != 3 || len(b.InBand().Log()) != 0 || survey.Report.Networks[0].Channel != 8 {
		t.Fatalf("the survey chose %+v, and changed %v", survey.Report, b.InBand().Log())
	}
	check("create", g.carry(t, order(wire.AccountCreate, long), 0), "", "", "", long)
	check("again", g.carry(t, order(wire.AccountCreate, short), 0), "", "", "", short)
	check("remove", g.carry(t, order(wire.AccountRemove, ""), 0), "", "", wire.AccountFree, "")

	for at := 1; at <= 4; at++ {
		if died := g.carry(t, order(wire.AccountCreate, long), at); died.Report != nil || !strings.Contains(died.Error, "killed") {
			t.Fatalf("the agent outlived command %d: %+v", at, died)
		}
		if in := logsIn(b, long); in != (at == 4) {
			t.Errorf("killed behind command %d: login %t", at, in)
		}
		if at%2 == 0 {
			check(fmt.Sprint("remove after a death behind command ", at), g.carry(t, order(wire.AccountRemove, ""), 0), "", "", wire.AccountFree, "")
			continue
		}
		check(fmt.Sprint("create after a death behind command ", at), g.carry(t, order(wire.AccountCreate, short), 0), "", "", "", short)
		check("and remove", g.carry(t, order(wire.AccountRemove, ""), 0), "", "", wire.AccountFree, "")
	}
	faulty := func(about string, faults inband.Faults, password, problem, text, left string) {
		b.InBand().Inject(func(f *inband.Faults) { *f = faults })
		works := ""
		if problem == "" {
			works = password
		}
		check(about, g.carry(t, order(wire.AccountCreate, password), 0), problem, text, left, works)
		b.InBand().Inject(func(f *inband.Faults) { *f = inband.Faults{} })
		check(about+", removed", g.carry(t, order(wire.AccountRemove, ""), 0), "", "", wire.AccountFree, "")
	}
	faulty("refuses 20 bytes", inband.Faults{RefuseLong: true}, long, wire.AccountPasswordRefused, "completion code 0xcc", wire.AccountFree)
	faulty("then 16", inband.Faults{RefuseLong: true}, short, "", "", "")
	faulty("keeps 16 of 20 bytes", inband.Faults{KeepShort: true}, long, wire.AccountPasswordRefused, "keeps 16 of them", wire.AccountFree)
	faulty("wrong channel", inband.Faults{IgnoreAccess: true}, long, wire.AccountRefused, "the BMC took the access on channel 8", wire.AccountFree)
	faulty("keeps the name", inband.Faults{RefuseLong: true, KeepName: true}, long, wire.AccountPasswordRefused, "is left with the name", wire.AccountDisabled)
	other := order(wire.AccountCreate, long)
	other.Address = "10.0.0.14"
	check("another BMC's address", g.carry(t, other, 0), wire.AccountNoNetwork, "no network channel of the BMC has the address 10.0.0.14", "", "")
	before := len(b.InBand().Log())
	for i := range 4 {
		request := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/redfish/v1/AccountService/Accounts",
			strings.NewReader(fmt.Sprintf(`{"UserName":"user%d","Password":"x","RoleId":"ReadOnly"}`, i)))
		request.SetBasicAuth("admin", "factory")
		recorder := httptest.NewRecorder()
		b.Handler().ServeHTTP(recorder, request)
		if recorder.Code != http.StatusCreated {
			t.Fatal(recorder.Code, recorder.Body)
		}
	}
	check("table full", g.carry(t, wire.AccountOrder{ID: "f", Do: wire.AccountSurvey, Name: account}, 0), wire.AccountFull, "none of the BMC's 6 accounts is free", "", "")
	check("a slot of others", g.carry(t, order(wire.AccountCreate, long), 0), wire.AccountSlotTaken, "", "", "")
	if after := len(b.InBand().Log()); after != before {
		t.Errorf("a full table was changed: %v", b.InBand().Log()[before:])
	}
	for _, line := range b.Log().Story() {
		if !strings.HasPrefix(line, "in-band") && !strings.HasPrefix(line, "login-refused") {
			t.Errorf("the BMC was told: %s", line)
		}
	}
}

// logsIn reports whether the account opens a session at the Redfish service, as an administrator.
func logsIn(b *bmc.BMC, password string) bool {
	request := httptest.NewRequestWithContext(context.Background(), http.MethodGet, "/redfish/v1/AccountService/Accounts", nil)
	request.SetBasicAuth(account, password)
	recorder := httptest.NewRecorder()
	b.Handler().ServeHTTP(recorder, request)
	return recorder.Code == http.StatusOK
}

// TestAccountsAtIpmiSim: the same code at a BMC that is not ours, Debian's ipmi_sim, with a login over its network by
// ipmitool. ipmi_sim says success to a password of 20 bytes, and keeps 16 of them.
func TestAccountsAtIpmiSim(t *testing.T) {
	t.Parallel()
	lan, far := startIpmiSim(t)
	g := startGuest(t, far)
	survey := g.carry(t, wire.AccountOrder{ID: "s", Do: wire.AccountSurvey, Name: account}, 0)
	t.Logf("survey: %s %+v", survey.Error, survey.Report)
	if survey.Report == nil || survey.Report.Problem != "" {
		t.Fatal("no survey")
	}
	order := wire.AccountOrder{ID: "c", Do: wire.AccountCreate, Name: account, Slot: survey.Report.Slot, Password: long}
	got := g.carry(t, order, 0)
	t.Logf("20 bytes: %+v", got.Report)
	if got.Report == nil || got.Report.Problem != wire.AccountPasswordRefused {
		t.Errorf("a password of 20 bytes, of which it keeps 16: %s %+v", got.Error, got.Report)
	}
	if lan.logsIn(t, long) || lan.logsIn(t, long[:16]) {
		t.Error("an account that was undone works")
	}
	order.Password = short
	got = g.carry(t, order, 0)
	t.Logf("16 bytes: %+v", got.Report)
	if got.Report == nil || got.Report.Problem != "" || !lan.logsIn(t, short) || lan.logsIn(t, "Xx0123456789cdef") {
		t.Errorf("16 bytes: %s %+v, login %t", got.Error, got.Report, lan.logsIn(t, short))
	}
	order.Do, order.Password = wire.AccountRemove, ""
	got = g.carry(t, order, 0)
	t.Logf("remove: %+v", got.Report)
	if got.Report == nil || got.Report.Problem != "" || lan.logsIn(t, short) {
		t.Errorf("remove: %s %+v, login %t", got.Error, got.Report, lan.logsIn(t, short))
	}
}

// ipmiSim is a running ipmi_sim.
type ipmiSim struct {
	tools string
	port  string
}

// startIpmiSim starts ipmi_sim, and gives its far end as the options of a QEMU socket. ipmi_sim asks a program for the
// addresses of its network, and speaks RMCP+ only with a guid.
func startIpmiSim(t *testing.T) (ipmiSim, string) {
	t.Helper()
	dir, parts := t.TempDir(), tools(t)
	sim := ipmiSim{tools: parts}
	var serial string
	for _, port := range []*string{&sim.port, &serial} {
		free, err := ports.Free(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		*port = free
	}
	for name, text := range map[string]string{
		"lan.conf": `name "sim"
set_working_mc 0x20
  startlan 1
    addr 127.0.0.1 ` + sim.port + `
    priv_limit admin
    allowed_auths_admin none md2 md5 straight
    guid a123456789abcdefa123456789abcdef
    lan_config_program "` + filepath.Join(dir, "lan") + `"
  endlan
  serial 15 127.0.0.1 ` + serial + ` codec VM
  user 1 true "" "test" user 10 none md2 md5 straight
  user 2 true "ipmiusr" "test" admin 10 none md2 md5 straight
`,
		"emu": "mc_setbmc 0x20\nmc_add 0x20 0 no-device-sdrs 0x23 9 8 0x9f 0x1291 0xf02\nmc_enable 0x20\n",
		"lan": "#!/bin/sh\nshift\nfor name; do\n  case $name in\n    ip_addr) echo ip_addr:10.0.0.13 ;;\n    mac_addr) echo mac_addr:04:32:01:aa:bb:c1 ;;\n" +
			"    ip_addr_src) echo ip_addr_src:static ;;\n    *mac*) echo $name:00:00:00:00:00:00 ;;\n    *) echo $name:0.0.0.0 ;;\n  esac\ndone\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	command := exec.CommandContext(t.Context(), filepath.Join(parts, "bin/ipmi_sim"), "-n", "-p", "-s", dir, "-c", filepath.Join(dir, "lan.conf"),
		"-f", filepath.Join(dir, "emu"))
	command.Env = append(os.Environ(), "LD_LIBRARY_PATH="+filepath.Join(parts, "lib"))
	command.Dir, command.Stdout, command.Stderr = dir, t.Output(), t.Output()
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait()
	})
	return sim, "host=127.0.0.1,port=" + serial
}

// logsIn reports whether ipmitool gets a session with the account over the network (RMCP+).
func (s ipmiSim) logsIn(t *testing.T, password string) bool {
	t.Helper()
	command := exec.CommandContext(t.Context(), filepath.Join(s.tools, "bin/ipmitool"), "-I", "lanplus", "-C", "3", "-H", "127.0.0.1", "-p", s.port,
		"-U", account, "-E", "-N", "1", "-R", "1", "mc", "info")
	command.Env = append(os.Environ(), "LD_LIBRARY_PATH="+filepath.Join(s.tools, "lib"), "IPMI_PASSWORD="+password)
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := command.CombinedOutput()
	t.Logf("ipmitool with the password of %d bytes: %v: %.120s", len(password), err, out)
	return err == nil
}
