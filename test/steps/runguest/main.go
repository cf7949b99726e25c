// Command runguest runs in the ramdisk in place of the agent: it makes runs of ephemeral workloads as the agent makes
// them, one after the other on one boot, and writes a line for each to the console. Then the machine powers itself off.
package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/gitmetal/ingot/agent/execution"
	"github.com/gitmetal/ingot/agent/steps"
	"github.com/gitmetal/ingot/agent/wire"
	"github.com/gitmetal/ingot/boot/configdrive"
	"github.com/gitmetal/ingot/schemas"
)

// memory of the machine, as its facts say: a quarter of it bounds a results directory.
const memory = 1 << 30

// run is a script, and what must become of it. A line of the script that begins with OPEN is something that it reached.
type run struct {
	name    string
	body    string
	needs   wire.Needs
	timeout time.Duration
	limits  wire.ResultLimits
	exit    int
	want    string            // in the error; "" for a run that succeeds
	says    string            // in the beginning of the output
	files   map[string]string // what is kept; a value that begins with # is a size in bytes
}

var all = wire.ResultLimits{Files: []string{"**"}, MaxSize: 1 << 30, MaxFiles: 100}

func runs() []run {
	return []run{
		{name: "a result", limits: all, says: "hello", files: map[string]string{"out/pi.txt": "3.14", "input": "points=10", "env": "r-1 pi b1 7 1"},
			body: "read -r document; [[ $document == *'\"results\":\"/run/ingot/results\"'* && $document == *'\"run\":\"r-1\"'* ]] || exit 9\n" +
				"echo hello; cd $INGOT_RESULTS; mkdir out; printf 3.14 > out/pi.txt; cat $INGOT_INPUTS/conf/params > input\n" +
				"printf '%s %s %s %s %s' $INGOT_RUN $INGOT_WORKLOAD $INGOT_BATCH $INGOT_ITEM $INGOT_ATTEMPT > env\n"},
		{name: "inputs stay as they are", limits: all, body: "try touch $INGOT_INPUTS/x\ntry rm $INGOT_INPUTS/conf/params\ntry chmod 777 $INGOT_INPUTS/conf\n" +
			"if echo x >> $INGOT_INPUTS/conf/params; then echo OPEN write; fi 2>/dev/null\ntrue\n"},
		{name: "links lead nowhere", limits: all, files: map[string]string{"own": "1"},
			body: "cd $INGOT_RESULTS; echo -n 1 > own; ln -s /etc/ingot/boot.json a; ln -s ../../ingot/agent.key b; ln -s / c; ln -s own d; mkfifo e\n"},
		{name: "results beside the memory", limits: all, needs: wire.Needs{Memory: 64 << 20}, files: map[string]string{"big": "#157286400"},
			body: "head -c 150M /dev/zero > $INGOT_RESULTS/big\n"},
		{name: "results without end", limits: all, needs: wire.Needs{Memory: 64 << 20}, files: map[string]string{"big": "#268435456"}, says: "No space left",
			body: "head -c 2G /dev/zero > $INGOT_RESULTS/big 2>/dev/null || echo No space left\n"},
		{name: "a secret is left", limits: all, files: map[string]string{"secret": "hunter2"}, body: "for d in $INGOT_RESULTS /tmp /var/tmp /dev/shm $PWD; do echo -n hunter2 > $d/secret; done 2>/dev/null\n" +
			"ipcmk -M 4096 >/dev/null 2>&1; setsid sleep 7777 </dev/null >/dev/null 2>&1 &\nexec 3<>$INGOT_RESULTS/secret\ntrue\n"},
		{name: "and not found by the next run", limits: all, body: "ls -A $INGOT_RESULTS | grep -q . && echo OPEN results\n" +
			"for f in /tmp/secret /var/tmp/secret /dev/shm/secret /run/ingot-runs /run/ingot-steps/*/secret $PWD/secret; do [ -e $f ] && echo OPEN $f; done\n" +
			"grep -lq hunter2 /proc/[0-9]*/cmdline 2>/dev/null && echo OPEN cmdline\nfor p in /proc/[0-9]*; do tr '\\0' ' ' < $p/cmdline 2>/dev/null | grep -q 'sleep 7777' && echo OPEN $p; done\n" +
			"ipcs -m | grep -q 0x && echo OPEN shm\ngrep -c ingot-runs /proc/self/mountinfo | grep -qx 2 || grep ingot-runs /proc/self/mountinfo\ntrue\n"},
		{name: "a deadline", limits: all, timeout: 30 * time.Second, exit: -1, want: "it did not end within", files: map[string]string{"partial": "1"},
			body: "echo -n 1 > $INGOT_RESULTS/partial; sleep 1000\n"},
		{name: "an exit code", limits: all, exit: 3, want: "exit status 3", body: "exit 3\n"},
	}
}

// open is a shell function for attempts to reach something.
const open = "#!/bin/bash\ntry() { if \"$@\" >/dev/null 2>&1; then echo \"OPEN $*\"; fi; }\n"

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
	say := func(name string, judge func() string) {
		began := time.Now()
		fmt.Fprintf(console, "\r\nCASE %s: %s (%.1f s)\r\n", name, judge(), time.Since(began).Seconds())
	}
	for _, r := range runs() {
		say(r.name, r.judge)
	}
	say("nothing of the runs is left", judgeLeft)
	say("a config drive as a CD", func() string { return judgeDrive("iso9660") })
	say("a config drive as a disk", func() string { return judgeDrive("vfat") })
	fmt.Fprint(console, "\r\nEND\r\n")
	if err := exec.CommandContext(context.Background(), "systemctl", "poweroff", "--force", "--force").Run(); err != nil {
		panic(err)
	}
}

// session keeps what a run leaves.
type session struct {
	mu     sync.Mutex
	said   []string
	stored map[string]string
	ended  wire.Executed
}

const input = "points=10"

func sumOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

func (s *session) Report(p wire.Progress) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.said = append(s.said, p.Lines...)
}
func (s *session) Facts() wire.Facts            { return wire.Facts{Memory: memory} }
func (s *session) NoteExecuted(e wire.Executed) { s.ended = e }
func (s *session) Blob(_ context.Context, _ string, offset int64) (io.ReadCloser, error) {
	return io.NopCloser(strings.NewReader(input[offset:])), nil
}

func (s *session) Upload(_ context.Context, file wire.ResultFile, content io.ReaderAt) error {
	body := make([]byte, min(file.Size, 4096))
	if _, err := content.ReadAt(body, 0); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if s.stored[file.Name] = string(body); file.Size > 4096 {
		s.stored[file.Name] = fmt.Sprintf("#%d", file.Size)
	}
	return nil
}

// judge makes a run, and says "ok" or what is wrong.
func (r run) judge() string {
	s := &session{stored: map[string]string{}}
	step := wire.Step{Name: "pi", Timeout: max(r.timeout, 0), Script: &wire.Script{Body: []byte(open + r.body),
		Run: &wire.Run{ID: "pi", Attempts: 1, Needs: r.needs}},
		Execution: &wire.Execution{RunExecution: wire.RunExecution{Run: "r-1", Workload: "pi", Batch: "b1", Item: 7, Attempt: 1}, Results: r.limits,
			Inputs: []wire.Input{{Name: "conf/params", SHA256: sumOf(input), Size: int64(len(input))}, {Name: "token", Body: []byte("t0k")}}}}
	if step.Timeout == 0 {
		step.Timeout = time.Minute
	}
	err := execution.Execute(context.Background(), step, execution.Tools{Session: s, Apart: steps.Systemd, Dir: "/run/ingot-runs",
		Mount: execution.MountRAM, Run: steps.RunScript})
	switch {
	case r.want == "" && err != nil, r.want != "" && (err == nil || !strings.Contains(err.Error(), r.want)):
		return fmt.Sprintf("the error is %v, want %q; said %q", err, r.want, s.said)
	case s.ended.Exit != r.exit:
		return fmt.Sprintf("exit %d, want %d", s.ended.Exit, r.exit)
	case !strings.Contains(s.ended.Output, r.says):
		return fmt.Sprintf("the output is %q, want %q", s.ended.Output, r.says)
	case strings.Contains(strings.Join(s.said, "\n"), "OPEN"):
		return fmt.Sprintf("it reached %q", s.said)
	case len(s.stored) != len(r.files):
		return fmt.Sprintf("kept %d files, want %d: %.200q; said %q", len(s.stored), len(r.files), fmt.Sprint(s.stored), s.said)
	}
	for name, want := range r.files {
		if s.stored[name] != want {
			return fmt.Sprintf("%s is %.80q, want %.80q", name, s.stored[name], want)
		}
	}
	return "ok"
}

// judgeLeft looks for what runs left on the machine.
func judgeLeft() string {
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return err.Error()
	}
	left, err := filepath.Glob("/run/ingot-runs/*")
	if err != nil || len(left) > 0 || bytes.Contains(mounts, []byte("ingot-runs")) {
		return fmt.Sprintf("directories %q, mounts\n%s", left, mounts)
	}
	return "ok"
}

// judgeDrive mounts a config drive, and reads every file of it.
func judgeDrive(kind string) string {
	drive := configdrive.Drive{ID: "web-2", Name: "www-2", Keys: []string{"ssh-ed25519 AAAA"}, UserData: []byte("#cloud-config\n{}\n"),
		Network: &schemas.Network{Interfaces: []schemas.Interface{{Name: "eno1", Type: "ethernet"}}}, Env: map[string]string{"INGOT_TOKEN": "t'k"},
		More: map[string][]byte{"a long Name.with-parts": bytes.Repeat([]byte("x"), 100_000)}}
	files, err := drive.Files()
	if err != nil {
		return err.Error()
	}
	image, err := drive.FAT(0)
	if kind == "iso9660" {
		iso, failed := drive.ISO()
		if failed != nil {
			return failed.Error()
		}
		image, err = iso.Bytes()
	}
	if err := errors.Join(err, os.WriteFile("/run/drive", image, 0o600), os.MkdirAll("/run/mnt", 0o755)); err != nil {
		return err.Error()
	}
	if out, err := exec.CommandContext(context.Background(), "mount", "-t", kind, "-o", "loop,ro", "/run/drive", "/run/mnt").CombinedOutput(); err != nil {
		return fmt.Sprintf("mount: %v: %s", err, out)
	}
	defer func() { _ = exec.CommandContext(context.Background(), "umount", "/run/mnt").Run() }()
	for name, want := range files {
		if got, err := os.ReadFile(filepath.Join("/run/mnt", name)); err != nil || !bytes.Equal(got, want) {
			return fmt.Sprintf("%s: %d bytes, %v, want %d", name, len(got), err, len(want))
		}
	}
	out, err := exec.CommandContext(context.Background(), "sh", "-c", `. /run/mnt/ingot.env; printf %s "$INGOT_TOKEN"`).Output()
	if err != nil || string(out) != "t'k" {
		return fmt.Sprintf("ingot.env gives %q, %v", out, err)
	}
	return "ok"
}
