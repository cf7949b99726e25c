package erase

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

// NVMeCommand is an admin command. The kernel fills in the namespace that the descriptor belongs to.
type NVMeCommand struct {
	Opcode byte
	// Whole is set for a command that speaks of no namespace.
	Whole   bool
	CDW10   uint32
	CDW11   uint32
	Answer  int // bytes to be read
	Timeout time.Duration
}

// NVMeAnswer is the end of an admin command: Status is 0 for Success.
type NVMeAnswer struct {
	Namespace uint32
	Status    uint16
	Data      []byte
}

// Opcodes and identifiers of NVM Express base specification 2.0.
const (
	opGetLogPage = 0x02
	opIdentify   = 0x06
	opFormat     = 0x80
	opSanitize   = 0x84

	identifyNamespace  = 0x00
	identifyController = 0x01
	identifyActive     = 0x02
	identifyAllocated  = 0x10
	identifyBytes      = 4096

	logSanitize      = 0x81
	logSanitizeBytes = 512

	secureUserData = 1
	secureCrypto   = 2
	actionBlock    = 2
	actionCrypto   = 4
)

const commandTimeout = 30 * time.Second

// askNVMe sends an admin command that must succeed.
func askNVMe(c Commands, what string, command NVMeCommand) (NVMeAnswer, error) {
	if command.Timeout == 0 {
		command.Timeout = commandTimeout
	}
	answer, err := c.SendNVMe(command)
	switch {
	case err != nil:
		return answer, fmt.Errorf("%s: %w", what, err)
	case answer.Status != 0:
		return answer, fmt.Errorf("%s: the drive answered status 0x%x", what, answer.Status)
	case len(answer.Data) != command.Answer:
		return answer, fmt.Errorf("%s: the drive answered %d of %d bytes", what, len(answer.Data), command.Answer)
	}
	return answer, nil
}

// identifyNVMe reads what a drive declares.
func identifyNVMe(c Commands) (NVMe, error) {
	identify := NVMeCommand{Opcode: opIdentify, Answer: identifyBytes}
	identify.CDW10 = identifyController
	identify.Whole = true
	controller, err := askNVMe(c, "identify the controller", identify)
	if err != nil {
		return NVMe{}, err
	}
	identify.CDW10 = identifyNamespace
	identify.Whole = false
	namespace, err := askNVMe(c, "identify the namespace", identify)
	if err != nil {
		return NVMe{}, err
	}
	n := readNVMe(namespace.Namespace, controller.Data, namespace.Data)
	identify.Whole = true
	identify.CDW10 = identifyActive
	if n.OACS&oacsNamespaces != 0 {
		identify.CDW10, n.AllListed = identifyAllocated, true
	}
	list, err := askNVMe(c, "list the namespaces", identify)
	if err != nil {
		n.AllListed = false
		return n, nil // the number stays unknown
	}
	n.Namespaces = countNamespaces(list.Data)
	return n, nil
}

// countNamespaces counts the identifiers of a list; a list that is full counts as full.
func countNamespaces(list []byte) (count int) {
	for ; len(list) >= 4 && binary.LittleEndian.Uint32(list) != 0; list = list[4:] {
		count++
	}
	return count
}

// formatNVMe sends a Format NVM that keeps the format of the namespace. The command answers at its end.
func formatNVMe(ctx context.Context, s Subject, method Method, n NVMe) error {
	secure := uint32(secureUserData)
	if method == NVMeFormatCrypto {
		secure = secureCrypto
	}
	_, err := askNVMe(s.Commands(), "format", NVMeCommand{Opcode: opFormat, CDW10: n.formatWord(secure),
		Timeout: timeLeft(ctx)})
	return err
}

// sanitizeLog is the Sanitize Status log page.
type sanitizeLog struct {
	progress uint16 // of 65536
	state    uint16 // bits 2:0 of SSTAT
	command  uint32 // CDW10 of the last Sanitize
	block    uint32 // estimates in seconds; 0xffffffff for none
	crypto   uint32
}

// States of a Sanitize Status log page.
const (
	sanitizeNever    = 0
	sanitizeDone     = 1
	sanitizeRunning  = 2
	sanitizeFailed   = 3
	sanitizeDoneFree = 4 // and all blocks were deallocated
)

func readSanitizeLog(c Commands) (sanitizeLog, error) {
	answer, err := askNVMe(c, "read the sanitize status", NVMeCommand{Opcode: opGetLogPage, Whole: true,
		CDW10: logSanitize | (logSanitizeBytes/4-1)<<16, Answer: logSanitizeBytes})
	if err != nil {
		return sanitizeLog{}, err
	}
	little := binary.LittleEndian
	return sanitizeLog{progress: little.Uint16(answer.Data), state: little.Uint16(answer.Data[2:]) & 0x7,
		command: little.Uint32(answer.Data[4:]), block: little.Uint32(answer.Data[12:]),
		crypto: little.Uint32(answer.Data[16:])}, nil
}

// estimate is the drive's own estimate for a method, or 0.
func (l sanitizeLog) estimate(method Method) time.Duration {
	seconds := l.block
	if method == NVMeSanitizeCrypto {
		seconds = l.crypto
	}
	if seconds == 0xffffffff {
		return 0
	}
	return time.Duration(seconds) * time.Second
}

// hasEnded reads the log after the Sanitize with this CDW10:
//
//	the log                          means
//	speaks of another command        not erased
//	is running                       asked again
//	is done, with or without free    ended
//	failed, never, anything else     not erased
func (l sanitizeLog) hasEnded(command uint32) (ended bool, part float64, err error) {
	switch {
	case l.command != command:
		return false, 0, fmt.Errorf("the status log speaks of another sanitize, 0x%x", l.command)
	case l.state == sanitizeRunning:
		return false, float64(l.progress) / 65536, nil
	case l.state == sanitizeDone, l.state == sanitizeDoneFree:
		return true, 1, nil
	case l.state == sanitizeFailed:
		return false, 0, errors.New("the status log says that the sanitize failed")
	case l.state == sanitizeNever:
		return false, 0, errors.New("the status log says that the drive was never sanitized")
	default:
		return false, 0, fmt.Errorf("the status log has the unknown state %d", l.state)
	}
}

// sanitizeNVMe starts a Sanitize and follows it. A sanitize that an earlier boot started is not started anew.
func (e Eraser) sanitizeNVMe(ctx context.Context, s Subject, method Method, _ NVMe) error {
	command := uint32(actionBlock)
	if method == NVMeSanitizeCrypto {
		command = actionCrypto
	}
	log, err := readSanitizeLog(s.Commands())
	if err != nil {
		return err
	}
	if log.state == sanitizeRunning {
		return fmt.Errorf("a sanitize that was started before runs, %d%% are done: try again when it has ended",
			int(log.progress)*100/65536)
	}
	if _, err := askNVMe(s.Commands(), "sanitize", NVMeCommand{Opcode: opSanitize, Whole: true, CDW10: command}); err != nil {
		return err
	}
	return e.poll(ctx, func() (bool, float64, error) {
		log, err := readSanitizeLog(s.Commands())
		if err != nil {
			return false, 0, err
		}
		return log.hasEnded(command)
	})
}
