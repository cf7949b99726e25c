package daemon_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"filippo.io/age"

	"github.com/gitmetal/ingot/agent/ipmi"
	"github.com/gitmetal/ingot/agent/ipmi/account"
	"github.com/gitmetal/ingot/agent/wire"
	"github.com/gitmetal/ingot/internal/daemon"
	"github.com/gitmetal/ingot/internal/lab/bmc"
	"github.com/gitmetal/ingot/internal/lab/bmc/inband"
	"github.com/gitmetal/ingot/internal/lab/sim"
	"github.com/gitmetal/ingot/internal/secret"
	"github.com/gitmetal/ingot/inventory/discovery"
	"github.com/gitmetal/ingot/inventory/secrets"
	"github.com/gitmetal/ingot/schemas"
)

// pallet is the directory of the example, and boxes how many machines stand on it.
const (
	pallet = "../../examples/discovery"
	boxes  = 10
)

// ownNetwork says that the test runs in a network name space of its own, where 10.0.0.0/16 is at the loopback device.
const ownNetwork = "INGOT_TEST_OWN_NETWORK"

// inOwnNetwork runs a test again in a network name space of its own: BMCs have the port of HTTPS there, and addresses.
func inOwnNetwork(t *testing.T) {
	t.Helper()
	argv := []string{"--net", "sh", "-c", `ip link set lo up && ip route add local 10.0.0.0/16 dev lo && exec "$0" -test.run "$1" -test.timeout 15m`,
		os.Args[0], "^" + t.Name() + "$"}
	if os.Geteuid() != 0 {
		argv = append([]string{"--user", "--map-root-user"}, argv...)
	}
	command := exec.CommandContext(t.Context(), "unshare", argv...)
	command.Env = append(os.Environ(), ownNetwork+"=1")
	if out, err := command.CombinedOutput(); err != nil || string(out) != "PASS\n" {
		t.Errorf("in a network of its own: %v\n%s", err, out)
	}
}

// box is a machine of the pallet, with the inventory of the example.
type box struct {
	name    string // of the inventory
	serial  string
	facts   wire.Facts
	bmc     *bmc.BMC
	machine *sim.Machine
	byHand  int // lines of the BMC's log when a person had switched the machine on
	record  discovery.Record
}

// kcs is an agent's way to the BMC of its machine.
type kcs struct{ *inband.Controller }

func (k kcs) Send(_ context.Context, r ipmi.Request) (byte, []byte, error) {
	code, data := k.Answer(r.NetFn, r.Code, r.Data)
	return code, data, nil
}

// unpack puts box n of the pallet into the rack: its BMC answers at 10.0.7.<10+n>.
func unpack(t *testing.T, n int) *box {
	t.Helper()
	b := &box{name: fmt.Sprintf("box-%02d", n)}
	data, err := os.ReadFile(filepath.Join(pallet, "inventories", b.name+".json"))
	if err == nil {
		err = json.Unmarshal(data, &b.facts)
	}
	if err != nil {
		t.Fatal(err)
	}
	address := netip.AddrFrom4([4]byte{10, 0, 7, byte(10 + n)})
	b.serial = b.facts.System.Serial
	b.facts.BMC = &wire.BMC{Networks: []wire.BMCNetwork{{Channel: 1, Addresses: []string{address.String()}}}}
	identity := bmc.Identity{Manufacturer: b.facts.System.Manufacturer, Model: b.facts.System.Product, Serial: b.serial, UUID: b.facts.System.UUID,
		BIOSVersion: "1", Processors: 1, Cores: b.facts.CPU.Count, MemoryMiB: int(b.facts.Memory >> 20), SecureBoot: b.facts.Firmware.SecureBoot}
	for _, nic := range b.facts.NICs {
		identity.NICs = append(identity.NICs, bmc.NIC{Name: nic.Name, MAC: nic.MAC})
	}
	b.machine = sim.New(sim.Config{Identity: identity, SecureBoot: identity.SecureBoot, Inventory: &b.facts,
		CarryAccount: func(ctx context.Context, order wire.AccountOrder) wire.AccountReport {
			return account.Carry(ctx, kcs{b.bmc.InBand()}, order)
		}})
	b.bmc, err = bmc.New(bmc.Config{Identity: identity, Username: "admin", Password: secret.New("factory"), InBand: inband.Config{
		Channels: []inband.Channel{{Number: 1, Medium: 4, Redfish: true, IPv4: address}}}}, b.machine)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", address.String()+":443")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- b.bmc.Serve(ctx, listener) }()
	t.Cleanup(func() {
		if err := b.bmc.Close(ctx); err != nil {
			t.Error(err)
		}
		cancel()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return b
}

// takeExample makes the fleet of the example the world's: with the rack's image, and Secrets that the daemon opens.
func (w *world) takeExample(t *testing.T) {
	t.Helper()
	fleet := filepath.Join(w.dir, "fleet")
	w.git(t, "rm", "-r", "--quiet", ".")
	if err := os.CopyFS(fleet, os.DirFS(pallet)); err != nil {
		t.Fatal(err)
	}
	image := w.rack.Description().Image
	for _, name := range []string{"web", "storage"} {
		file := filepath.Join("workloads", name+".yaml")
		w.edit(t, file, "https://images.example.com/os-1.raw.zst", image.URL)
		w.edit(t, file, strings.Repeat("a", 64), image.SHA256)
	}
	text, err := os.ReadFile(filepath.Join(w.dir, "age.key"))
	if err != nil {
		t.Fatal(err)
	}
	identity, err := age.ParseX25519Identity(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	for name, scope := range map[string]schemas.Scope{"bmc": {AllHosts: true}, "bmc-factory": {Deliveries: []string{"pallet-7"}}} {
		data, err := secrets.SealSecret(secrets.Plain{Name: name, Scope: scope, Data: map[string]secret.Value{
			"username": secret.New("admin"), "password": secret.New("factory")}}, []age.Recipient{identity.Recipient()}, time.Now())
		if err == nil {
			err = os.WriteFile(filepath.Join(fleet, "secrets", name+".yaml"), data, 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	w.edit(t, ".sops.yaml", "age10rp6vnt6eed9530clqj9wfqpfqm6x79tl22aj5p9a7q3kqwf7pnqpcjumq", identity.Recipient().String())
	w.git(t, "add", "--all")
	w.push(t, "a pallet is expected")
}

// readREADME gives the commands of the README's blocks for a daemon (sh), and what the daemon's configuration needs (yaml).
func readREADME(t *testing.T) (commands []string, config string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(pallet, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	into := ""
	for line := range strings.Lines(string(text)) {
		switch {
		case strings.HasPrefix(line, "```"):
			into = strings.TrimSpace(strings.TrimPrefix(line, "```"))
		case into == "sh":
			commands = append(commands, strings.TrimSpace(line))
		case into == "yaml":
			config += line
		}
	}
	return commands, config
}

// doAsREADME runs one command of the README in the clone of the fleet, for a record where the command names one.
func (w *world) doAsREADME(t *testing.T, command string, record discovery.ID) (out string) {
	t.Helper()
	command = strings.ReplaceAll(command, "RECORD", string(record))
	words := strings.Fields(command)
	var err error
	switch {
	case words[0] == "ingot" && words[1] == "discovery":
		out, _, err = verb(t, discoveryVerb, append(words[2:], "--config", filepath.Join(w.dir, "ingot.yaml"), "-o", filepath.Join(w.dir, "discovery.iso"))...)
	case words[0] == "ingot" && words[1] == "discovered":
		out, _, err = verb(t, discoveredVerb, append(words[2:], "--config", filepath.Join(w.dir, "ingot.yaml"))...)
	default:
		run := exec.CommandContext(t.Context(), "sh", "-ec", command)
		run.Dir, run.Env = filepath.Join(w.dir, "fleet"), append(os.Environ(), "GIT_AUTHOR_NAME=T", "GIT_AUTHOR_EMAIL=t@example.com", "GIT_COMMITTER_NAME=T",
			"GIT_COMMITTER_EMAIL=t@example.com", "GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=push.default", "GIT_CONFIG_VALUE_0=current")
		var said []byte
		said, err = run.CombinedOutput()
		out = string(said)
	}
	if err != nil {
		t.Fatalf("%s: %v\n%s", command, err, out)
	}
	return out
}

// TestTenBoxesOnAPallet follows the README of examples/discovery with a daemon: ten machines and an impostor with the serial,
// the UUID and the MACs of one of them start from the discovery medium. Each of the ten makes an account at its own BMC,
// becomes a branch, and is merged; its waiting agent installs it without a second start of a ramdisk. The impostor gets
// nothing.
func TestTenBoxesOnAPallet(t *testing.T) {
	t.Parallel()
	if os.Getenv(ownNetwork) == "" {
		inOwnNetwork(t)
		return
	}
	commands, config := readREADME(t)
	if len(commands) != 6 {
		t.Fatalf("the README has the commands %q: this test follows six", commands)
	}
	w := newWorld(t, 0)
	w.takeExample(t)
	w.addConfig(t, config)
	w.doAsREADME(t, commands[0], "")
	w.doAsREADME(t, commands[1], "")
	w.start(t)
	head := strings.TrimSpace(w.git(t, "rev-parse", "HEAD"))
	w.awaitFleet(t, "the fleet of the example", func(v daemon.View) bool { return v.Commit == head })
	w.doAsREADME(t, commands[2], "")
	medium := filepath.Join(w.dir, "discovery.iso")
	client := daemon.Connect(w.socket())

	impostor, unplug := w.plugImpostor(t, readMedium(t, medium))
	var all []*box
	for n := range boxes {
		b := unpack(t, n+1)
		all = append(all, b)
		startByHand(t, b, medium)
	}
	isTwo := func(r discovery.Record) bool {
		return r.Identity.SerialLabel() == all[0].serial && len(r.Conflicts) == 1 && r.Conflicts[0].Kind == discovery.SecondAgent
	}
	two := w.awaitRecord(t, client, isTwo)
	if list := w.doAsREADME(t, commands[3], ""); !strings.Contains(list, string(two.ID)) || !strings.Contains(list, two.Conflicts[0].String()) {
		t.Errorf("ingot discovered list does not show the impostor:\n%s", list)
	}
	unplug()
	w.doAsREADME(t, commands[4], two.ID)

	proofs := map[string]bool{}
	for _, b := range all {
		b.record = w.awaitRecord(t, client, func(r discovery.Record) bool {
			return r.Identity.SerialLabel() == b.serial && r.IsClear() && r.Account.Holds() && r.Proposal != nil && r.Proposal.State == discovery.Open &&
				r.Proposal.Secret != "" && r.Proposal.Next == "" && w.isProved(t, r)
		})
		proofs[b.record.Proof.Agent] = true
		if by := b.record.ProvenBy(b.record.Account.System); by != discovery.ByAccount || b.record.Proof.Agent != b.record.Agent.Key {
			t.Errorf("%s is proved %q by agent %s, and its agent is %s", b.name, by, b.record.Proof.Agent, b.record.Agent.Key)
		}
	}
	if len(proofs) != boxes {
		t.Errorf("%d agents are proved, want %d", len(proofs), boxes)
	}
	for _, b := range all {
		for _, line := range b.bmc.Log().Story()[b.byHand:] {
			if !strings.HasPrefix(line, "in-band") {
				t.Errorf("%s: before the merge the BMC was told: %s", b.name, line)
			}
		}
		b.byHand = len(b.bmc.Log().Story())
		w.doAsREADME(t, commands[5], b.record.ID)
	}
	w.checkNames(t)
	w.await(t, boxes, "Active", active)
	for _, b := range all {
		b.checkStarts(t)
	}
	if said := impostor.log.String(); !strings.Contains(said, "register: done") || strings.Contains(said, "is a host now") ||
		strings.Contains(said, "the BMC's accounts") || strings.Contains(said, "enrol") {
		t.Errorf("the impostor's agent says:\n%s", said)
	}
}

// isProved reports whether the branch of a record has the proof and the Secret.
func (w *world) isProved(t *testing.T, r discovery.Record) bool {
	t.Helper()
	w.git(t, "fetch", "--quiet", "origin")
	text := w.git(t, "show", "origin/ingot/proposals/"+string(r.ID)+":"+r.Proposal.Path)
	return strings.Contains(text, "Proof: the agent made a BMC account in-band") && strings.Contains(text, r.Account.System)
}

// checkNames: the merged files are those that the README lists.
func (w *world) checkNames(t *testing.T) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(pallet, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, list, _ := strings.Cut(string(text), "$ ls hosts/discovered\n")
	list, _, _ = strings.Cut(list, "$ ")
	files, err := filepath.Glob(filepath.Join(w.dir, "fleet", "hosts", "discovered", "*"))
	for i, file := range files {
		files[i] = filepath.Base(file)
	}
	if want := strings.Fields(list); err != nil || len(want) != boxes || !slices.Equal(files, want) {
		t.Errorf("merged are %q, %v; the README lists %q", files, err, want)
	}
}

// checkStarts: after the merge the machine went off once, by its agent, and came on from its disk.
func (b *box) checkStarts(t *testing.T) {
	t.Helper()
	var got []string
	for _, line := range b.bmc.Log().Story()[b.byHand:] {
		if strings.HasPrefix(line, "eject ") {
			line = "eject" // without the URL
		}
		got = append(got, line)
	}
	want := []string{"exit powered-off", "eject", "power-on", "start disk"}
	if counts := b.bmc.Log().Counts(); !slices.Equal(got, want) || counts.CDStarts != 1 || b.machine.Counts().Installs != 1 {
		t.Errorf("%s: after the merge the BMC's log is %q, want %q; %d starts from a medium, %+v", b.name, got, want, counts.CDStarts, b.machine.Counts())
	}
}

// plugImpostor starts a machine that says it is box 1, in all that an agent says, but has another machine's BMC, or none.
func (w *world) plugImpostor(t *testing.T, boot wire.BootConfig) (s stranger, unplug func()) {
	t.Helper()
	var facts wire.Facts
	data, err := os.ReadFile(filepath.Join(pallet, "inventories", "box-01.json"))
	if err == nil {
		err = json.NewDecoder(bytes.NewReader(data)).Decode(&facts)
	}
	if err != nil {
		t.Fatal(err)
	}
	s = stranger{serial: facts.System.Serial, mac: facts.NICs[0].MAC, bmc: "10.0.7.11", all: &facts, log: &safeLog{}}
	return s, s.wait(t, boot)
}

// addConfig adds to the daemon's configuration.
func (w *world) addConfig(t *testing.T, text string) {
	t.Helper()
	file, err := os.OpenFile(filepath.Join(w.dir, "ingot.yaml"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if _, err := file.WriteString(text); err != nil {
		t.Fatal(err)
	}
}

// startByHand has a person attach a medium to a box, and switch the box on.
func startByHand(t *testing.T, b *box, iso string) {
	t.Helper()
	server := httptest.NewServer(http.FileServer(http.Dir(filepath.Dir(iso))))
	t.Cleanup(server.Close)
	insertByHand(t, b.bmc, server.URL+"/"+filepath.Base(iso), "factory")
	if err := b.bmc.PowerOn(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.byHand = len(b.bmc.Log().Story())
}
