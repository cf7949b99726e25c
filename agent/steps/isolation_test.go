package steps

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gitmetal/ingot/agent/wire"
)

// TestTheServiceOfAScript pins the command: each property closes something that was open without it.
func TestTheServiceOfAScript(t *testing.T) {
	t.Parallel()
	fence := []string{
		"--property=DynamicUser=yes", "--property=CapabilityBoundingSet=", "--property=UMask=0077", "--property=NoNewPrivileges=yes",
		"--property=PrivateDevices=yes", "--property=DevicePolicy=closed", "--property=PrivateIPC=yes", "--property=PrivateTmp=yes",
		"--property=ProtectSystem=strict", "--property=TemporaryFileSystem=/run:ro", "--property=BindReadOnlyPaths=/run/ingot-steps/ingot-step-1/script",
		"--property=RuntimeDirectory=ingot-step-1-work", "--property=WorkingDirectory=/run/ingot-step-1-work",
		"--property=InaccessiblePaths=-/etc/ingot", "--property=InaccessiblePaths=-/sys/firmware",
		"--property=ProtectProc=invisible", "--property=ProtectKernelTunables=yes", "--property=ProtectKernelModules=yes", "--property=ProtectKernelLogs=yes",
		"--property=ProtectControlGroups=yes", "--property=ProtectClock=yes", "--property=ProtectHostname=yes", "--property=ProtectHome=yes",
		"--property=RestrictNamespaces=yes", "--property=RestrictSUIDSGID=yes", "--property=LockPersonality=yes", "--property=RestrictRealtime=yes",
		"--property=MemoryDenyWriteExecute=yes", "--property=SystemCallArchitectures=native", "--property=SystemCallFilter=@system-service",
		"--property=KeyringMode=private",
	}
	head := []string{"systemd-run", "--quiet", "--wait", "--pipe", "--unit=ingot-step-1",
		"--setenv=PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "--setenv=HOME=/run/ingot-step-1-work", "--setenv=LANG=C.UTF-8", "--setenv=INGOT_ARG_LEVEL=3"}
	for name, test := range map[string]struct {
		needs wire.Needs
		rest  []string
	}{
		"needs nothing": {wire.Needs{}, []string{"--property=MemoryMax=536870912", "--property=MemorySwapMax=0", "--property=TasksMax=256", "--property=CPUWeight=20", "--property=TimeoutStopSec=1", "--property=RuntimeMaxSec=91",
			"--property=PrivateNetwork=yes", "--property=RestrictAddressFamilies=AF_UNIX"}},
		"needs much": {wire.Needs{Network: true, Memory: 1 << 30, Processes: 9}, []string{"--property=MemoryMax=1073741824", "--property=MemorySwapMax=0", "--property=TasksMax=9", "--property=CPUWeight=20", "--property=TimeoutStopSec=1", "--property=RuntimeMaxSec=91",
			"--property=RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK", "--property=BindReadOnlyPaths=-/run/systemd/resolve"}},
	} {
		file := Systemd.Dir + "/ingot-step-1/script"
		s := service{file: file, work: Systemd.workDir(filepath.Dir(file)), timeout: 90*time.Second + 1, needs: test.needs, environment: []string{"INGOT_ARG_LEVEL=3"}}
		want := append(append(append(append([]string{}, head...), fence...), test.rest...), "/run/ingot-steps/ingot-step-1/script")
		if diff := cmp.Diff(want, Systemd.arguments(s)); diff != "" {
			t.Errorf("%s: command (-want +got):\n%s", name, diff)
		}
	}
}

// A script with disks is shown a directory with its devices and may open these; the rest is as for any script.
func TestTheServiceOfAScriptWithDisks(t *testing.T) {
	t.Parallel()
	plain := service{file: Systemd.Dir + "/ingot-step-1/script", work: "/run/ingot-step-1-work"}
	given := plain
	given.nodes, given.nodeNames = "/dev/ingot-step-1", []string{"data-0", "data-1"}
	var more []string
	for _, argument := range Systemd.arguments(given) {
		if !slices.Contains(Systemd.arguments(plain), argument) {
			more = append(more, argument)
		}
	}
	want := []string{"--property=DeviceAllow=/dev/ingot-step-1/data-0 rw", "--property=DeviceAllow=/dev/ingot-step-1/data-1 rw", "--property=BindPaths=/dev/ingot-step-1:/dev/ingot"}
	if diff := cmp.Diff(want, more); diff != "" || len(Systemd.arguments(given)) != len(Systemd.arguments(plain))+len(want) {
		t.Errorf("further arguments (-want +got):\n%s", diff)
	}
}

// A script with the written system is shown it, and may do with its files what their owners may; but for the user, the rest is
// as for any script.
func TestTheServiceOfAScriptWithTheSystem(t *testing.T) {
	t.Parallel()
	plain := service{file: Systemd.Dir + "/ingot-step-1/script", work: "/run/ingot-step-1-work"}
	given := plain
	given.system = []SystemDir{{Dir: "/run/ingot-agent/ingot-system-1/3"}, {Dir: "/run/ingot-agent/ingot-system-1/2", Below: "boot"}}
	var more, fewer []string
	for _, argument := range Systemd.arguments(given) {
		if !slices.Contains(Systemd.arguments(plain), argument) {
			more = append(more, argument)
		}
	}
	for _, argument := range Systemd.arguments(plain) {
		if !slices.Contains(Systemd.arguments(given), argument) {
			fewer = append(fewer, argument)
		}
	}
	want := []string{"--property=User=ingot-system", "--property=Group=ingot-system", "--property=CapabilityBoundingSet=CAP_CHOWN CAP_DAC_OVERRIDE CAP_FOWNER",
		"--property=AmbientCapabilities=CAP_CHOWN CAP_DAC_OVERRIDE CAP_FOWNER", "--property=UMask=0022",
		"--property=BindPaths=/run/ingot-agent/ingot-system-1/3:/run/ingot/system", "--property=BindPaths=/run/ingot-agent/ingot-system-1/2:/run/ingot/system/boot"}
	if diff := cmp.Diff(want, more); diff != "" {
		t.Errorf("further arguments (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"--property=DynamicUser=yes", "--property=CapabilityBoundingSet=", "--property=UMask=0077"}, fewer); diff != "" {
		t.Errorf("arguments that are gone (-want +got):\n%s", diff)
	}
}

// fakeSystemd is a systemd-run that runs the script at the end of its arguments, and a systemctl that gives an answer and
// notes its arguments.
func fakeSystemd(t *testing.T, answer string) (i Isolation, asked string) {
	t.Helper()
	dir := t.TempDir()
	asked = filepath.Join(dir, "asked")
	run, control := filepath.Join(dir, "run"), filepath.Join(dir, "control")
	for file, body := range map[string]string{
		run:     "#!/bin/sh\nwhile [ \"${1#-}\" != \"$1\" ]; do shift; done\n\"$@\"\n[ $? = 0 ] || exit 1\n",
		control: "#!/bin/sh\necho \"$@\" >> " + asked + "\n[ \"$1\" = show ] && printf '" + answer + "'\nexit 0\n",
	} {
		if err := writeProgram(file, []byte(body)); err != nil {
			t.Fatal(err)
		}
	}
	return Isolation{Run: run, Control: control, Dir: filepath.Join(dir, "scripts")}, asked
}

// TestWhyAServiceEnded: systemd-run gives 1 for everything, and systemd says what it was.
func TestWhyAServiceEnded(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		answer string
		final  bool
		want   string
	}{
		{`Result=exit-code\nExecMainStatus=1\n`, false, "exit status 1"},
		{`Result=exit-code\nExecMainStatus=2\n`, true, "it failed for good: exit status 2"},
		{`Result=exit-code\nExecMainStatus=226\n`, true, "exit status 226"},
		{`Result=timeout\nExecMainStatus=15\n`, true, "it did not end within its timeout"},
		{`Result=oom-kill\nExecMainStatus=9\n`, true, "it used more memory than it may have"},
		{`Result=signal\nExecMainStatus=31\n`, true, "it was killed"},
		{`Result=success\nExecMainStatus=0\n`, true, "systemd did not start it"},
		{`Result=later\n`, true, "it ended with \"later\""},
		{``, true, "it ended with \"\""},
	} {
		i, asked := fakeSystemd(t, test.answer)
		_, err := RunScript(t.Context(), ScriptRun{Script: wire.Script{Body: []byte("#!/bin/sh\necho last words\nexit 9\n"), Run: &wire.Run{Attempts: 1, Once: true}},
			Apart: i, Timeout: time.Minute, Report: (&lines{}).report})
		var failure Failure
		if !errors.As(err, &failure) || failure.Final != test.final || !strings.Contains(err.Error(), test.want) || !strings.HasSuffix(err.Error(), ": last words") || strings.Contains(err.Error(), i.Run) {
			t.Errorf("%s: error %v, final %t, want %q, final %t", test.answer, err, failure.Final, test.want, test.final)
		}
		body, err := os.ReadFile(asked)
		words := strings.Split(strings.TrimSpace(string(body)), "\n")
		if err != nil || len(words) != 3 || !strings.HasPrefix(words[0], "show --property=Result,ExecMainStatus ingot-step-") ||
			!strings.HasPrefix(words[1], "stop --quiet ingot-step-") || !strings.HasPrefix(words[2], "reset-failed --quiet ingot-step-") {
			t.Errorf("%s: systemctl was asked %q, %v", test.answer, words, err)
		}
		if left, err := os.ReadDir(i.Dir); err != nil || len(left) > 0 {
			t.Errorf("%s: the script is still there: %v, %v", test.answer, left, err)
		}
	}
}

// TestSecretsOfAServiceAreOnItsInput: no argument of systemd-run holds one, and the script gets it.
func TestSecretsOfAServiceAreOnItsInput(t *testing.T) {
	t.Parallel()
	i, _ := fakeSystemd(t, "")
	noted := filepath.Join(t.TempDir(), "arguments")
	body, err := os.ReadFile(i.Run)
	if err != nil {
		t.Fatal(err)
	}
	if err := writeProgram(i.Run, []byte(strings.Replace(string(body), "#!/bin/sh\n", "#!/bin/sh\necho \"$@\" > "+noted+"\nenv >> "+noted+"\n", 1))); err != nil {
		t.Fatal(err)
	}
	run := &wire.Run{Step: "s", Attempts: 1, Args: json.RawMessage(`{"password":"hunter2","plain":"seen"}`), Secrets: []string{"password"}}
	_, err = RunScript(t.Context(), ScriptRun{Script: wire.Script{Body: []byte("#!/bin/sh\ngrep -q hunter2 && [ \"$1\" = s ]\n"), Run: run}, Apart: i, Report: (&lines{}).report})
	body, read := os.ReadFile(noted)
	if text := string(body); err != nil || read != nil || strings.Contains(text, "hunter2") || !strings.Contains(text, "--setenv=INGOT_ARG_PLAIN=seen") {
		t.Errorf("error %v, %v, arguments and environment:\n%s", err, read, fmt.Sprint(text))
	}
}
