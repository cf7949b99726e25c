package erase_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/gitmetal/ingot/agent/steps/erase"
)

// Recorded words: made from the fields of the standards, but for qemuNVMe, which is what QEMU 7.2 declares.
var (
	qemuNVMe    = erase.Capabilities{NVMe: &erase.NVMe{ID: 1, OACS: 0x10a, Namespaces: 1, AllListed: true}}
	fullNVMe    = erase.NVMe{ID: 1, OACS: 0x000a, FNA: 0x04, SANICAP: 0x3, Namespaces: 1, AllListed: true}
	freshATA    = ata(map[int]uint16{82: 0x0002, 128: 0x0021, 59: 0xb000})
	frozenATA   = ata(map[int]uint16{82: 0x0002, 128: 0x0029})
	lockedATA   = ata(map[int]uint16{82: 0x0002, 128: 0x0007})
	passwordATA = ata(map[int]uint16{82: 0x0002, 128: 0x0003})
	expiredATA  = ata(map[int]uint16{82: 0x0002, 128: 0x0011})
)

func ata(words map[int]uint16) erase.ATA {
	var a erase.ATA
	for word, value := range words {
		a.Words[word] = value
	}
	return a
}

func withNVMe(change func(*erase.NVMe)) erase.Capabilities {
	n := fullNVMe
	change(&n)
	return erase.Capabilities{NVMe: &n}
}

func TestChoose(t *testing.T) {
	t.Parallel()
	of := func(a erase.ATA) erase.Capabilities { return erase.Capabilities{ATA: &a} }
	bridged := freshATA
	bridged.Bridge = true
	for name, c := range map[string]struct {
		request erase.Request
		has     erase.Capabilities
		want    erase.Method
		why     string // in the error, or in what was passed over
	}{
		"metadata of any disk":                  {erase.Request{Policy: "metadata"}, qemuNVMe, erase.Metadata, ""},
		"clear of virtio":                       {erase.Request{Policy: "clear"}, erase.Capabilities{}, erase.Overwrite, ""},
		"clear of a disk that is not known":     {erase.Request{Policy: "clear"}, erase.Capabilities{Unknown: "EIO"}, erase.Overwrite, ""},
		"clear of QEMU's NVMe":                  {erase.Request{Policy: "clear"}, qemuNVMe, erase.NVMeFormatUserData, ""},
		"clear where format is not declared":    {erase.Request{Policy: "clear"}, withNVMe(func(n *erase.NVMe) { n.OACS = 0x8 }), erase.Overwrite, "no Format NVM"},
		"clear where format reaches a neighbor": {erase.Request{Policy: "clear"}, withNVMe(func(n *erase.NVMe) { n.FNA, n.Namespaces = 0x02, 2 }), erase.Overwrite, "all 2 namespaces"},
		"clear where format is for one of two":  {erase.Request{Policy: "clear"}, withNVMe(func(n *erase.NVMe) { n.FNA, n.Namespaces = 0, 2 }), erase.NVMeFormatUserData, ""},
		"clear of ATA":                          {erase.Request{Policy: "clear"}, of(freshATA), erase.ATASecurityErase, ""},
		"clear of frozen ATA":                   {erase.Request{Policy: "clear"}, of(frozenATA), erase.Overwrite, "froze"},
		"clear of locked ATA":                   {erase.Request{Policy: "clear"}, of(lockedATA), erase.Overwrite, "locked"},
		"clear of ATA with a password":          {erase.Request{Policy: "clear"}, of(passwordATA), erase.Overwrite, "has a password"},
		"clear of ATA with no attempts left":    {erase.Request{Policy: "clear"}, of(expiredATA), erase.Overwrite, "power cycle"},
		"clear of ATA behind USB":               {erase.Request{Policy: "clear"}, of(bridged), erase.Overwrite, "USB"},
		"clear of SCSI":                         {erase.Request{Policy: "clear"}, erase.Capabilities{SCSI: &erase.SCSI{Block: true}}, erase.Overwrite, ""},

		"purge of QEMU's NVMe, whose FNA denies ses=2": {erase.Request{Policy: "purge"}, qemuNVMe, "", "FNA 0x00"},
		"purge of QEMU's NVMe, or clear":               {erase.Request{Policy: "purge", OrClear: true}, qemuNVMe, erase.NVMeFormatUserData, "FNA 0x00"},
		"purge by crypto sanitize":                     {erase.Request{Policy: "purge"}, withNVMe(func(*erase.NVMe) {}), erase.NVMeSanitizeCrypto, ""},
		"purge by block sanitize":                      {erase.Request{Policy: "purge"}, withNVMe(func(n *erase.NVMe) { n.SANICAP = 0x2 }), erase.NVMeSanitizeBlock, "SANICAP 0x2"},
		"purge by format":                              {erase.Request{Policy: "purge"}, withNVMe(func(n *erase.NVMe) { n.SANICAP = 0 }), erase.NVMeFormatCrypto, "SANICAP 0x0"},
		"purge never reaches a neighbor":               {erase.Request{Policy: "purge"}, withNVMe(func(n *erase.NVMe) { n.FNA, n.Namespaces = 0x06, 2 }), "", "all 2 namespaces"},
		"purge with namespaces that nobody listed":     {erase.Request{Policy: "purge"}, withNVMe(func(n *erase.NVMe) { n.FNA, n.Namespaces = 0x06, 0 }), "", "does not list"},
		"purge with a second controller, unlisted":     {erase.Request{Policy: "purge"}, withNVMe(func(n *erase.NVMe) { n.CMIC, n.AllListed, n.FNA = 0x2, false, 0x2 }), "", "does not list"},
		"purge with a second controller, listed":       {erase.Request{Policy: "purge"}, withNVMe(func(n *erase.NVMe) { n.CMIC = 0x2 }), erase.NVMeSanitizeCrypto, ""},
		"purge of ATA":                                 {erase.Request{Policy: "purge"}, of(freshATA), erase.ATAEnhancedErase, ""},
		"purge of ATA without enhanced erase":          {erase.Request{Policy: "purge"}, of(ata(map[int]uint16{82: 2, 128: 1, 59: 0x3000})), erase.ATASanitizeCrypto, "no enhanced"},
		"purge of frozen ATA with sanitize":            {erase.Request{Policy: "purge"}, of(ata(map[int]uint16{82: 2, 128: 0x29, 59: 0x9000})), erase.ATASanitizeBlock, "froze"},
		"purge of ATA with bits but no feature set":    {erase.Request{Policy: "purge"}, of(ata(map[int]uint16{82: 2, 128: 0x01, 59: 0xa000})), "", "word 59 0xa000"},
		"purge of frozen ATA":                          {erase.Request{Policy: "purge"}, of(frozenATA), "", "froze"},
		"purge of SCSI by crypto":                      {erase.Request{Policy: "purge"}, erase.Capabilities{SCSI: &erase.SCSI{Block: true, Crypto: true}}, erase.SCSISanitizeCrypto, ""},
		"purge of SCSI by block":                       {erase.Request{Policy: "purge"}, erase.Capabilities{SCSI: &erase.SCSI{Block: true}}, erase.SCSISanitizeBlock, "OPERATION CODES"},
		"purge of SCSI without sanitize":               {erase.Request{Policy: "purge"}, erase.Capabilities{SCSI: &erase.SCSI{}}, "", "OPERATION CODES"},
		"purge of virtio":                              {erase.Request{Policy: "purge"}, erase.Capabilities{}, "", "no commands"},
		"purge of a disk that is not known":            {erase.Request{Policy: "purge"}, erase.Capabilities{Unknown: "EIO"}, "", "EIO"},
		"purge of virtio, or clear":                    {erase.Request{Policy: "purge", OrClear: true}, erase.Capabilities{}, erase.Overwrite, ""},
		"another policy":                               {erase.Request{Policy: "full"}, qemuNVMe, "", "no policy"},
	} {
		choice, err := erase.Choose(c.request, c.has)
		told := strings.Join(choice.Passed, "; ")
		if err != nil {
			told = err.Error()
		}
		if choice.Method != c.want || (err != nil) != (c.want == "") || !strings.Contains(told, c.why) {
			t.Errorf("%s: Choose = %+v, %v, want %q with %q", name, choice, err, c.want, c.why)
		}
	}
}

// TestChooseIsNeverWeaker goes through all combinations of the bits that decide: purge without orClear never gives a
// method of clear, and no method is chosen whose bit is not set.
func TestChooseIsNeverWeaker(t *testing.T) {
	t.Parallel()
	weaker := []erase.Method{erase.Metadata, erase.Overwrite, erase.NVMeFormatUserData, erase.ATASecurityErase}
	for bits := range 1 << 9 {
		n := erase.NVMe{OACS: uint16(bits) & 0x2, FNA: uint8(bits>>2) & 0x7, SANICAP: uint32(bits>>5) & 0x3,
			Namespaces: bits >> 7 & 0x3, AllListed: true}
		choice, err := erase.Choose(erase.Request{Policy: erase.PolicyPurge}, erase.Capabilities{NVMe: &n})
		declared := map[erase.Method]bool{erase.NVMeSanitizeCrypto: n.SANICAP&1 != 0, erase.NVMeSanitizeBlock: n.SANICAP&2 != 0,
			erase.NVMeFormatCrypto: n.OACS&2 != 0 && n.FNA&4 != 0}
		if slices.Contains(weaker, choice.Method) || err == nil && !declared[choice.Method] {
			t.Errorf("%+v: %s", n, choice.Method)
		}
		if err == nil && n.Namespaces != 1 && (choice.Method != erase.NVMeFormatCrypto || n.FNA&3 != 0) {
			t.Errorf("%+v: %s reaches other namespaces", n, choice.Method)
		}
	}
}
