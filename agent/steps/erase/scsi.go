package erase

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

// SCSICommand is a command with what is sent, or the bytes to be read: not both.
type SCSICommand struct {
	CDB     []byte
	Send    []byte
	Answer  int
	Timeout time.Duration
}

// SCSIAnswer is the end of a command. Status is of the disk, Host and Driver are of the way to it: all 0 for GOOD.
type SCSIAnswer struct {
	Status byte
	Host   uint16
	Driver uint16
	Sense  []byte
	Data   []byte
}

func (a SCSIAnswer) isGood() bool { return a.Status == 0 && a.Host == 0 && a.Driver&0xf == 0 }

// Values of SCSI.
const (
	statusChecked  = 0x02
	formatFixed    = 0x70
	formatByDesc   = 0x72
	senseAnswer    = 252
	inquiryAnswer  = 96
	supportAnswer  = 16
	supportedAsStd = 3 // SUPPORT of REPORT SUPPORTED OPERATION CODES: as the standard says
)

// Operation codes of SPC-5, SBC-4 and SAT-4.
const (
	opRequestSense = 0x03
	opInquiry      = 0x12
	opSCSISanitize = 0x48
	opATA16        = 0x85
	opMaintenance  = 0xa3
	opCodes        = 0x0c // service action of opMaintenance
	actSCSIBlock   = 0x02
	actSCSICrypto  = 0x03
	immediate      = 0x80
)

// describe says for people how a command ended.
func (a SCSIAnswer) describe() string {
	key, code, qualifier := readSense(a.Sense)
	return fmt.Sprintf("status 0x%02x, host 0x%x, sense %x/%02x/%02x", a.Status, a.Host, key, code, qualifier)
}

// readSense reads sense data in both formats; zeros for none.
func readSense(sense []byte) (key, code, qualifier byte) {
	switch {
	case len(sense) >= 14 && sense[0]&0x7e == formatFixed:
		return sense[2] & 0xf, sense[12], sense[13]
	case len(sense) >= 4 && sense[0]&0x7e == formatByDesc:
		return sense[1] & 0xf, sense[2], sense[3]
	default:
		return 0, 0, 0
	}
}

// identifySCSI reads what a disk of SCSI, or of ATA behind a translation, declares. A disk that does not answer a
// question declares nothing.
func identifySCSI(c Commands, bridge bool) Capabilities {
	answer, err := c.SendSCSI(SCSICommand{CDB: []byte{opInquiry, 0, 0, 0, inquiryAnswer, 0}, Answer: inquiryAnswer,
		Timeout: commandTimeout})
	switch {
	case err != nil:
		return Capabilities{Unknown: "inquiry: " + err.Error()}
	case !answer.isGood() || len(answer.Data) < 36:
		return Capabilities{Unknown: "inquiry: " + answer.describe()}
	}
	if string(answer.Data[8:16]) == "ATA     " {
		words, err := identifyATA(c)
		if err != nil {
			return Capabilities{Unknown: err.Error()}
		}
		return Capabilities{ATA: &ATA{Words: words, Bridge: bridge}}
	}
	return Capabilities{SCSI: &SCSI{Block: supportsSanitize(c, actSCSIBlock), Crypto: supportsSanitize(c, actSCSICrypto)}}
}

// supportsSanitize reports whether a disk declares a service action of SANITIZE.
func supportsSanitize(c Commands, action byte) bool {
	const oneWithAction = 0x02
	answer, err := c.SendSCSI(SCSICommand{CDB: []byte{opMaintenance, opCodes, oneWithAction, opSCSISanitize, 0, action,
		0, 0, 0, supportAnswer, 0, 0}, Answer: supportAnswer, Timeout: commandTimeout})
	return err == nil && answer.isGood() && len(answer.Data) > 1 && answer.Data[1]&0x7 == supportedAsStd
}

// sanitizeSCSI starts a SANITIZE that answers at once, and follows it.
func (e Eraser) sanitizeSCSI(ctx context.Context, s Subject, method Method) error {
	action := byte(actSCSIBlock)
	if method == SCSISanitizeCrypto {
		action = actSCSICrypto
	}
	answer, err := s.Commands().SendSCSI(SCSICommand{CDB: []byte{opSCSISanitize, immediate | action, 9: 0},
		Timeout: commandTimeout})
	switch {
	case err != nil:
		return fmt.Errorf("sanitize: %w", err)
	case !answer.isGood():
		return errors.New("sanitize: " + answer.describe())
	}
	return e.poll(ctx, func() (bool, float64, error) {
		answer, err := s.Commands().SendSCSI(SCSICommand{CDB: []byte{opRequestSense, 0, 0, 0, senseAnswer, 0},
			Answer: senseAnswer, Timeout: commandTimeout})
		switch {
		case err != nil:
			return false, 0, fmt.Errorf("ask for the progress: %w", err)
		case !answer.isGood():
			return false, 0, errors.New("ask for the progress: " + answer.describe())
		}
		return hasSanitizeEnded(answer.Data)
	})
}

// hasSanitizeEnded reads the answer of REQUEST SENSE after a SANITIZE (SBC-4, 4.11):
//
//	sense                 means
//	none                  ended
//	not ready, 04h/1Bh    is running, with progress
//	anything else         not erased
func hasSanitizeEnded(sense []byte) (ended bool, part float64, err error) {
	if len(sense) < 18 || sense[0]&0x7e != formatFixed {
		return false, 0, errors.New("the progress of the sanitize cannot be read")
	}
	switch key, code, qualifier := readSense(sense); {
	case key == 0 && code == 0 && qualifier == 0:
		return true, 1, nil
	case key == 2 && code == 0x04 && qualifier == 0x1b:
		if sense[15]&0x80 != 0 {
			part = float64(binary.BigEndian.Uint16(sense[16:])) / 65536
		}
		return false, part, nil
	default:
		return false, 0, fmt.Errorf("the disk ended the sanitize with sense %x/%02x/%02x", key, code, qualifier)
	}
}
