//go:build e2e

package bmc_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/pem"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gitmetal/ingot/internal/lab/bmc"
)

// validatorsDeadline bounds one validator's run; a run takes under half a minute.
const validatorsDeadline = 5 * time.Minute

// validators are the tools of scripts/redfish-validators.sh, which makes them once.
func validators(t *testing.T) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	command := exec.CommandContext(ctx, "../../../scripts/redfish-validators.sh")
	command.Stderr = os.Stderr
	folder, err := command.Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(folder))
}

// serve serves a BMC, and gives its origin and a file with its certificate.
func serve(t *testing.T, b *bmc.BMC) (origin, certificate string) {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	served := make(chan error, 1)
	go func() { served <- b.Serve(ctx, listener) }()
	t.Cleanup(func() {
		cancel()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	dialer := tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true}} // the certificate is what is asked for
	conn, err := dialer.DialContext(ctx, "tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	leaf := conn.(*tls.Conn).ConnectionState().PeerCertificates[0]
	certificate = filepath.Join(t.TempDir(), "bmc.pem")
	data := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: leaf.Raw})
	if err := os.WriteFile(certificate, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return "https://" + listener.Addr().String(), certificate
}

// fill gives the BMC what a client may have left there: a session, an account, a volume, a task, a medium, a console.
func fill(t *testing.T, b *bmc.BMC) {
	t.Helper()
	b.OfferConsole(2200, "")
	wantStatus(t, b, call{method: "POST", path: accountsAt, body: `{"UserName":"op","Password":"p1","RoleId":"Operator"}`}, 201)
	wantStatus(t, b, call{method: "POST", path: volumesAt, body: `{"RAIDType":"RAID0","Links":{"Drives":[{"@odata.id":"` + system + `/Storage/1/Drives/0"}]}}`}, 201)
	wantStatus(t, b, call{method: "POST", path: slot + "/Actions/VirtualMedia.InsertMedia", body: `{"Image":"http://10.0.0.1/boot.iso"}`}, 204)
	b.Inject(func(f *bmc.Faults) { f.ResetAsTask = true })
	wantStatus(t, b, call{method: "POST", path: reset, body: `{"ResetType":"On"}`}, 202)
	b.Inject(func(f *bmc.Faults) { f.ResetAsTask = false })
}

// program runs a validator in a folder of its own and gives what it said. A proxy's certificates in the environment
// would replace the BMC's.
func program(t *testing.T, path string, arguments ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), validatorsDeadline)
	defer cancel()
	command := exec.CommandContext(ctx, path, arguments...)
	command.Dir = t.TempDir()
	command.Env = slices.DeleteFunc(os.Environ(), func(entry string) bool {
		return strings.HasPrefix(entry, "REQUESTS_CA_BUNDLE=") || strings.HasPrefix(entry, "CURL_CA_BUNDLE=")
	})
	var out bytes.Buffer
	command.Stdout, command.Stderr = &out, &out
	err := command.Run()
	t.Logf("%s: %v\n%s", filepath.Base(path), err, lastLines(out.String(), 12))
	return out.String()
}

func lastLines(text string, n int) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(len(lines)-n, 0):], "\n")
}

// table finds the totals in what the service and the interop validator print: PASS, WARN, FAIL, NOT TESTED.
var table = regexp.MustCompile(`\|\s+(\d+)\s+\|\s+(\d+)\s+\|\s+(\d+)\s+\|\s+(\d+)\s+\|`)

// TestDMTFValidators has DMTF's protocol, service and interop validators find nothing wrong with the lab's BMC.
func TestDMTFValidators(t *testing.T) {
	t.Parallel()
	folder := validators(t)
	tool := func(name string) string { return filepath.Join(folder, "venv/bin", name) }
	account := []string{"-u", "admin", "-p", "correct horse", "-r"}
	t.Run("protocol", func(t *testing.T) {
		t.Parallel()
		b, _ := newBMCOf(t, 8, bmc.Faults{})
		origin, certificate := serve(t, b)
		said := program(t, tool("rf_protocol_validator"), slices.Concat(account, []string{origin, "--ca-bundle", certificate, "--report-type", "tsv",
			"--avoid-http-redirect"})...)
		wantNoFailure(t, regexp.MustCompile(`PASS: (\d+), WARN: (\d+), FAIL: (\d+)`).FindStringSubmatch(said), 300)
	})
	t.Run("service", func(t *testing.T) {
		t.Parallel()
		b, _ := newBMC(t, bmc.Faults{})
		fill(t, b)
		origin, _ := serve(t, b)
		schemas := filepath.Join(folder, "schemas")
		arguments := slices.Concat(account, []string{origin, "--schema_directory", schemas})
		if hasSchemas(schemas) {
			arguments = append(arguments, "--skipschema")
		}
		said := program(t, tool("rf_service_validator"), arguments...)
		totals, least := table.FindStringSubmatch(said), 250
		if !hasSchemas(schemas) && len(totals) > 3 {
			t.Logf("DMTF'S SCHEMAS COULD NOT BE FETCHED: nothing but that every linked resource answers was checked. Put the files "+
				"csdl/*.xml of DSP8010 into %s", schemas)
			totals[1], least = totals[2], 30 // a resource without a schema is one warning
		}
		wantNoFailure(t, totals, least)
	})
	t.Run("interop", func(t *testing.T) {
		t.Parallel()
		b, _ := newBMC(t, bmc.Faults{})
		fill(t, b)
		origin, _ := serve(t, b)
		said := program(t, tool("rf_interop_validator"), slices.Concat(account, []string{origin, filepath.Join(folder, "profile.json")})...)
		wantNoFailure(t, table.FindStringSubmatch(said), 50)
	})
}

func hasSchemas(folder string) bool {
	_, err := os.Stat(filepath.Join(folder, "ServiceRoot_v1.xml"))
	return err == nil
}

// wantNoFailure checks a validator's totals (passed, warned, failed): none failed, and it looked at enough.
func wantNoFailure(t *testing.T, totals []string, least int) {
	t.Helper()
	if len(totals) < 4 {
		t.Fatal("the validator says no totals")
	}
	passed, err := strconv.Atoi(totals[1])
	if err != nil || passed < least || totals[3] != "0" {
		t.Errorf("%s passed and %s failed, want at least %d and none", totals[1], totals[3], least)
	}
}
