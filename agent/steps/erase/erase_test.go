package erase_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gitmetal/ingot/agent/steps/erase"
)

const diskSize = 64 << 20

// fakeDisk is a disk in memory whose commands do what a test says. The zero commands fail.
type fakeDisk struct {
	bytes   []byte
	cache   []byte // what reads give until the next Flush; nil: the bytes
	nvme    func(erase.NVMeCommand) (erase.NVMeAnswer, error)
	scsi    func(erase.SCSICommand) (erase.SCSIAnswer, error)
	written int64
	failAt  int64 // a write that reaches this many bytes fails; 0 for never
	flush   error
	residue string
}

func newDisk() *fakeDisk {
	d := &fakeDisk{bytes: make([]byte, diskSize)}
	random := rand.NewChaCha8([32]byte{1})
	_, _ = random.Read(d.bytes) // never fails
	return d
}

func (d *fakeDisk) ReadAt(p []byte, at int64) (int, error) {
	if d.cache != nil {
		return copy(p, d.cache[at:]), nil
	}
	return copy(p, d.bytes[at:]), nil
}

func (d *fakeDisk) WriteAt(p []byte, at int64) (int, error) {
	if d.written += int64(len(p)); d.failAt > 0 && d.written >= d.failAt {
		return 0, errors.New("input/output error")
	}
	return copy(d.bytes[at:], p), nil
}

func (d *fakeDisk) Flush() error {
	d.cache = nil
	return d.flush
}

func (d *fakeDisk) Residue() (string, error) { return d.residue, nil }

func (d *fakeDisk) Commands() erase.Commands {
	if d.nvme == nil && d.scsi == nil {
		return nil
	}
	return d
}

func (d *fakeDisk) SendNVMe(c erase.NVMeCommand) (erase.NVMeAnswer, error) {
	if d.nvme == nil {
		return erase.NVMeAnswer{}, errors.New("inappropriate ioctl for device")
	}
	return d.nvme(c)
}

func (d *fakeDisk) SendSCSI(c erase.SCSICommand) (erase.SCSIAnswer, error) {
	if d.scsi == nil {
		return erase.SCSIAnswer{}, errors.New("inappropriate ioctl for device")
	}
	return d.scsi(c)
}

func (d *fakeDisk) zero() {
	d.cache = append([]byte{}, d.bytes...) // the kernel does not see what the disk does
	clear(d.bytes)
}

func eraser() erase.Eraser {
	return erase.Eraser{Now: time.Now, Random: rand.New(rand.NewPCG(1, 2)), Report: func(_, _ uint64) {}}
}

func run(t *testing.T, d *fakeDisk, name string, policy erase.Policy) (erase.Receipt, error) {
	t.Helper()
	return eraseWith(t.Context(), eraser(), erase.Subject{Disk: d, Name: name, Size: diskSize,
		Parts: []erase.Part{{First: 30 << 20, Size: 10 << 20}}}, policy)
}

func eraseWith(ctx context.Context, e erase.Eraser, s erase.Subject, policy erase.Policy) (erase.Receipt, error) {
	prepared, err := erase.Prepare(s, erase.Request{Policy: policy})
	if err != nil {
		return erase.Receipt{}, fmt.Errorf("prepare: %w", err)
	}
	return e.Erase(ctx, prepared)
}

// nvmeDrive answers Identify with words, and Format and Sanitize with act.
func nvmeDrive(words erase.NVMe, act func(erase.NVMeCommand) (erase.NVMeAnswer, error)) func(erase.NVMeCommand) (erase.NVMeAnswer, error) {
	return func(c erase.NVMeCommand) (erase.NVMeAnswer, error) {
		if c.Opcode != 0x06 {
			return act(c)
		}
		data := make([]byte, 4096)
		switch c.CDW10 {
		case 1:
			binary.LittleEndian.PutUint16(data[256:], words.OACS)
			binary.LittleEndian.PutUint32(data[328:], words.SANICAP)
			data[524], data[76] = words.FNA, words.CMIC
		case 0:
			data[26], data[29] = 0x51, 0x09 // LBA format 1 with extended metadata and 1 in the upper bits, protection 1, first
		default:
			for i := range words.Namespaces {
				binary.LittleEndian.PutUint32(data[4*i:], uint32(i+1))
			}
		}
		return erase.NVMeAnswer{Namespace: 1, Data: data}, nil
	}
}

func TestErase(t *testing.T) {
	t.Parallel()
	format := erase.NVMe{OACS: 0x2, Namespaces: 1}
	for name, c := range map[string]struct {
		kernel string
		policy erase.Policy
		set    func(d *fakeDisk)
		method erase.Method
		why    string // "" for an erased disk
	}{
		"overwrite":                       {"vda", "clear", func(*fakeDisk) {}, erase.Overwrite, ""},
		"metadata":                        {"vda", "metadata", func(*fakeDisk) {}, erase.Metadata, ""},
		"metadata with a table left":      {"vda", "metadata", func(d *fakeDisk) { d.residue = "it still has a partition table" }, "", "partition table"},
		"overwrite with a write error":    {"vda", "clear", func(d *fakeDisk) { d.failAt = 100 << 20 }, "", "write zeros at byte"},
		"overwrite that cannot be synced": {"vda", "clear", func(d *fakeDisk) { d.flush = errors.New("EIO") }, "", "EIO"},
		"format": {"nvme0n1", "clear", func(d *fakeDisk) {
			d.nvme = nvmeDrive(format, func(c erase.NVMeCommand) (erase.NVMeAnswer, error) {
				// SES 1; LBA format 1, extended metadata, protection 1 in the first bytes, upper bits 2
				if c.Opcode != 0x80 || c.CDW10 != 1|1<<4|1<<5|1<<8|1<<9|2<<12 || c.Whole {
					return erase.NVMeAnswer{Status: 2}, nil
				}
				d.zero()
				return erase.NVMeAnswer{Data: []byte{}}, nil
			})
		}, erase.NVMeFormatUserData, ""},
		"format that says Success and does nothing": {"nvme0n1", "clear", func(d *fakeDisk) {
			d.nvme = nvmeDrive(format, func(erase.NVMeCommand) (erase.NVMeAnswer, error) { return erase.NVMeAnswer{}, nil })
		}, "", "reads back as data"},
		"format that fails": {"nvme0n1", "clear", func(d *fakeDisk) {
			d.nvme = nvmeDrive(format, func(erase.NVMeCommand) (erase.NVMeAnswer, error) {
				return erase.NVMeAnswer{Status: 0x10a}, nil
			})
		}, "", "status 0x10a"},
		"purge that is not declared": {"nvme0n1", "purge", func(d *fakeDisk) {
			d.nvme = nvmeDrive(format, func(erase.NVMeCommand) (erase.NVMeAnswer, error) {
				d.zero() // the drive would answer Success
				return erase.NVMeAnswer{}, nil
			})
		}, "", "prepare: "},
		"NVMe that cannot be asked": {"nvme0n1", "clear", func(d *fakeDisk) {
			d.nvme = func(erase.NVMeCommand) (erase.NVMeAnswer, error) { return erase.NVMeAnswer{}, errors.New("EIO") }
		}, erase.Overwrite, ""},
	} {
		d := newDisk()
		c.set(d)
		receipt, err := run(t, d, c.kernel, c.policy)
		if receipt.Method != c.method || (err == nil) != (c.why == "") || err != nil && !strings.Contains(err.Error(), c.why) {
			t.Errorf("%s: Erase = %+v, %v, want %q with %q", name, receipt, err, c.method, c.why)
		}
		if zeros := len(strings.Trim(string(d.bytes), "\x00")) == 0; err == nil && c.policy == "clear" && !zeros {
			t.Errorf("%s: the disk is not zeros", name)
		}
	}
}

// TestSanitizeNVMe follows a sanitize by its status log.
func TestSanitizeNVMe(t *testing.T) {
	t.Parallel()
	type log struct {
		state   uint16
		command uint32
		changes func(*fakeDisk)
	}
	reseed := func(d *fakeDisk) { // as after a change of the key
		d.cache = append([]byte{}, d.bytes...)
		_, _ = rand.NewChaCha8([32]byte{9}).Read(d.bytes)
	}
	for name, c := range map[string]struct {
		logs []log // the first before the command; the last is repeated
		why  string
	}{
		"crypto":                            {[]log{{state: 0}, {2, 4, nil}, {2, 4, nil}, {1, 4, reseed}}, ""},
		"crypto, all free":                  {[]log{{state: 1, command: 4}, {2, 4, nil}, {4, 4, reseed}}, ""},
		"says done, and did nothing":        {[]log{{state: 0}, {1, 4, nil}}, "still reads as before"},
		"failed":                            {[]log{{state: 0}, {3, 4, reseed}}, "failed"},
		"speaks of another":                 {[]log{{state: 0}, {1, 2, reseed}}, "another sanitize"},
		"never began":                       {[]log{{state: 0}, {0, 4, reseed}}, "never sanitized"},
		"hangs":                             {[]log{{state: 0}, {2, 4, nil}}, "did not end"},
		"runs already, and is not repeated": {[]log{{2, 4, nil}, {1, 4, reseed}}, "was started before"},
	} {
		synctest.Test(t, func(t *testing.T) {
			d, asked, sanitized := newDisk(), 0, 0
			words := erase.NVMe{SANICAP: 0x1, Namespaces: 1}
			d.nvme = nvmeDrive(words, func(cmd erase.NVMeCommand) (erase.NVMeAnswer, error) {
				if cmd.Opcode == 0x84 {
					sanitized++
					asked = max(asked, 1)
					return erase.NVMeAnswer{}, nil
				}
				if sanitized == 0 {
					asked = 0
				}
				now := c.logs[min(asked, len(c.logs)-1)]
				asked++
				if now.changes != nil && sanitized > 0 {
					now.changes(d)
				}
				data := make([]byte, 512)
				binary.LittleEndian.PutUint16(data[2:], now.state)
				binary.LittleEndian.PutUint32(data[4:], now.command)
				binary.LittleEndian.PutUint32(data[16:], 60)
				return erase.NVMeAnswer{Data: data}, nil
			})
			receipt, err := run(t, d, "nvme0n1", "purge")
			switch {
			case c.why != "":
				if err == nil || !strings.Contains(err.Error(), c.why) || receipt.Method != "" {
					t.Errorf("%s: Erase = %+v, %v, want an error with %q", name, receipt, err, c.why)
				}
			case err != nil || receipt.Method != erase.NVMeSanitizeCrypto || receipt.Known == 0:
				t.Errorf("%s: Erase = %+v, %v", name, receipt, err)
			}
			if c.logs[0].state == 2 && sanitized > 0 {
				t.Errorf("%s: the drive was sanitized anew", name)
			}
		})
	}
}

// ataDisk answers as libata does: the registers are in a descriptor of the sense data.
type ataDisk struct {
	words  [256]uint16
	status map[byte]byte // by command; 0x50 where there is none
	silent bool          // no registers are returned, and the status is GOOD
	erase  func()        // at SECURITY ERASE UNIT
	stays  bool          // the password stays
	counts []uint16      // of SANITIZE STATUS EXT, the last is repeated
	orders []byte
}

func (a *ataDisk) send(c erase.SCSICommand) (erase.SCSIAnswer, error) {
	switch command := c.CDB[len(c.CDB)-2]; {
	case c.CDB[0] == 0x12:
		data := make([]byte, 96)
		copy(data[8:], "ATA     DISK")
		return erase.SCSIAnswer{Data: data}, nil
	case c.CDB[0] != 0x85:
		return erase.SCSIAnswer{Status: 2}, nil
	case command == 0xec:
		data := make([]byte, 512)
		for i, word := range a.words {
			binary.LittleEndian.PutUint16(data[2*i:], word)
		}
		return erase.SCSIAnswer{Data: data}, nil
	default:
		a.orders = append(a.orders, command)
		return a.end(command, c), nil
	}
}

func (a *ataDisk) end(command byte, c erase.SCSICommand) erase.SCSIAnswer {
	status, has := a.status[command]
	if !has {
		status = 0x50
	}
	sense := make([]byte, 22)
	sense[0], sense[1], sense[3], sense[7], sense[8], sense[9], sense[21] = 0x72, 1, 0x1d, 14, 0x09, 0x0c, status
	if status&1 != 0 {
		sense[11] = 0x04
	} else {
		switch command {
		case 0xf1:
			a.words[128] |= 0x2
		case 0xf4:
			a.erase()
			if !a.stays {
				a.words[128] &^= 0x2
			}
		case 0xf6:
			a.words[128] &^= 0x2
		case 0xb4:
			if c.CDB[4] != 0 { // the order, not the question
				a.erase()
				break
			}
			binary.BigEndian.PutUint16(sense[12:], a.counts[0])
			a.counts = a.counts[min(1, len(a.counts)-1):]
		}
	}
	if a.silent {
		return erase.SCSIAnswer{}
	}
	return erase.SCSIAnswer{Status: 2, Driver: 8, Sense: sense}
}

func TestEraseATA(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		policy erase.Policy
		disk   ataDisk
		idle   bool // the erase changes nothing
		method erase.Method
		why    string
		locked bool // the disk keeps its password
	}{
		"security erase": {policy: "clear", disk: ataDisk{words: freshATA.Words}, method: erase.ATASecurityErase},
		"enhanced erase": {policy: "purge", disk: ataDisk{words: freshATA.Words}, method: erase.ATAEnhancedErase},
		"the drive aborted, the translation is OK":  {policy: "clear", disk: ataDisk{words: freshATA.Words, status: map[byte]byte{0xf4: 0x51}}, why: "aborted"},
		"no registers come back":                    {policy: "clear", disk: ataDisk{words: freshATA.Words, silent: true}, why: "not returned"},
		"the disk keeps the password":               {policy: "clear", disk: ataDisk{words: freshATA.Words, stays: true}, why: "still has the password"},
		"the disk says Success and changes nothing": {policy: "clear", disk: ataDisk{words: freshATA.Words}, idle: true, why: "reads back as data"},
		"the password cannot be taken off":          {policy: "clear", disk: ataDisk{words: freshATA.Words, status: map[byte]byte{0xf4: 0x51, 0xf6: 0x51}}, why: `may keep the password "ingot"`, locked: true},
		"prepare is refused":                        {policy: "clear", disk: ataDisk{words: freshATA.Words, status: map[byte]byte{0xf3: 0x51}}, why: "prepare"},
		"frozen":                                    {policy: "clear", disk: ataDisk{words: frozenATA.Words}, method: erase.Overwrite},
		"sanitize":                                  {policy: "purge", disk: ataDisk{words: ata(map[int]uint16{59: 0x9000}).Words, counts: []uint16{0x4000, 0x4000, 0x8000}}, method: erase.ATASanitizeBlock},
		"sanitize that fails":                       {policy: "purge", disk: ataDisk{words: ata(map[int]uint16{59: 0x9000}).Words, counts: []uint16{0x4000, 0}}, why: "with an error"},
		"sanitize that hangs":                       {policy: "purge", disk: ataDisk{words: ata(map[int]uint16{59: 0x9000}).Words, counts: []uint16{0x4000}}, why: "did not end"},
		"sanitize that is refused":                  {policy: "purge", disk: ataDisk{words: ata(map[int]uint16{59: 0x9000}).Words, status: map[byte]byte{0xb4: 0x51}}, why: "aborted"},
	} {
		synctest.Test(t, func(t *testing.T) {
			d, disk := newDisk(), c.disk
			disk.erase = func() {
				if !c.idle {
					d.zero()
				}
			}
			d.scsi = disk.send
			receipt, err := run(t, d, "sda", c.policy)
			if receipt.Method != c.method || (err == nil) != (c.why == "") || err != nil && !strings.Contains(err.Error(), c.why) {
				t.Errorf("%s: Erase = %+v, %v, want %q with %q", name, receipt, err, c.method, c.why)
			}
			if disk.words[128]&0x2 != 0 != c.locked {
				t.Errorf("%s: word 128 is 0x%04x afterwards, orders %x", name, disk.words[128], disk.orders)
			}
		})
	}
}

func TestSanitizeSCSI(t *testing.T) {
	t.Parallel()
	running, failed := []byte{0x70, 0, 2, 12: 0x04, 13: 0x1b, 15: 0x80, 16: 0x40, 17: 0}, []byte{0x70, 0, 3, 12: 0x31, 13: 0x03, 17: 0}
	for name, c := range map[string]struct {
		answers [][]byte // to REQUEST SENSE, the last is repeated
		refused bool
		idle    bool
		why     string
	}{
		"ends":                     {answers: [][]byte{running, running, append([]byte{0x70}, make([]byte, 17)...)}},
		"fails":                    {answers: [][]byte{running, failed}, why: "3/31/03"},
		"hangs":                    {answers: [][]byte{running}, why: "did not end: 25%"},
		"is refused":               {answers: [][]byte{running}, refused: true, why: "status 0x02"},
		"cannot be followed":       {answers: [][]byte{{0x72, 0, 0, 0}}, why: "cannot be read"},
		"says done, does nothing":  {answers: [][]byte{append([]byte{0x70}, make([]byte, 17)...)}, idle: true, why: "still reads"},
		"becomes another thing":    {answers: [][]byte{{0x70, 0, 6, 12: 0x29, 17: 0}}, why: "6/29/00"},
		"has too little to say":    {answers: [][]byte{{0x70}}, why: "cannot be read"},
		"is not ready for another": {answers: [][]byte{{0x70, 0, 2, 12: 0x04, 13: 0x02, 17: 0}}, why: "2/04/02"},
	} {
		synctest.Test(t, func(t *testing.T) {
			d := newDisk()
			d.scsi = func(cmd erase.SCSICommand) (erase.SCSIAnswer, error) {
				switch cmd.CDB[0] {
				case 0x12:
					data := make([]byte, 96)
					copy(data[8:], "SEAGATE DISK")
					return erase.SCSIAnswer{Data: data}, nil
				case 0xa3:
					support := byte(3)
					if cmd.CDB[5] == 3 {
						support = 1 // crypto is not there
					}
					return erase.SCSIAnswer{Data: []byte{0, support}}, nil
				case 0x48:
					if c.refused {
						return erase.SCSIAnswer{Status: 2, Sense: []byte{0x72, 5, 0x20, 0}}, nil
					}
					if cmd.CDB[1] != 0x82 {
						t.Errorf("%s: SANITIZE with %x", name, cmd.CDB)
					}
					if !c.idle {
						d.zero()
					}
					return erase.SCSIAnswer{}, nil
				default:
					answer := c.answers[0]
					c.answers = c.answers[min(1, len(c.answers)-1):]
					return erase.SCSIAnswer{Data: answer}, nil
				}
			}
			receipt, err := run(t, d, "sdb", "purge")
			if (err == nil) != (c.why == "") || err != nil && !strings.Contains(err.Error(), c.why) ||
				err == nil && receipt.Method != erase.SCSISanitizeBlock {
				t.Errorf("%s: Erase = %+v, %v, want %q", name, receipt, err, c.why)
			}
		})
	}
}

// TestAWithdrawnOverwriteIsNotErased cancels in the middle.
func TestAWithdrawnOverwriteIsNotErased(t *testing.T) {
	t.Parallel()
	d := newDisk()
	ctx, cancel := context.WithCancel(t.Context())
	e := eraser()
	e.Report = func(done, total uint64) {
		if done > total/2 {
			cancel()
		}
	}
	receipt, err := eraseWith(ctx, e, erase.Subject{Disk: d, Name: "vda", Size: diskSize}, "clear")
	if !errors.Is(err, context.Canceled) || receipt.Method != "" {
		t.Fatalf("Erase = %+v, %v, want context.Canceled", receipt, err)
	}
}

// slowFile is a file as a disk. It says on standard error when half is written, and then writes no more.
type slowFile struct {
	*os.File
	written int64
}

func (s *slowFile) WriteAt(p []byte, at int64) (int, error) {
	if s.written += int64(len(p)); s.written > 2*diskSize/3 {
		_, _ = os.Stderr.WriteString("half\n")
		select {}
	}
	return s.File.WriteAt(p, at)
}

func (*slowFile) Flush() error             { return nil }
func (*slowFile) Residue() (string, error) { return "", nil }
func (*slowFile) Commands() erase.Commands { return nil }

// TestAKilledOverwriteIsNotErased kills the process in the middle of an overwrite: no receipt was made, both ends are
// wiped, and data is left.
func TestAKilledOverwriteIsNotErased(t *testing.T) {
	t.Parallel()
	const asChild = "INGOT_TEST_ERASED_FILE"
	if file := os.Getenv(asChild); file != "" {
		f, err := os.OpenFile(file, os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := eraseWith(t.Context(), eraser(), erase.Subject{Disk: &slowFile{File: f}, Name: "vda", Size: diskSize}, "clear"); err != nil {
			t.Fatal(err)
		}
		_, _ = os.Stdout.WriteString("RECEIPT\n")
		return
	}
	file := filepath.Join(t.TempDir(), "disk")
	if err := os.WriteFile(file, newDisk().bytes, 0o600); err != nil {
		t.Fatal(err)
	}
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run", "^TestAKilledOverwriteIsNotErased$")
	child.Env = append(os.Environ(), asChild+"="+file)
	said := &strings.Builder{}
	child.Stdout = said
	talk, err := child.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := talk.Read(make([]byte, 16)); err != nil {
		t.Fatal(err)
	}
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := child.Wait(); err == nil || strings.Contains(said.String(), "RECEIPT") {
		t.Errorf("the killed process ended with %v, said %q", err, said)
	}
	body, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	isZero := func(b []byte) bool { return len(strings.Trim(string(b), "\x00")) == 0 }
	if isZero(body) || !isZero(body[:16<<20]) || !isZero(body[diskSize-16<<20:]) {
		t.Error("want data in the middle, and zeros at both ends")
	}
}
