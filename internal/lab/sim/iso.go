package sim

import (
	"bytes"
	"context"
	"fmt"
	"strings"

	"github.com/gitmetal/ingot/boot/iso9660"
)

// isoMark begins the line that says what an ISO of NewISO does.
const isoMark = "simulated ISO: "

// NewISO makes an ISO of a user that UEFI firmware would start. A simulated machine does what the word says: off powers the
// machine off, and any other word hangs.
func NewISO(word string) []byte {
	files := []iso9660.File{newISOFile("boot/esp.img", "loader"), newISOFile("job", isoMark+word+"\n")}
	laid, err := iso9660.New(files, iso9660.Options{Label: "JOB", Boot: "boot/esp.img"})
	if err != nil {
		panic("sim: " + err.Error()) // two short files
	}
	body, err := laid.Bytes()
	if err != nil {
		panic("sim: " + err.Error())
	}
	return body
}

func newISOFile(path, text string) iso9660.File {
	return iso9660.File{Path: path, Size: int64(len(text)), Content: strings.NewReader(text)}
}

// startsISO starts the ISO of a user; false for any other medium.
func (m *Machine) startsISO(ctx context.Context, medium []byte, r *run) (bool, error) {
	_, after, is := bytes.Cut(medium, []byte(isoMark))
	if !is {
		return false, nil
	}
	word, _, _ := strings.Cut(string(after), "\n")
	m.printLine("ISO: %s", word)
	if word != "off" {
		return true, nil
	}
	if err := (ramdisk{m, r}).PowerOff(ctx); err != nil {
		return true, fmt.Errorf("the ISO powers its machine off: %w", err)
	}
	return true, nil
}
