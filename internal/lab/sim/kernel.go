package sim

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// kernelRun is what a medium with a kernel of a user tells the kernel.
type kernelRun struct {
	env       map[string]string // of /ingot.env
	arguments string            // of the kernel, as GRUB's configuration has them
	medium    int               // bytes
}

// readKernel finds the medium of a kernel of a user; false for any other medium.
func readKernel(medium []byte) (k kernelRun, is bool) {
	const member = "ingot.env\x00"
	at := bytes.Index(medium, []byte(member))
	if at < 0 {
		return k, false
	}
	k = kernelRun{env: map[string]string{}, medium: len(medium)}
	for line := range strings.Lines(strings.TrimLeft(string(medium[at+len(member):]), "\x00")) {
		name, value, found := strings.Cut(strings.TrimSuffix(line, "\n"), "='")
		if !found || !strings.HasSuffix(value, "'") {
			break
		}
		k.env[name] = strings.ReplaceAll(strings.TrimSuffix(value, "'"), `'\''`, "'")
	}
	const command = "linux /boot/vmlinuz"
	if at = bytes.Index(medium, []byte(command)); at >= 0 {
		line, _, _ := strings.Cut(string(medium[at+len(command):]), "\n")
		k.arguments = strings.ReplaceAll(strings.TrimSpace(line), "'", "")
	}
	return k, true
}

// runKernel does what the system of a user may do: it leaves the arguments of its kernel as cmdline.txt, and says that it is
// done. The arguments of its item change that:
//
//	says=nothing    it hangs
//	says=rubbish    it uses a token of its own, and hangs
//	exit=N          it is done with N
//	late=N          it works for N seconds before
//	then=off        it powers the machine off, also where it says nothing
func (m *Machine) runKernel(ctx context.Context, k kernelRun, r *run) error {
	m.printLine("kernel: %s", k.env["INGOT_RUN"])
	off := func() error {
		if k.env["INGOT_ARG_THEN"] == "off" {
			return ramdisk{m, r}.PowerOff(ctx)
		}
		return nil
	}
	if seconds, err := strconv.Atoi(k.env["INGOT_ARG_LATE"]); err == nil {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Duration(seconds) * time.Second):
		}
	}
	switch k.env["INGOT_ARG_SAYS"] {
	case "nothing":
		return off()
	case "rubbish":
		k.env["INGOT_TOKEN"] = "rubbish"
	}
	if err := k.upload(ctx, http.MethodPut, "/files/cmdline.txt", k.arguments+"\n"); err != nil {
		return err
	}
	exit := k.env["INGOT_ARG_EXIT"]
	if exit == "" {
		exit = "0"
	}
	if err := k.upload(ctx, http.MethodPost, "/done?exit="+exit, "item "+k.env["INGOT_ITEM"]+" is done"); err != nil {
		return err
	}
	return off()
}

// upload is the documented line of curl: only the key behind the certificate is compared.
func (k kernelRun) upload(ctx context.Context, method, path, body string) error {
	client := newPinnedClient(k.env["INGOT_PIN"])
	defer client.CloseIdleConnections()
	request, err := http.NewRequestWithContext(ctx, method, k.env["INGOT_URL"]+path, strings.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+k.env["INGOT_TOKEN"])
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusNoContent {
		return fmt.Errorf("%s %s: %s", method, path, response.Status)
	}
	return nil
}

// startsOwn starts the kernel or the ISO of a user from a medium that has one.
func (m *Machine) startsOwn(ctx context.Context, medium []byte, r *run) bool {
	started, err := m.startsISO(ctx, medium, r)
	if k, is := readKernel(medium); is && !started {
		started, err = true, m.runKernel(ctx, k, r)
	}
	if err != nil && ctx.Err() == nil {
		m.printLine("run: %v", err)
		m.config.Log.Warn("run", "machine", m.config.Identity.Serial, "error", err)
	}
	return started
}

// NewKernel makes the smallest program that UEFI firmware would start. It is not signed.
func NewKernel() []byte {
	const at, optional = 0x40, 240
	image := make([]byte, 0x400)
	copy(image, "MZ")
	binary.LittleEndian.PutUint32(image[0x3c:], at)
	copy(image[at:], "PE\x00\x00\x64\x86") // for 64 bits
	binary.LittleEndian.PutUint16(image[at+20:], optional)
	header := image[at+24:]
	binary.LittleEndian.PutUint16(header, 0x20b)             // PE32+
	binary.LittleEndian.PutUint32(header[60:], 0x200)        // bytes of the headers
	binary.LittleEndian.PutUint32(header[optional-132:], 16) // directories
	return image
}

func (m *Machine) enforcesSecureBoot() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.config.SecureBoot
}

// EnforceSecureBoot has the firmware enforce Secure Boot from the next look on.
func (m *Machine) EnforceSecureBoot() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.config.SecureBoot = true
}
