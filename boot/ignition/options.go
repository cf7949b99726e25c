package ignition

import (
	"regexp"
	"strings"

	"github.com/gitmetal/ingot/inventory"
)

// deviceInOption matches a device in an option of mkfs, mount, mdadm or cryptsetup: a path, anywhere in the option, or
// a tag of blkid.
var deviceInOption = regexp.MustCompile(`(/|^|=)dev/[^,]*|(^|[=,])(UUID|LABEL|PARTUUID|PARTLABEL)=`)

// noteOptions records the devices named in options of a program: mkfs.btrfs formats every named device, mkfs.ext4 puts
// its journal there.
func noteOptions[T ~string](s *survey, of string, options []T) {
	for _, option := range options {
		for _, device := range deviceInOption.FindAllString(string(option), -1) {
			if _, path, isPath := strings.Cut(device, "dev/"); isPath {
				s.noteWrite("/dev/"+path, "named in the options of "+of)
			} else {
				s.noteWrite(inventory.UnknownDisks, "named by a label or UUID in the options of "+of)
			}
		}
	}
}
