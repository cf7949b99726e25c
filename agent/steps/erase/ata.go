package erase

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

// Commands of ACS-4.
const (
	ataIdentify        = 0xec
	ataSanitize        = 0xb4
	ataSetPassword     = 0xf1
	ataErasePrepare    = 0xf3
	ataEraseUnit       = 0xf4
	ataDisablePassword = 0xf6

	featureStatus = 0x0000
	featureCrypto = 0x0011
	featureBlock  = 0x0012
	keyCrypto     = 0x43727970 // "Cryp"
	keyBlock      = 0x426b4572 // "BkEr"
)

// password is set for the time of an erase, and taken off by the erase. A disk whose erase was cut off asks for it.
const password = "ingot"

// Transfers of ATA PASS-THROUGH (16), SAT-4 12.2.2: protocol, and flags without the bit that asks for the registers.
const (
	protocolNone = 3 << 1
	protocolRead = 4 << 1
	protocolSend = 5 << 1
	extended     = 1
	flagsRead    = 0x0e // from the disk, in blocks, as many as the count says
	flagsSend    = 0x06
	askRegisters = 0x20
	ataSector    = 512
)

// ataCommand is a command in the registers of ATA.
type ataCommand struct {
	command  byte
	features uint16
	lba      uint32
	extended bool
	send     []byte
	answer   int
	timeout  time.Duration
}

// cdb is the command as ATA PASS-THROUGH (16). Every command but a read asks for the registers at its end.
func (a ataCommand) cdb() []byte {
	cdb := make([]byte, 16)
	cdb[0], cdb[14] = opATA16, a.command
	switch {
	case a.answer > 0:
		cdb[1], cdb[2], cdb[6] = protocolRead, flagsRead, byte(a.answer/ataSector)
	case len(a.send) > 0:
		cdb[1], cdb[2], cdb[6] = protocolSend, flagsSend|askRegisters, byte(len(a.send)/ataSector)
	default:
		cdb[1], cdb[2] = protocolNone, askRegisters
	}
	if a.extended {
		cdb[1] |= extended
	}
	cdb[3], cdb[4] = byte(a.features>>8), byte(a.features)
	cdb[7], cdb[8], cdb[10], cdb[12] = byte(a.lba>>24), byte(a.lba), byte(a.lba>>8), byte(a.lba>>16)
	return cdb
}

// registers are what a disk says at the end of a command.
type registers struct {
	status, fault byte
	count         uint16
	lba           uint32 // the low 32 bits
}

// Bits of the status register.
const (
	ataError = 0x01
	ataFault = 0x20
	ataBusy  = 0x80
)

// readRegisters reads the ATA Status Return descriptor. A command without that descriptor is not known to have ended
// well.
func readRegisters(answer SCSIAnswer) (registers, error) {
	const at, length = 8, 14
	s := answer.Sense
	if answer.Host != 0 || answer.Status != statusChecked || len(s) < at+length || s[0]&0x7f != formatByDesc ||
		s[at] != 0x09 || s[at+1] != 0x0c {
		return registers{}, errors.New("the disk's registers were not returned: " + answer.describe())
	}
	r := registers{fault: s[at+3], count: binary.BigEndian.Uint16(s[at+4:]), status: s[at+13]}
	r.lba = uint32(s[at+6])<<24 | uint32(s[at+11])<<16 | uint32(s[at+9])<<8 | uint32(s[at+7])
	if r.status&(ataError|ataFault|ataBusy) != 0 {
		return r, fmt.Errorf("the disk aborted: status 0x%02x, error 0x%02x", r.status, r.fault)
	}
	return r, nil
}

// askATA sends a command that must end well by the disk's own registers, whatever the translation says.
func askATA(c Commands, what string, command ataCommand) (registers, error) {
	if command.timeout == 0 {
		command.timeout = commandTimeout
	}
	answer, err := c.SendSCSI(SCSICommand{CDB: command.cdb(), Send: command.send, Timeout: command.timeout})
	if err != nil {
		return registers{}, fmt.Errorf("%s: %w", what, err)
	}
	r, err := readRegisters(answer)
	if err != nil {
		return r, fmt.Errorf("%s: %w", what, err)
	}
	return r, nil
}

// identifyATA reads IDENTIFY DEVICE.
func identifyATA(c Commands) (words [256]uint16, err error) {
	command := ataCommand{command: ataIdentify, answer: ataSector}
	answer, err := c.SendSCSI(SCSICommand{CDB: command.cdb(), Answer: ataSector, Timeout: commandTimeout})
	switch {
	case err != nil:
		return words, fmt.Errorf("identify the ATA disk: %w", err)
	case !answer.isGood() || len(answer.Data) != ataSector:
		return words, errors.New("identify the ATA disk: " + answer.describe())
	}
	for i := range words {
		words[i] = binary.LittleEndian.Uint16(answer.Data[2*i:])
	}
	return words, nil
}

// eraseATA erases by the security feature set: a password, prepare, erase. The erase takes the password off: a disk
// that has a password afterwards did not erase, whatever it answered.
func eraseATA(ctx context.Context, s Subject, enhanced bool) (err error) {
	c, block := s.Commands(), make([]byte, ataSector)
	copy(block[2:], password)
	defer func() {
		if err != nil && !takePasswordOff(c, block) { // the disk must not stay locked
			err = fmt.Errorf("%w; the disk may keep the password %q", err, password)
		}
	}()
	if _, err := askATA(c, "set a password", ataCommand{command: ataSetPassword, send: block}); err != nil {
		return err
	}
	if _, err := askATA(c, "prepare the erase", ataCommand{command: ataErasePrepare}); err != nil {
		return err
	}
	order := append([]byte{}, block...)
	if enhanced {
		order[0] |= 0x02
	}
	if _, err := askATA(c, "erase", ataCommand{command: ataEraseUnit, send: order, timeout: timeLeft(ctx)}); err != nil {
		return err
	}
	switch has, err := hasPassword(c); {
	case err != nil:
		return err
	case has:
		return errors.New("the disk still has the password after the erase")
	default:
		return nil
	}
}

// hasPassword asks a disk whether a password is set, or locks the disk.
func hasPassword(c Commands) (bool, error) {
	words, err := identifyATA(c)
	disk := ATA{Words: words}
	return disk.bit(wordSecurity, 1) || disk.bit(wordSecurity, 2), err
}

// takePasswordOff takes the password off a disk that has one, and reports whether the disk has none. The disk's own
// words count, whatever it answered: an answer may be lost, and the command done.
func takePasswordOff(c Commands, block []byte) bool {
	if has, err := hasPassword(c); err == nil && !has {
		return true
	}
	_, _ = askATA(c, "take the password off", ataCommand{command: ataDisablePassword, send: block}) // the disk is asked next
	has, err := hasPassword(c)
	return err == nil && !has
}

// sanitizeATA starts a sanitize, and follows it by SANITIZE STATUS EXT.
func (e Eraser) sanitizeATA(ctx context.Context, s Subject, method Method) error {
	order := ataCommand{command: ataSanitize, features: featureBlock, lba: keyBlock, extended: true}
	if method == ATASanitizeCrypto {
		order.features, order.lba = featureCrypto, keyCrypto
	}
	if _, err := askATA(s.Commands(), "sanitize", order); err != nil {
		return err
	}
	return e.poll(ctx, func() (bool, float64, error) {
		r, err := askATA(s.Commands(), "ask for the progress",
			ataCommand{command: ataSanitize, features: featureStatus, extended: true})
		if err != nil {
			return false, 0, err
		}
		return r.hasEnded()
	})
}

// hasEnded reads the answer of SANITIZE STATUS EXT (ACS-4, 7.36.6): of the count, bit 15 says that the last sanitize
// ended without error, bit 14 that one runs; the low 16 bits of the LBA are the progress.
func (r registers) hasEnded() (ended bool, part float64, err error) {
	switch completed, running := r.count&0x8000 != 0, r.count&0x4000 != 0; {
	case running:
		return false, float64(r.lba&0xffff) / 65536, nil
	case completed:
		return true, 1, nil
	default:
		return false, 0, fmt.Errorf("the disk ended the sanitize with an error: count 0x%04x", r.count)
	}
}
