package erase

import (
	"cmp"
	"encoding/binary"
	"fmt"
)

// Capabilities are what a disk declares of itself. All members are nil for a disk that has no such commands, such as
// one of virtio.
type Capabilities struct {
	NVMe *NVMe
	ATA  *ATA
	SCSI *SCSI
	// Unknown says why the disk's declaration could not be read; "" where it was, or where the disk has none.
	Unknown string
}

// Words lists the declared words for a receipt, such as "oacs=0x010a".
func (c Capabilities) Words() (words []string) {
	if n := c.NVMe; n != nil {
		words = append(words, fmt.Sprintf("oacs=0x%04x", n.OACS), fmt.Sprintf("fna=0x%02x", n.FNA),
			fmt.Sprintf("sanicap=0x%08x", n.SANICAP), fmt.Sprintf("namespaces=%d", n.Namespaces))
	}
	if a := c.ATA; a != nil {
		for _, word := range []int{wordSanitize, wordSupported, wordSecurity} {
			words = append(words, fmt.Sprintf("word%d=0x%04x", word, a.Words[word]))
		}
	}
	if s := c.SCSI; s != nil {
		words = append(words, fmt.Sprintf("sanitize.block=%t", s.Block), fmt.Sprintf("sanitize.crypto=%t", s.Crypto))
	}
	if c.Unknown != "" {
		words = append(words, "unknown: "+c.Unknown)
	}
	return words
}

func (c Capabilities) describeUnknown() string {
	return cmp.Or(c.Unknown, "it has no commands of NVMe, ATA or SCSI for it")
}

// NVMe is what a controller and a namespace declare (NVM Express base specification 2.0, figures 275 and 280; NVM
// command set 1.0, figure 97).
type NVMe struct {
	ID      uint32 // of the namespace
	OACS    uint16 // optional admin commands
	FNA     uint8  // format NVM attributes
	SANICAP uint32 // sanitize capabilities
	CMIC    uint8  // multi-path capabilities of the controller
	FLBAS   uint8  // the present format of the namespace
	DPS     uint8  // the present protection of the namespace
	// Namespaces is how many namespaces there are, of the whole subsystem where AllListed is set; 0 for unknown.
	Namespaces int
	AllListed  bool
}

// Bits of NVMe's words.
const (
	oacsFormat     = 1 << 1
	oacsNamespaces = 1 << 3
	fnaFormatAll   = 1 << 0 // a format reaches all namespaces
	fnaEraseAll    = 1 << 1 // a secure erase reaches all namespaces
	fnaCrypto      = 1 << 2
	sanicapCrypto  = 1 << 0
	sanicapBlock   = 1 << 1
	cmicMany       = 1 << 1 // the subsystem may have two or more controllers
)

// readNVMe reads both Identify structures.
func readNVMe(id uint32, controller, namespace []byte) NVMe {
	return NVMe{ID: id, OACS: binary.LittleEndian.Uint16(controller[256:]), FNA: controller[524],
		SANICAP: binary.LittleEndian.Uint32(controller[328:]), CMIC: controller[76], FLBAS: namespace[26], DPS: namespace[29]}
}

func (n NVMe) whyNot(method Method) string {
	crypto := method == NVMeFormatCrypto || method == NVMeSanitizeCrypto
	switch method {
	case NVMeFormatUserData, NVMeFormatCrypto:
		switch {
		case n.OACS&oacsFormat == 0:
			return fmt.Sprintf("OACS 0x%04x declares no Format NVM", n.OACS)
		case crypto && n.FNA&fnaCrypto == 0:
			return fmt.Sprintf("FNA 0x%02x declares no cryptographic erase", n.FNA)
		case n.FNA&(fnaFormatAll|fnaEraseAll) != 0:
			return n.whyOthersReached()
		}
		return ""
	default:
		bit := uint32(sanicapBlock)
		if crypto {
			bit = sanicapCrypto
		}
		if n.SANICAP&bit == 0 {
			return fmt.Sprintf("SANICAP 0x%x does not declare it", n.SANICAP)
		}
		return n.whyOthersReached()
	}
}

// whyOthersReached says why a command for the whole subsystem would, or may, reach other namespaces than the disk's, or
// "".
func (n NVMe) whyOthersReached() string {
	switch {
	case n.Namespaces > 1:
		return fmt.Sprintf("it would erase all %d namespaces of the drive", n.Namespaces)
	case n.Namespaces != 1 || n.CMIC&cmicMany != 0 && !n.AllListed:
		return "it may erase other namespaces: the drive does not list them all"
	default:
		return ""
	}
}

// formatWord is CDW10 of a Format NVM that keeps the format and the protection of the namespace.
func (n NVMe) formatWord(secure uint32) uint32 {
	lower, upper, metadata := uint32(n.FLBAS&0xf), uint32(n.FLBAS>>5&0x3), uint32(n.FLBAS>>4&0x1)
	protection, first := uint32(n.DPS&0x7), uint32(n.DPS>>3&0x1)
	return lower | metadata<<4 | protection<<5 | first<<8 | secure<<9 | upper<<12
}

// ATA is what IDENTIFY DEVICE declares (ACS-4, 7.13).
type ATA struct {
	Words [256]uint16
	// Bridge is set for a disk behind a USB bridge.
	Bridge bool
}

// Words of IDENTIFY DEVICE.
const (
	wordSanitize  = 59  // bit 12 the feature set, 13 crypto scramble, 15 block erase
	wordSupported = 82  // bit 1 the security feature set
	wordNormal    = 89  // time of a normal erase
	wordEnhanced  = 90  // time of an enhanced erase
	wordSecurity  = 128 // bits 0 supported, 1 enabled, 2 locked, 3 frozen, 4 expired, 5 enhanced erase
)

func (a ATA) bit(word, bit int) bool { return a.Words[word]>>bit&1 == 1 }

func (a ATA) whyNot(method Method) string {
	if a.Bridge {
		return "the disk is behind a USB bridge"
	}
	switch method {
	case ATASanitizeCrypto, ATASanitizeBlock:
		bit := 13
		if method == ATASanitizeBlock {
			bit = 15
		}
		if !a.bit(wordSanitize, 12) || !a.bit(wordSanitize, bit) {
			return fmt.Sprintf("word 59 0x%04x does not declare it", a.Words[wordSanitize])
		}
		return ""
	default:
		return a.whyNotSecurity(method == ATAEnhancedErase)
	}
}

// whyNotSecurity says why the security feature set does not erase the disk, or "".
func (a ATA) whyNotSecurity(enhanced bool) string {
	switch {
	case !a.bit(wordSupported, 1) || !a.bit(wordSecurity, 0):
		return fmt.Sprintf("words 82 0x%04x and 128 0x%04x declare no security", a.Words[wordSupported],
			a.Words[wordSecurity])
	case a.bit(wordSecurity, 2):
		return "the disk is locked by a password"
	case a.bit(wordSecurity, 1):
		return "the disk has a password"
	case a.bit(wordSecurity, 4):
		return "no password is taken until a power cycle"
	case a.bit(wordSecurity, 3):
		return "the firmware froze ATA security"
	case enhanced && !a.bit(wordSecurity, 5):
		return fmt.Sprintf("word 128 0x%04x declares no enhanced erase", a.Words[wordSecurity])
	default:
		return ""
	}
}

// estimateMinutes is the disk's own estimate for a security erase; 0 for none (ACS-4, 7.13.6.40: two minutes a count,
// in the extended form 15 bits).
func (a ATA) estimateMinutes(enhanced bool) int {
	word := a.Words[wordNormal]
	if enhanced {
		word = a.Words[wordEnhanced]
	}
	if word&0x8000 != 0 {
		return int(word&0x7fff) * 2
	}
	return int(word&0xff) * 2
}

// SCSI is what REPORT SUPPORTED OPERATION CODES declares (SPC-5, 6.34): SANITIZE by the service actions of SBC-4.
type SCSI struct{ Block, Crypto bool }

func (s SCSI) whyNot(method Method) string {
	if method == SCSISanitizeCrypto && s.Crypto || method == SCSISanitizeBlock && s.Block {
		return ""
	}
	return "REPORT SUPPORTED OPERATION CODES does not declare it"
}
