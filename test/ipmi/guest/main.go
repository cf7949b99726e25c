// Command guest is the first process of a machine with an IPMI interface. It carries out orders that come over the
// second serial port with the agent's own code, through the kernel's device, and dies between two commands where it is
// told to.
package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gitmetal/ingot/agent/ipmi"
	"github.com/gitmetal/ingot/agent/ipmi/account"
	"github.com/gitmetal/ingot/agent/wire"
)

// Task is a line to the guest.
type Task struct {
	Order wire.AccountOrder `json:"order"`
	// DieAt is the number of the command that changes an account, from 1 on, after which the process is killed; 0 never.
	DieAt int  `json:"dieAt"`
	Off   bool `json:"off"` // power the machine off
}

// Done is a line from the guest.
type Done struct {
	Report  *wire.AccountReport `json:"report,omitempty"` // nil where the process died
	Error   string              `json:"error,omitempty"`
	Seconds float64             `json:"seconds"`
}

func main() {
	if len(os.Args) > 1 {
		if err := work(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	err := serve()
	fmt.Println("guest:", err)
	_ = unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF)
}

// serve is the machine's first process.
func serve() error {
	for _, mount := range [][2]string{{"devtmpfs", "/dev"}, {"proc", "/proc"}, {"sysfs", "/sys"}} {
		if err := errors.Join(os.MkdirAll(mount[1], 0o755), unix.Mount(mount[0], mount[1], mount[0], 0, "")); err != nil {
			return fmt.Errorf("mount %s: %w", mount[1], err)
		}
	}
	for _, module := range []string{"ipmi_msghandler", "ipmi_si", "ipmi_devintf"} {
		if err := load(filepath.Join("/modules", module+".ko")); err != nil {
			return fmt.Errorf("load %s: %w", module, err)
		}
	}
	control, err := openSerial("/dev/ttyS1")
	if err != nil {
		return err
	}
	if err := awaitDevice(ipmi.DefaultPath, 2*time.Minute); err != nil {
		return errors.Join(err, send(control, Done{Error: err.Error()}))
	}
	if err := send(control, Done{}); err != nil {
		return err
	}
	lines := bufio.NewScanner(control)
	for lines.Scan() {
		var task Task
		if err := json.Unmarshal(lines.Bytes(), &task); err != nil {
			return err
		}
		if task.Off {
			return errors.New("done")
		}
		if err := send(control, carry(lines.Bytes())); err != nil {
			return err
		}
	}
	return lines.Err()
}

// carry runs one task in a process of its own.
func carry(task []byte) Done {
	began := time.Now()
	var out, said bytes.Buffer
	command := exec.CommandContext(context.Background(), "/proc/self/exe", "work")
	command.Stdin, command.Stdout, command.Stderr = bytes.NewReader(task), &out, &said
	err := command.Run()
	done := Done{Seconds: time.Since(began).Seconds()}
	if err != nil {
		done.Error = fmt.Sprint(err, ": ", said.String())
		return done
	}
	if err := json.Unmarshal(out.Bytes(), &done.Report); err != nil {
		done.Error = err.Error()
	}
	return done
}

// work carries out the order on standard input.
func work() error {
	var task Task
	if err := json.NewDecoder(os.Stdin).Decode(&task); err != nil {
		return err
	}
	device, err := ipmi.Open(ipmi.DefaultPath)
	if err != nil {
		return err
	}
	report := account.Carry(context.Background(), &mortal{Device: device, dieAt: task.DieAt}, task.Order)
	return errors.Join(json.NewEncoder(os.Stdout).Encode(report), device.Close())
}

// mortal dies after a command.
type mortal struct {
	*ipmi.Device
	dieAt, changes int
}

// Send implements ipmi.BMC.
func (m *mortal) Send(ctx context.Context, r ipmi.Request) (byte, []byte, error) {
	code, data, err := m.Device.Send(ctx, r)
	if r.NetFn == 6 && (r.Code == 0x43 || r.Code == 0x45 || (r.Code == 0x47 && r.Data[1] != 3)) {
		if m.changes++; m.changes == m.dieAt {
			_ = unix.Kill(os.Getpid(), unix.SIGKILL)
			select {}
		}
	}
	return code, data, err
}

func load(module string) error {
	file, err := os.Open(module)
	if err != nil {
		return err
	}
	defer file.Close()
	return unix.FinitModule(int(file.Fd()), "", 0)
}

// openSerial opens a serial port, raw.
func openSerial(path string) (*os.File, error) {
	port, err := os.OpenFile(path, os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, err
	}
	settings, err := unix.IoctlGetTermios(int(port.Fd()), unix.TCGETS)
	if err != nil {
		return nil, err
	}
	settings.Iflag, settings.Oflag, settings.Lflag = 0, 0, 0
	settings.Cflag = unix.CS8 | unix.CREAD | unix.CLOCAL | unix.B115200
	settings.Cc[unix.VMIN], settings.Cc[unix.VTIME] = 1, 0
	return port, unix.IoctlSetTermios(int(port.Fd()), unix.TCSETS, settings)
}

func awaitDevice(path string, patience time.Duration) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	late := time.After(patience)
	for {
		if _, err := os.Stat(path); err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-late:
			return fmt.Errorf("there is no %s after %s", path, patience)
		}
	}
}

func send(w io.Writer, done Done) error {
	line, err := json.Marshal(done)
	if err != nil {
		return err
	}
	_, err = w.Write(append(line, '\n'))
	return err
}
