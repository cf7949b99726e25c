package media

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/gitmetal/ingot/boot/iso9660"
	"github.com/gitmetal/ingot/inventory"
)

// KernelMedium is what a medium has that starts a kernel other than the ramdisk's, through the shim and GRUB of the ramdisk's
// image. No medium is made in advance, and none is kept: the parts stay where they are, and are read as the medium is.
type KernelMedium struct {
	Kernel    Part
	Initrds   []Part
	Arguments []string // printable ASCII without spaces and quotes
	Files     []File   // of this boot, in an initrd behind the others
}

// Part is a large file of a medium.
type Part struct {
	SHA256  string // of its bytes
	Size    int64
	Content io.ReaderAt
}

// Files of the medium of a kernel. GRUB reads them by these names.
const (
	systemPartition = "boot/esp.img"
	bootKernel      = "boot/vmlinuz"
	bootInitrd      = "boot/initrd"
	bootOverlay     = "run/initrd"
)

// spaces are files of zeros around the initrd of this boot. A BMC reads further than it is asked to, and that this initrd was
// read is the sign that the kernel is started.
var spaces = []string{"run/before", "run/rest"}

const spaceSize = 2 << 20

// zeros are as many zeros as are read.
type zeros struct{}

// ReadAt implements io.ReaderAt.
func (zeros) ReadAt(p []byte, _ int64) (int, error) {
	clear(p)
	return len(p), nil
}

// PublishKernel is Publish for the medium of a kernel.
func (s *Server) PublishKernel(key Key, k KernelMedium) error {
	loaders, err := s.iso.findSystemPartition()
	if err != nil {
		return err
	}
	overlay, err := PackFiles(k.Files)
	if err != nil {
		return err
	}
	config := writeGRUB(k)
	files := []iso9660.File{{Path: ".disk/info", Content: strings.NewReader("")}, // Debian's GRUB for CDs looks for this file
		{Path: "boot/grub/grub.cfg", Size: int64(len(config)), Content: strings.NewReader(config)},
		{Path: systemPartition, Size: loaders.Size(), Content: loaders},
		{Path: bootKernel, Size: k.Kernel.Size, Content: k.Kernel.Content}}
	digests := []string{k.Kernel.SHA256}
	for i, initrd := range k.Initrds {
		files = append(files, iso9660.File{Path: nameInitrd(i), Size: initrd.Size, Content: initrd.Content})
		digests = append(digests, initrd.SHA256)
	}
	for _, space := range spaces {
		files = append(files, iso9660.File{Path: space, Size: spaceSize, Content: zeros{}})
	}
	files = append(files, iso9660.File{Path: bootOverlay, Size: int64(len(overlay)), Content: bytes.NewReader(overlay)})
	laid, err := iso9660.New(files, iso9660.Options{Label: "INGOT", Boot: systemPartition})
	if err != nil {
		return fmt.Errorf("lay out the medium of the kernel: %w", err)
	}
	s.publishImage(key, image{content: laid, size: laid.Size(), areas: findKernelParts(laid)}, s.iso.digest[:],
		[]byte(strings.Join(digests, " ")), []byte(config), overlay)
	return nil
}

// PublishEmpty serves a medium that starts nothing, in place of one whose parts are not known any more: the medium is still
// told from others, and ejected.
func (s *Server) PublishEmpty(key Key) error {
	laid, err := iso9660.New(nil, iso9660.Options{Label: "INGOT"})
	if err != nil {
		return fmt.Errorf("lay out an empty medium: %w", err)
	}
	sum := sha256.Sum256(nil)
	s.publishImage(key, image{content: laid, size: laid.Size()}, sum[:])
	return nil
}

// findKernelParts gives the parts of the medium of a kernel in the order of a start.
func findKernelParts(laid io.ReaderAt) []area {
	root, _ := readRoot(laid)
	own := listDirectory(laid, listDirectory(laid, root)["run"])["initrd"]
	return findParts(laid, area{inventory.MediumOverlay, own.start, own.end})
}

func nameInitrd(i int) string {
	if i == 0 {
		return bootInitrd
	}
	return fmt.Sprintf("%s.%d", bootInitrd, i)
}

// writeGRUB is the configuration of GRUB. In single quotes every character stands for itself.
func writeGRUB(k KernelMedium) string {
	var b strings.Builder
	b.WriteString("set timeout=0\nset default=0\nserial --unit=0 --speed=115200\nterminal_output serial console\nmenuentry run {\n  linux /" + bootKernel)
	for _, argument := range k.Arguments {
		b.WriteString(" '" + argument + "'")
	}
	b.WriteString("\n  initrd")
	for i := range k.Initrds {
		b.WriteString(" /" + nameInitrd(i))
	}
	b.WriteString(" /" + bootOverlay + "\n}\n")
	return b.String()
}

// findSystemPartition is the file with shim and GRUB in the ramdisk's image.
func (i *ISO) findSystemPartition() (*io.SectionReader, error) {
	root, _ := readRoot(i.file)
	found, there := listDirectory(i.file, listDirectory(i.file, root)["boot"])["esp.img"]
	if !there {
		return nil, errors.New("the ramdisk's image has no shim and GRUB where `ingot ramdisk build` puts them: make it again")
	}
	return io.NewSectionReader(i.file, found.start, found.end-found.start), nil
}

// Shim is the shim of the ramdisk's image.
func (s *Server) Shim() (io.ReaderAt, error) {
	for _, a := range s.iso.areas {
		if a.name == inventory.MediumShim {
			return io.NewSectionReader(s.iso.file, a.start, a.end-a.start), nil
		}
	}
	return nil, errors.New("the ramdisk's image has no shim where `ingot ramdisk build` puts it: make it again")
}
