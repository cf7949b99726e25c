//go:build e2e

package e2e_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"testing"
	"time"

	"github.com/gitmetal/ingot/boot/media"
	"github.com/gitmetal/ingot/internal/daemon"
	"github.com/gitmetal/ingot/internal/lab/bmc"
	"github.com/gitmetal/ingot/internal/lab/qemu"
	"github.com/gitmetal/ingot/reconcile/plan"
)

// BenchmarkDeploy measures what ingot adds to a deployment: the time from a merge to the phone-home, and the same firmware boots and the same
// coreos-installer write done by a bare script on the same ramdisk, image and kind of machine, one after the other. The target of the ratio is 1.15.
func BenchmarkDeploy(b *testing.B) {
	var ours, bare time.Duration
	for b.Loop() {
		bare += bareDeploy(b)
		ours += ourDeploy(b)
	}
	b.ReportMetric(ours.Seconds()/float64(b.N), "ingot-s")
	b.ReportMetric(bare.Seconds()/float64(b.N), "bare-s")
	b.ReportMetric(ours.Seconds()/bare.Seconds(), "ingot/bare")
}

// ourDeploy is the time from the push of a commit that gives a powered-off machine its workload to its phone-home.
func ourDeploy(b *testing.B) time.Duration {
	w := newWorld(b)
	const wants = "  workload: hello\n"
	w.change("hosts/"+host+".yaml", wants, "")
	w.serve()
	w.await("a host without a workload", func(h daemon.HostView) bool { return h.Phase == plan.Unmanaged })
	began := time.Now()
	commit := w.change("hosts/"+host+".yaml", "  vars:", wants+"  vars:")
	view := w.awaitActive(commit)
	b.Logf("the daemon's log:\n%s", w.read("daemon.log"))
	return view.Installed.PhoneHome.Sub(began)
}

// script does what an installation needs and nothing else. The agent's unit runs it in the agent's place.
const script = `#!/bin/bash
until (exec 3<>/dev/tcp/%[1]s/%[2]s) 2>/dev/null; do sleep 0.1; done
coreos-installer install --insecure --image-url http://%[1]s:%[2]s%[3]s --ignition-file /etc/ingot/bare.ign \
  --append-karg=console=ttyS0,115200 --append-karg=ingot.demo=first /dev/vda >/dev/console 2>&1 && systemctl poweroff --force --force
`

const unit = "[Service]\nExecStart=\nExecStart=/etc/ingot/bare.sh\nRestart=no\n"

// ignitionConfig phones home once, over plain HTTP.
const ignitionConfig = `{"ignition":{"version":"3.4.0"},"systemd":{"units":[{"name":"home.service","enabled":true,"contents":` +
	`"[Unit]\nAfter=network-online.target\nWants=network-online.target\n[Service]\nType=oneshot\nExecStart=/usr/bin/curl -fsS --retry 100 --retry-all-errors --retry-delay 1 http://%s/home\n[Install]\nWantedBy=multi-user.target\n"}]}}`

// guestHost is where a machine reaches this one.
const guestHost = "10.0.2.2"

func bareDeploy(b *testing.B) time.Duration {
	home := make(chan time.Time, 1)
	mux := http.NewServeMux()
	mux.HandleFunc("/home", func(http.ResponseWriter, *http.Request) {
		select {
		case home <- time.Now():
		default:
		}
	})
	mux.HandleFunc("/os.raw.zst", func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, parts.image) })
	server := httptest.NewServer(mux)
	defer server.Close()
	at, err := url.Parse(server.URL)
	if err != nil {
		b.Fatal(err)
	}
	medium := bareMedium(b, at.Port())
	machine, err := qemu.New(qemu.Config{Dir: filepath.Join(b.TempDir(), "machine"), Identity: bmc.Identity{
		Manufacturer: "bench", Model: "q35", Serial: "BENCH1", NICs: []bmc.NIC{{Name: "1", MAC: "52:54:00:00:00:77"}},
		Disks: []bmc.Disk{{Name: "0", Serial: "DISK1", Bytes: 2 << 30}},
	}})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(b.Context(), patience)
	defer cancel()
	began := time.Now()
	exits, err := machine.Start(ctx, bmc.Boot{From: bmc.FromCD, MediaURL: medium})
	if err != nil {
		b.Fatal(err)
	}
	select {
	case exit := <-exits:
		b.Logf("the script's part took %s: %+v", time.Since(began).Round(time.Second), exit)
	case <-ctx.Done():
		b.Fatal("the script did not end")
	}
	exits, err = machine.Start(ctx, bmc.Boot{From: bmc.FromDisk})
	if err != nil {
		b.Fatal(err)
	}
	defer func() {
		_ = machine.Unplug()
		<-exits
	}()
	select {
	case then := <-home:
		return then.Sub(began)
	case exit := <-exits:
		b.Fatalf("the installed system ended: %+v", exit)
	case <-ctx.Done():
		b.Fatal("the installed system did not phone home")
	}
	return 0
}

// bareMedium serves the ramdisk with the script in the agent's place, and gives its URL.
func bareMedium(b *testing.B, port string) string {
	iso, err := media.OpenISO(parts.ramdisk)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = iso.Close() })
	var server *media.Server
	listening := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { server.ServeHTTP(w, r) }))
	b.Cleanup(listening.Close)
	server = media.NewServer(iso, listening.URL, []byte("a key of the benchmark"), time.Now)
	key := media.Key{Host: "bench", Boot: "b00t", Epoch: 1}
	if err := server.Publish(key, []media.File{
		{Path: "/etc/ingot/bare.sh", Mode: 0o755, Data: []byte(fmt.Sprintf(script, guestHost, port, "/os.raw.zst"))},
		{Path: "/etc/ingot/bare.ign", Mode: 0o600, Data: []byte(fmt.Sprintf(ignitionConfig, net.JoinHostPort(guestHost, port)))},
		{Path: "/etc/systemd/system/ingot-agent.service.d/bare.conf", Mode: 0o644, Data: []byte(unit)},
	}); err != nil {
		b.Fatal(err)
	}
	return server.URL(key)
}
