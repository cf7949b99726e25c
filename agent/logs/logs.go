// Package logs collects what the ramdisk knows of a failure: its journal, the messages of the kernel, and the state of
// disks, networks and processes. Call Collect. Nothing is masked here: the daemon, which knows the secrets, masks.
package logs

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"time"

	"github.com/gitmetal/ingot/agent/programs"
)

// File is one collected text.
type File struct {
	Name string
	Body []byte
}

// Limits of one file, in bytes. A file that is larger keeps its end.
const (
	maxJournal = 4 << 20
	maxKernel  = 1 << 20
	maxState   = 1 << 20
)

// programTime bounds one program.
const programTime = 20 * time.Second

// source is a file, and the programs that say it.
type source struct {
	name     string
	most     int
	programs []string
}

// sources are the files of Collect. A program that the ramdisk lacks is said in the file.
var sources = []source{
	{"journal.log", maxJournal, []string{"journalctl --no-pager --quiet --output=short-iso-precise"}},
	{"kernel.log", maxKernel, []string{"dmesg"}},
	{"state.txt", maxState, []string{"uptime", "systemctl --no-pager --failed", "lsblk --output NAME,SIZE,TYPE,FSTYPE,LABEL,MOUNTPOINTS,SERIAL,MODEL",
		"cat /proc/mdstat", "mount", "df --human-readable", "free --human", "ip address", "ip route", "efibootmgr", "ps -A --forest --format pid,user,etime,stat,args"}},
}

// Collect collects the files. Collect takes what can be had before ctx ends.
func Collect(ctx context.Context) (files []File) { return collectFrom(ctx, sources) }

func collectFrom(ctx context.Context, sources []source) (files []File) {
	for _, s := range sources {
		kept := Tail{Most: s.most}
		for _, line := range s.programs {
			if len(s.programs) > 1 {
				fmt.Fprintf(&kept, "$ %s\n", line)
			}
			if err := runProgram(ctx, &kept, line); err != nil {
				fmt.Fprintf(&kept, "%s: %v\n", line, err)
			}
		}
		files = append(files, File{Name: s.name, Body: kept.Text()})
	}
	return files
}

// runProgram writes the output of a program to out.
func runProgram(ctx context.Context, out io.Writer, line string) error {
	ctx, cancel := context.WithTimeout(ctx, programTime)
	defer cancel()
	argv := strings.Fields(line)
	command := exec.CommandContext(ctx, argv[0], argv[1:]...)
	command.Env = programs.Environment()
	command.Stdout, command.Stderr = out, out
	command.WaitDelay = time.Second
	return command.Run()
}

// Tail keeps the end of a text, in memory.
type Tail struct {
	Most    int // bytes; the text is cut at the beginning of a line
	kept    []byte
	dropped int
}

// Write implements io.Writer.
func (t *Tail) Write(p []byte) (int, error) {
	t.kept = append(t.kept, p...)
	if over := len(t.kept) - 2*t.Most; over > 0 {
		t.cut()
	}
	return len(p), nil
}

// cut drops the beginning of the text, to the beginning of a line.
func (t *Tail) cut() {
	over := len(t.kept) - t.Most
	if over <= 0 {
		return
	}
	if end := bytes.IndexByte(t.kept[over:], '\n'); end >= 0 {
		over += end + 1
	}
	t.dropped += over
	t.kept = append(t.kept[:0], t.kept[over:]...)
}

// Text gives a copy of the kept text; its first line says how much was dropped.
func (t *Tail) Text() []byte {
	t.cut()
	if t.dropped == 0 {
		return bytes.Clone(t.kept)
	}
	return append(fmt.Appendf(nil, "(%d bytes before this are not kept)\n", t.dropped), t.kept...)
}
