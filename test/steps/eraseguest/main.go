// Command eraseguest runs in the ramdisk in place of the agent: it erases disks as the agent does, reads them back
// whole, and writes a line for each case to the console: "CASE name: ok", or what is wrong. Then the machine powers
// itself off.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/gitmetal/ingot/agent/steps"
	"github.com/gitmetal/ingot/agent/steps/holders"
	"github.com/gitmetal/ingot/agent/wire"
)

// erasing is an erase, and what must become of the disk.
type erasing struct {
	name, serial, policy string
	orClear, table       bool
	method               string // of the receipt; "" for a refused erase
	why                  string // in the error
	zeros                bool   // the disk reads as zeros afterwards
}

var cases = []erasing{
	{name: "metadata of virtio", serial: "DATA0001", policy: "metadata", table: true, method: "metadata"},
	{name: "clear of virtio", serial: "DATA0001", policy: "clear", method: "overwrite", zeros: true},
	{name: "metadata of NVMe", serial: "NVME0001", policy: "metadata", table: true, method: "metadata"},
	{name: "purge of virtio", serial: "DATA0001", policy: "purge", why: "no commands"},
	{name: "purge of NVMe", serial: "NVME0001", policy: "purge", why: "FNA 0x00 declares no cryptographic erase"},
	{name: "purge or clear of NVMe", serial: "NVME0001", policy: "purge", orClear: true, method: "nvme-format-user-data", zeros: true},
	{name: "clear of NVMe", serial: "NVME0001", policy: "clear", method: "nvme-format-user-data", zeros: true},
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == asChild {
		runChild()
		return
	}
	console, err := os.OpenFile("/dev/console", os.O_WRONLY, 0)
	if err != nil {
		panic(err)
	}
	for _, c := range heldCases {
		began, verdict := time.Now(), "ok"
		if err := c.judge(); err != nil {
			verdict = strings.ReplaceAll(err.Error(), "\n", "; ")
		}
		fmt.Fprintf(console, "\r\nCASE %s: %s (%.1f s)\r\n", c.name, verdict, time.Since(began).Seconds())
	}
	for _, c := range cases {
		began := time.Now()
		verdict := "ok"
		if err := c.judge(); err != nil {
			verdict = strings.ReplaceAll(err.Error(), "\n", "; ")
		}
		fmt.Fprintf(console, "\r\nCASE %s: %s (%.1f s)\r\n", c.name, verdict, time.Since(began).Seconds())
	}
	fmt.Fprintf(console, "\r\nCASE a kill in the middle: %s (0 s)\r\n", judgeKill())
	fmt.Fprint(console, "\r\nEND\r\n")
	if err := exec.CommandContext(context.Background(), "systemctl", "poweroff", "--force", "--force").Run(); err != nil {
		panic(err)
	}
}

// judge fills the disk, erases it, and looks at its bytes.
func (c erasing) judge() error {
	path, err := steps.BlockDevices{Root: "/"}.FindPath(wire.DiskRef{Serial: c.serial})
	if err != nil {
		return err
	}
	if err := fill(path, c.table); err != nil {
		return fmt.Errorf("fill: %w", err)
	}
	receipts, err := eraseDisks(c, func(wire.Progress) {}, c.serial)
	zeros, data, failed := readWhole(path)
	switch {
	case failed != nil:
		return failed
	case c.method == "" && (err == nil || !strings.Contains(err.Error(), c.why) || len(receipts) > 0 || zeros):
		return fmt.Errorf("want a refusal with %q and an untouched disk, have %w, %v, zeros %t", c.why, err, receipts, zeros)
	case c.method == "":
		return nil
	case err != nil:
		return err
	case len(receipts) != 1 || receipts[0].Method != c.method || receipts[0].Serial != c.serial:
		return fmt.Errorf("receipts %+v", receipts)
	case zeros != c.zeros:
		return fmt.Errorf("zeros %t, data at byte %d", zeros, data)
	}
	return nil
}

func eraseDisks(c erasing, report func(wire.Progress), serials ...string) (receipts []wire.Erased, err error) {
	tools := steps.EraseTools{NoteErased: func(all []wire.Erased) { receipts = all }, Report: report, Agent: "guest"}
	tools.Disks, tools.Leave, tools.NoteDisks = steps.BlockDevices{Root: "/", Held: true}, yes{}, func([]wire.Disk) {}
	tools.Held = holders.System("/")
	job := wire.Erase{Policy: c.policy, OrClear: c.orClear}
	for _, serial := range serials {
		job.Disks = append(job.Disks, wire.NamedDisk{Name: "data", DiskRef: wire.DiskRef{Serial: serial, Content: wire.ContentAny}})
	}
	return receipts, steps.EraseDisks(context.Background(), job, tools)
}

// yes gives leave.
type yes struct{}

// AskLeave implements steps.Leave.
func (yes) AskLeave(context.Context, []wire.Disk) (bool, error) { return true, nil }

// fill writes data over the whole disk, with a GPT in front of the data where table is set.
func fill(path string, table bool) error {
	disk, err := os.OpenFile(path, os.O_WRONLY|os.O_SYNC, 0)
	if err != nil {
		return err
	}
	defer disk.Close()
	block := bytes.Repeat([]byte("data"), 1<<18)
	for {
		switch _, err := disk.Write(block); {
		case err != nil && strings.Contains(err.Error(), "no space left"):
			if !table {
				return nil
			}
			return layTable(path)
		case err != nil:
			return err
		}
	}
}

// layTable makes a GPT with a partition on the disk.
func layTable(path string) error {
	command := exec.CommandContext(context.Background(), "sfdisk", "--wipe", "never", "--label", "gpt", path)
	command.Stdin = strings.NewReader("start=2048, size=40M\n")
	if out, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("sfdisk: %w: %s", err, out)
	}
	return nil
}

// readWhole reads the disk to its end; data is where a byte is not zero.
func readWhole(path string) (zeros bool, data int64, err error) {
	if err := os.WriteFile("/proc/sys/vm/drop_caches", []byte("3"), 0); err != nil {
		return false, 0, err
	}
	disk, err := os.Open(path)
	if err != nil {
		return false, 0, err
	}
	defer disk.Close()
	block := make([]byte, 1<<20)
	for at := int64(0); ; {
		n, err := disk.Read(block)
		if len(bytes.Trim(block[:n], "\x00")) > 0 {
			return false, at, nil
		}
		at += int64(n)
		switch {
		case errors.Is(err, io.EOF):
			return true, 0, nil
		case err != nil:
			return false, at, err
		}
	}
}

// judgeKill kills a process in the middle of an overwrite: it made no receipt, and the disk holds data.
func judgeKill() string {
	path, err := steps.BlockDevices{Root: "/"}.FindPath(wire.DiskRef{Serial: killed.serial})
	if err != nil {
		return err.Error()
	}
	if err := fill(path, false); err != nil {
		return err.Error()
	}
	child := exec.CommandContext(context.Background(), "/proc/self/exe", asChild)
	said, err := child.StdoutPipe()
	if err == nil {
		err = child.Start()
	}
	if err != nil {
		return err.Error()
	}
	if _, err := said.Read(make([]byte, 16)); err != nil {
		return err.Error()
	}
	if err := child.Process.Kill(); err != nil {
		return err.Error()
	}
	rest, _ := io.ReadAll(said)
	ended := child.Wait()
	zeros, _, err := readWhole(path)
	if err != nil || ended == nil || zeros || strings.Contains(string(rest), "RECEIPT") {
		return fmt.Sprintf("ended %v, zeros %t, said %q, %v", ended, zeros, rest, err)
	}
	return "ok"
}

var killed = erasing{serial: "DATA0001", policy: "clear"}

// asChild is the argument of the process that is killed.
const asChild = "erase"

// runChild erases, and says when a third is written.
func runChild() {
	told := false
	receipts, err := eraseDisks(killed, func(p wire.Progress) {
		if !told && p.Total > 0 && p.Done > p.Total/3 {
			told = true
			fmt.Println("third")
			select {} // the kill comes
		}
	}, killed.serial)
	if err == nil && len(receipts) > 0 {
		fmt.Println("RECEIPT")
	}
}
