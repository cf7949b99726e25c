package sim

import (
	"encoding/binary"
	"strconv"
	"strings"

	"github.com/gitmetal/ingot/agent/wire"
)

// The layout of a simulated medium, in bytes: as `ingot ramdisk build` lays a medium out, with small files. The EFI
// system partition is a FAT12 file system with sectors and clusters of 512 bytes.
const (
	isoSector     = 2048
	mediumVolume  = 16 * isoSector // the volume descriptor (ECMA-119, 8.4)
	mediumName    = 15 * isoSector // the version of the agent's protocol
	mediumRoot    = 18 * isoSector
	mediumBoot    = 19 * isoSector
	mediumESP     = 20 * isoSector
	mediumKernel  = 60 * isoSector
	mediumInitrd  = 92 * isoSector
	mediumOverlay = 124 * isoSector

	fatSector   = 512
	espRoot     = mediumESP + 3*fatSector // behind the boot sector and two tables of one sector
	espData     = espRoot + 16*32         // behind 16 entries
	shimSize    = 32 << 10
	grubSize    = 40 << 10
	shimCluster = 4 // behind two directories
	grubCluster = shimCluster + shimSize/fatSector
)

// Where the firmware comes to a part of a simulated medium, in bytes.
const (
	MediumShim   = espData + (shimCluster-2)*fatSector
	MediumGRUB   = espData + (grubCluster-2)*fatSector
	MediumKernel = mediumKernel
	MediumConfig = mediumOverlay
	MediumEnd    = mediumOverlay + wire.OverlaySize
)

// NewMedium makes a boot medium for simulated machines, with the layout of a real one.
func NewMedium() []byte {
	medium := make([]byte, MediumEnd)
	copy(medium[mediumName:], wire.ProtocolMagic+strconv.Itoa(wire.Version)+"\n")
	copy(medium[mediumVolume:], "\x01CD001")
	putRecord(medium[mediumVolume+156:], "\x00", mediumRoot, isoSector)
	putRecord(medium[mediumRoot:], "BOOT", mediumBoot, isoSector)
	at := mediumBoot
	for _, file := range []struct {
		name        string
		start, size int
	}{{"ESP.IMG;1", mediumESP, mediumKernel - mediumESP}, {"INITRD.;1", mediumInitrd, mediumOverlay - mediumInitrd},
		{"OVERLAY.;1", mediumOverlay, wire.OverlaySize}, {"VMLINUZ.;1", mediumKernel, mediumInitrd - mediumKernel}} {
		at += putRecord(medium[at:], file.name, file.start, file.size)
	}
	putESP(medium)
	copy(medium[mediumOverlay:], wire.OverlayMagic)
	return medium
}

// putRecord writes a directory record (ECMA-119, 9.1) and gives its length.
func putRecord(to []byte, name string, start, size int) int {
	length := (33 + len(name) + 1) / 2 * 2
	to[0], to[32] = byte(length), byte(len(name))
	binary.LittleEndian.PutUint32(to[2:], uint32(start/isoSector))
	binary.LittleEndian.PutUint32(to[10:], uint32(size))
	copy(to[33:], name)
	return length
}

// putESP writes the EFI system partition with shim and GRUB.
func putESP(medium []byte) {
	bpb := medium[mediumESP:]
	for at, value := range map[int]uint16{11: fatSector, 14: 1, 17: 16, 22: 1} {
		binary.LittleEndian.PutUint16(bpb[at:], value)
	}
	bpb[13], bpb[16] = 1, 2
	putEntry(medium[espRoot:], "EFI", 2, 0)
	putEntry(medium[espData:], "BOOT", 3, 0)
	boot := medium[espData+fatSector:]
	putEntry(boot, "BOOTX64 EFI", shimCluster, shimSize)
	putEntry(boot[32:], "GRUBX64 EFI", grubCluster, grubSize)
}

// putEntry writes a directory entry of a FAT file system.
func putEntry(to []byte, name string, cluster, size int) {
	copy(to, name+strings.Repeat(" ", 11-len(name)))
	binary.LittleEndian.PutUint16(to[26:], uint16(cluster))
	binary.LittleEndian.PutUint32(to[28:], uint32(size))
}
