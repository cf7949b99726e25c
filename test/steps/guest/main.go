// Command guest runs in the ramdisk in place of the agent: it runs hostile scripts as the agent runs steps, and writes
// a line for each to the console: "CASE name: ok", or what the script reached. Then the machine powers itself off. The
// test in test/steps builds this program and boots it.
package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/gitmetal/ingot/agent/plugins"
	"github.com/gitmetal/ingot/agent/steps"
	"github.com/gitmetal/ingot/agent/wire"
)

// hostile is a script, and what must become of it. A line of the script that begins with OPEN is something that it
// reached.
type hostile struct {
	name    string
	body    string
	needs   wire.Needs
	timeout time.Duration
	once    bool
	want    string // in the error; "" for a script that succeeds
	says    string // a line of the script
	disk    string // serial of a disk that the script is given; "" for none
	// describe makes a plug-in of the script: commands in bash, before the plug-in says that it supports the machine.
	describe string
	step     string // of the plug-in; default hostile
	// system has the script shown the written system; before and after are commands around it: after must succeed in the
	// root of that system.
	system        bool
	before, after string
}

// open is a shell function for attempts to reach something.
const open = "#!/bin/bash\ntry() { if \"$@\" >/dev/null 2>&1; then echo \"OPEN $*\"; fi; }\n"

func cases(self int) []hostile {
	agent := fmt.Sprint(self)
	return []hostile{
		{name: "arguments", body: "read -r document; [[ $document == *hunter2* && $document == *'\"memory\"'* ]] || exit 1\n" +
			"[[ $1 == hostile && $INGOT_ARG_PLAIN == seen && -z $INGOT_ARG_PASSWORD ]] || exit 1\n" +
			"echo x > file && [[ $PWD == /run/*-work && $HOME == $PWD ]] || exit 1\necho '{\"message\":\"all there\"}'\n", says: "all there"},
		{name: "secrets of the agent", body: "try cat /run/ingot/agent.key\ntry cat /etc/ingot/boot.json\ntry ls /run/ingot-steps/*/../../ingot\n" +
			"try cat /proc/1/root/run/ingot/agent.key\ntry cat /proc/" + agent + "/root/run/ingot/agent.key\ntry cat /proc/" + agent + "/environ\n" +
			"try cat /proc/" + agent + "/mem\ntry nsenter -t 1 -m true\ntry nsenter -t " + agent + " -m true\n"},
		{name: "the agent's life", body: "try kill -9 " + agent + "\ntry kill -0 " + agent + "\ntry systemctl stop guest.service\ntry systemd-run true\n" +
			"try systemctl reboot\ntry reboot -f\ntry shutdown now\n"},
		{name: "disks", body: "try dd if=/dev/vda of=/dev/null count=1\ntry dd if=/dev/zero of=/dev/vda count=1\ntry mknod node b 254 0\n" +
			"try mknod /tmp/node b 254 0\ntry blkid /dev/vda\ntry sfdisk -l /dev/vda\n[ -e /dev/vda ] && echo OPEN vda\ntrue\n"},
		{name: "a disk of its own", disk: "DATA0001", says: "written", body: "[ \"$(ls /dev/ingot)\" = data-0 ] || echo OPEN other devices\n" +
			"echo hello | dd of=/dev/ingot/data-0 bs=512 conv=notrunc,sync,fsync 2>/dev/null && head -c 5 /dev/ingot/data-0 | grep -qx hello || exit 1\n" +
			"try dd if=/dev/vda of=/dev/null count=1\ntry dd if=/dev/vdb of=/dev/null count=1\ntry mknod node b 254 0\ntry mknod /dev/ingot/node b 254 0\n" +
			"try touch /dev/x\ntry touch /dev/ingot/x\ntry rm /dev/ingot/data-0\ntry blockdev --rereadpt /dev/ingot/data-0\necho written\n"},
		{name: "no disk of an earlier script", body: "[ -e /dev/ingot ] && echo OPEN devices\nls /dev | grep -q ingot && echo OPEN nodes\ntrue\n"},
		{name: "the kernel", body: "try dd if=/dev/mem of=/dev/null count=1\ntry mount -t tmpfs none /tmp\ntry unshare -r true\ntry unshare -m true\n" +
			"try modprobe loop\ntry insmod x\ntry dmesg\ntry hostname other\ntry date -s 2030-01-01\n" +
			"if echo b > /proc/sysrq-trigger; then echo OPEN sysrq; fi 2>/dev/null\nif echo 1 > /proc/sys/kernel/panic; then echo OPEN sysctl; fi 2>/dev/null\n" +
			"if mkdir /sys/fs/cgroup/x; then echo OPEN cgroup; fi 2>/dev/null\ntry ls /sys/firmware/efi\n[ -e /dev/ipmi0 ] && echo OPEN ipmi\ntrue\n"},
		{name: "the system's files", body: "try touch /usr/x\ntry touch /etc/x\ntry touch /x\ntry touch /run/x\ntry rm /usr/bin/true\n" +
			"for f in /usr/bin/* /usr/sbin/*; do [ -u $f ] && $f --version >/dev/null 2>&1; done; id -u | grep -qx 0 && echo OPEN root\n" +
			"grep -q '^CapEff:.*[1-9a-f]' /proc/self/status && echo OPEN capabilities\ntrue\n"},
		{name: "other processes", body: "for p in /proc/[0-9]*; do [ \"${p#/proc/}\" -lt 2 ] && echo OPEN $p; done\n[ -r /proc/" + agent + "/cmdline ] && echo OPEN agent\ntrue\n"},
		{name: "no network", body: "[ \"$(grep -c : /proc/net/dev)\" = 1 ] || echo OPEN interfaces\n: > /dev/tcp/10.0.2.2/22 2>/dev/null && echo OPEN daemon\ntrue\n"},
		{name: "asked for network", needs: wire.Needs{Network: true}, body: "[ -e /sys/class/net/lo ] && ip -brief link | grep -v '^lo' | grep -q . && echo a card\n", says: "a card"},
		{name: "processes without end", timeout: 8 * time.Second, once: true, body: "f() { f | f & }; f; while :; do sleep 1; done\n", want: "it did not end within"},
		{name: "memory without end", timeout: time.Minute, once: true, needs: wire.Needs{Memory: 64 << 20}, body: "tail /dev/zero\n", want: "it used more memory than it may have"},
		{name: "output without end", timeout: 8 * time.Second, once: true, body: "while :; do head -c 1000 /dev/zero | tr '\\0' x; echo $RANDOM; done\n", want: "it did not end within"},
		{name: "deaf to signals", timeout: 4 * time.Second, once: true, body: "trap '' TERM INT HUP; while :; do sleep 1; done\n", want: "it did not end within"},
		{name: "what is left behind", body: "setsid sleep 7777 & setsid nohup sleep 7777 >/dev/null 2>&1 < /dev/null &\n"},
		{name: "an exit code", body: "exit 17\n", want: "exit status 17"},
		{name: "for good", body: "exit 2\n", want: "it failed for good: exit status 2"},
		{name: "no interpreter", body: "", want: "exit status 203"},
		{name: "a plug-in", describe: "jq -e '.machine.facts and (.args == null)' >/dev/null || exit 1\n[ \"$(grep -c : /proc/net/dev)\" = 1 ] || echo OPEN interfaces >&2\n" +
			"[ -e /dev/ingot ] && echo OPEN devices >&2\n", disk: "DATA0001", body: "[ \"$1 $2\" = 'run hostile' ] && [ \"$(ls /dev/ingot)\" = data-0 ] && " +
			"jq -e '.args.password == \"hunter2\" and .disks.data[0].serial == \"DATA0001\"' >/dev/null || exit 1\necho it ran\n", says: "it ran"},
		{name: "describe reaches out", describe: "try cat /run/ingot/agent.key >&2\ntry kill -9 " + agent + " >&2\ntry dd if=/dev/vda of=/dev/null count=1 >&2\ntry touch /etc/x >&2\n" +
			"try bash -c \"echo x >> $0\" >&2\ntry rm $0 >&2\ntry systemctl reboot >&2\n: > /dev/tcp/10.0.2.2/22 2>/dev/null && echo OPEN daemon >&2\n", body: "echo ran\n", says: "ran"},
		{name: "describe without end", describe: "sleep 1000 &\nwait\n", body: "echo OPEN ran\n", want: "describe: it did not end within"},
		{name: "describe says 10 GB", describe: "head -c 10G /dev/zero | tr '\\0' x\n", body: "echo OPEN ran\n", want: "describe: it"},
		{name: "describe eats memory", describe: "tail /dev/zero\n", body: "echo OPEN ran\n", want: "describe: it used more memory than it may have"},
		{name: "a plug-in with the name of ingot's own step", describe: ":\n", step: "install", body: "try dd if=/dev/zero of=/dev/vda count=1\ntry cat /run/ingot/agent.key\n" +
			"[ \"$(id -u)\" = 0 ] && echo OPEN root\necho contained\n", says: "contained"},
	}
}

func main() {
	console, err := os.OpenFile("/dev/console", os.O_WRONLY, 0)
	if err != nil {
		panic(err)
	}
	for dir, file := range map[string]string{"/run/ingot": "agent.key", "/etc/ingot": "boot.json"} {
		if err := errors.Join(os.MkdirAll(dir, 0o755), os.WriteFile(dir+"/"+file, []byte("key"), 0o644)); err != nil {
			panic(err)
		}
	}
	for _, h := range append(cases(os.Getpid()), systemCases(os.Getpid())...) {
		began := time.Now()
		fmt.Fprintf(console, "\r\nCASE %s: %s (%.1f s)\r\n", h.name, h.judge(), time.Since(began).Seconds())
	}
	fmt.Fprint(console, "\r\nEND\r\n")
	if err := exec.CommandContext(context.Background(), "systemctl", "poweroff", "--force", "--force").Run(); err != nil {
		panic(err)
	}
}

// judge runs a script, and says "ok" or what is wrong.
func (h hostile) judge() string {
	var mu sync.Mutex
	var said []string
	bytes := 0
	run := &wire.Run{Operation: "op", Step: "hostile", ID: "hostile", Attempts: 1, Once: h.once, Needs: h.needs,
		Args: json.RawMessage(`{"password":"hunter2","plain":"seen"}`), Secrets: []string{"password"}}
	body := open + h.body
	if h.describe != "" {
		h.step = cmp.Or(h.step, "hostile")
		answer := `{"protocol":1,"name":"hostile","version":"1","steps":[{"step":"` + h.step + `","support":"vendor","args":{"type":"object","additionalProperties":true}}]}`
		body = open + "if [ $1 = describe ]; then\n" + h.describe + "echo '" + answer + "'\nexit 0\nfi\n" + h.body
	}
	if h.name == "no interpreter" {
		body = "#!/no/such/interpreter\n"
	}
	timeout := max(h.timeout, 0)
	if timeout == 0 {
		timeout = time.Minute
	}
	script := wire.Script{Body: []byte(body), Run: run}
	if h.describe != "" {
		script = wire.Script{Plugins: []wire.Plugin{{Name: "hostile", Step: h.step, Body: []byte(body)}}, Run: run}
	}
	scriptRun := steps.ScriptRun{Script: script, Timeout: timeout,
		Apart: steps.Systemd, Report: func(p wire.Progress) {
			mu.Lock()
			defer mu.Unlock()
			for _, line := range p.Lines {
				bytes += len(line)
				said = append(said[max(0, len(said)-100):], line)
			}
		}}
	err := h.run(scriptRun)
	return h.compare(strings.Join(said, "; "), bytes, err)
}

// run runs a script or a plug-in, with its disk if there is one.
func (h hostile) run(script steps.ScriptRun) (err error) {
	do := func(given []steps.GivenDisk, system ...steps.SystemDir) (string, error) {
		script.Given, script.System = given, system
		return steps.RunScript(context.Background(), script)
	}
	if h.describe != "" {
		candidates, failed := plugins.Open(context.Background(), script)
		defer func() { err = errors.Join(err, candidates.Close()) }()
		if failed != nil {
			return failed
		}
		do = func(given []steps.GivenDisk, system ...steps.SystemDir) (string, error) {
			return candidates.Run(context.Background(), given, system...)
		}
	}
	if h.system {
		return h.runInSystem(do)
	}
	if h.disk == "" {
		_, err := do(nil)
		return err
	}
	var left []wire.Disk
	named := []wire.NamedDisk{{Name: "data", DiskRef: wire.DiskRef{Serial: h.disk, Content: wire.ContentAny}}}
	tools := steps.DiskTools{Disks: steps.BlockDevices{Root: "/"}, Leave: yes{}, NoteDisks: func(disks []wire.Disk) { left = disks }}
	_, err = steps.WithDisks(context.Background(), named, tools, func(given []steps.GivenDisk) (string, error) { return do(given) })
	switch nodes, failed := filepath.Glob("/dev/ingot-step-*"); {
	case err != nil:
		return err
	case len(left) != 1 || left[0].Content.Blank || left[0].Content.Signature == "":
		return fmt.Errorf("the script left %+v", left)
	case failed != nil || len(nodes) > 0:
		return fmt.Errorf("devices are left: %v", nodes)
	}
	return nil
}

// yes gives leave.
type yes struct{}

// AskLeave implements steps.Leave.
func (yes) AskLeave(context.Context, []wire.Disk) (bool, error) { return true, nil }

// compare says "ok" or what is wrong with the end of a script.
func (h hostile) compare(said string, bytes int, err error) string {
	switch {
	case strings.Contains(said, "OPEN"):
		return "REACHED " + said
	case (err == nil) != (h.want == ""), err != nil && !strings.Contains(err.Error(), h.want):
		return fmt.Sprintf("WRONG END %v, said %.300s", err, said)
	case h.says != "" && !strings.Contains(said, h.says):
		return "WRONG WORDS " + said
	case bytes > 2<<20:
		return fmt.Sprintf("UNBOUNDED %d bytes", bytes)
	}
	if left, err := exec.CommandContext(context.Background(), "systemctl", "list-units", "--all", "--no-legend", "ingot-step-*").Output(); err != nil || len(left) > 0 {
		return fmt.Sprintf("LEFT UNIT %s %v", left, err)
	}
	lines, err := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, file := range lines {
		if line, _ := os.ReadFile(file); err == nil && strings.Contains(string(line), "7777") { // a process that is gone has none
			return fmt.Sprintf("LEFT PROCESS %q", line)
		}
	}
	if left, err := os.ReadDir(steps.Systemd.Dir); err != nil || len(left) > 0 {
		return fmt.Sprintf("LEFT FILES %v %v", left, err)
	}
	return "ok"
}
