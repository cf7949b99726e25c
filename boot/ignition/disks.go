package ignition

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/coreos/ignition/v2/config/v3_6/types"
	"go.yaml.in/yaml/v3"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/refs"
	"github.com/gitmetal/ingot/schemas"
	"github.com/gitmetal/ingot/schemas/yamltext"
)

// findOtherDisks gives the writes of a translated config to block devices that are not known to be the root disk or a
// part of the root disk. Merged configs count if the commit has them; otherwise they count as unknown disks. Findings
// refuse a replacement of the config (also by a kernel argument), a merged config from elsewhere without a hash, and a
// device path that holds a secret.
func findOtherDisks(b inventory.Butane, config types.Config) ([]inventory.OtherDisk, []schemas.Finding) {
	s := survey{path: b.Path, spec: highestSpec(b), labels: map[string][]string{}, made: map[string]bool{},
		found: map[string]map[string]bool{}}
	s.root = expandedNodes(b)
	s.image = imageLabels[variantOf(s.root)]
	configs := s.gatherConfigs(config)
	for _, c := range configs {
		s.noteNames(c)
	}
	for _, c := range configs {
		s.noteDisks(c)
		s.noteFilesystems(c)
		s.noteRAID(c)
		s.noteLUKS(c)
		s.checkKernelArguments(c)
	}
	var all []inventory.OtherDisk
	for _, device := range slices.Sorted(maps.Keys(s.found)) {
		all = append(all, inventory.OtherDisk{Device: device, Does: slices.Sorted(maps.Keys(s.found[device]))})
	}
	return all, s.findings
}

// bootDisk is CoreOS's link, in the initial RAM disk, to the root disk.
const bootDisk = "/dev/disk/by-id/coreos-boot-disk"

// Where udev links partitions and file systems by their labels.
const (
	byPartLabel = "/dev/disk/by-partlabel/"
	byLabel     = "/dev/disk/by-label/"
)

// labels are those of an image's own partitions and file systems, which are on the root disk.
type labels struct{ partitions, filesystems []string }

// imageLabels are by Butane's variant. Sources: fedora-coreos-config, "image.yaml" and its partition table; Flatcar,
// "Disk layout".
var imageLabels = map[string]labels{
	"fcos": {[]string{"BIOS-BOOT", "PowerPC-PReP-boot", "EFI-SYSTEM", "boot", "root", "reserved"},
		[]string{"EFI-SYSTEM", "boot", "root"}},
	"flatcar": {[]string{"EFI-SYSTEM", "BIOS-BOOT", "USR-A", "USR-B", "OEM", "OEM-CONFIG", "ROOT"},
		[]string{"EFI-SYSTEM", "OEM", "ROOT"}},
}

// variantOf gives the variant of a Butane config.
func variantOf(root *yaml.Node) string {
	if node := nodeAt(root, "variant"); node != nil {
		return node.Value
	}
	return ""
}

// survey gathers what a config and its merged configs do to disks.
type survey struct {
	path     string
	spec     string // the newest that the image reads
	root     *yaml.Node
	image    labels
	labels   map[string][]string        // devices by the labels of the partitions that the configs make
	made     map[string]bool            // devices that the configs make: arrays and encrypted volumes
	found    map[string]map[string]bool // writes, by device
	findings []schemas.Finding
}

// noteNames records the names that a config gives to new devices: a write to a new device is a write to the devices
// below.
func (s *survey) noteNames(c types.Config) {
	for _, disk := range c.Storage.Disks {
		for _, p := range disk.Partitions {
			if p.Label != nil && *p.Label != "" {
				s.labels[*p.Label] = append(s.labels[*p.Label], disk.Device)
			}
		}
	}
	for _, array := range c.Storage.Raid {
		s.made["/dev/md/"+array.Name] = true
	}
	for _, volume := range c.Storage.Luks {
		s.made["/dev/mapper/"+volume.Name], s.made["/dev/disk/by-id/dm-name-"+volume.Name] = true, true
	}
}

func (s *survey) noteDisks(c types.Config) {
	for _, disk := range c.Storage.Disks {
		if isTrue(disk.WipeTable) {
			s.noteWrite(disk.Device, "partition table wiped")
		}
		for _, p := range disk.Partitions {
			switch {
			case p.ShouldExist != nil && !*p.ShouldExist:
				s.noteWrite(disk.Device, fmt.Sprintf("partition %s deleted", partitionName(p)))
			case isTrue(p.WipePartitionEntry):
				s.noteWrite(disk.Device,
					fmt.Sprintf("partition %s made, also where there is another", partitionName(p)))
			default:
				s.noteWrite(disk.Device, fmt.Sprintf("partition %s made", partitionName(p)))
			}
		}
	}
}

// partitionName is the partition's label, or its number.
func partitionName(p types.Partition) string {
	if p.Label != nil && *p.Label != "" {
		return *p.Label
	}
	return fmt.Sprintf("number %d", p.Number)
}

func (s *survey) noteFilesystems(c types.Config) {
	for _, f := range c.Storage.Filesystems {
		switch {
		case isTrue(f.WipeFilesystem) && valueOf(f.Format) == "none":
			s.noteWrite(f.Device, "file system wiped")
		case valueOf(f.Format) == "none":
			s.noteWrite(f.Device, "must hold no file system")
		case isTrue(f.WipeFilesystem):
			s.noteWrite(f.Device, fmt.Sprintf("file system %s made, what is there is wiped", valueOf(f.Format)))
		case valueOf(f.Format) != "":
			s.noteWrite(f.Device, fmt.Sprintf("file system %s made where there is none", valueOf(f.Format)))
		default:
			s.noteWrite(f.Device, "files written into its file system")
		}
		noteOptions(s, "file system "+f.Device, f.Options)
		noteOptions(s, "file system "+f.Device, f.MountOptions)
	}
}

func (s *survey) noteRAID(c types.Config) {
	for _, array := range c.Storage.Raid {
		for _, device := range array.Devices {
			s.noteWrite(string(device), "made a part of RAID array "+array.Name)
		}
		noteOptions(s, "RAID array "+array.Name, array.Options)
	}
}

func (s *survey) noteLUKS(c types.Config) {
	for _, volume := range c.Storage.Luks {
		if isTrue(volume.WipeVolume) {
			s.noteWrite(valueOf(volume.Device),
				fmt.Sprintf("encrypted as LUKS volume %s, what is there is wiped", volume.Name))
		} else {
			s.noteWrite(valueOf(volume.Device),
				fmt.Sprintf("encrypted as LUKS volume %s where it is none", volume.Name))
		}
		noteOptions(s, "LUKS volume "+volume.Name, volume.Options)
		noteOptions(s, "LUKS volume "+volume.Name, volume.OpenOptions)
	}
}

// noteWrite records a write to a device, unless the device is exempt.
func (s *survey) noteWrite(device, what string) {
	if strings.Contains(device, placeholder) {
		s.addRefusal(s.findNode(device), "write the path, or ${vars.name}",
			"the path of a device holds a secret: nobody could see which disk is written")
		return
	}
	device = path.Clean(device)
	on, partition := s.findHolders(device)
	if partition != "" {
		what = "partition " + partition + ": " + what
	}
	for _, disk := range on {
		if s.isExempt(disk) {
			continue
		}
		if s.found[disk] == nil {
			s.found[disk] = map[string]bool{}
		}
		s.found[disk][what] = true
	}
}

// findHolders gives the disks on which the configs make the device's partition, and the partition's label; otherwise
// the device itself.
func (s *survey) findHolders(device string) (on []string, partition string) {
	if label, is := strings.CutPrefix(device, byPartLabel); is && len(s.labels[label]) > 0 {
		for _, disk := range s.labels[label] {
			on = append(on, path.Clean(disk))
		}
		slices.Sort(on)
		return slices.Compact(on), label
	}
	return []string{device}, ""
}

// isExempt reports whether a device is the root disk, is on the root disk by the image's own labels, or is made by the
// configs of devices that are surveyed themselves.
func (s *survey) isExempt(device string) bool {
	partition, byPartition := strings.CutPrefix(device, byPartLabel)
	filesystem, byFilesystem := strings.CutPrefix(device, byLabel)
	return device == bootDisk || s.made[device] ||
		byPartition && slices.Contains(s.image.partitions, partition) || byFilesystem &&
		slices.Contains(s.image.filesystems, filesystem)
}

func (s *survey) addRefusal(node *yaml.Node, hint, message string) {
	f := schemas.Finding{Position: schemas.Position{File: s.path}, Severity: schemas.Error, Message: message,
		Hint: hint}
	if node != nil {
		f.Line, f.Col = node.Line, node.Column
	}
	if !slices.Contains(s.findings, f) {
		s.findings = append(s.findings, f)
	}
}

// findNode gives the node of the Butane file whose value is text, or else contains text; nil when there is no such
// node, as for a merged config.
func (s *survey) findNode(text string) *yaml.Node {
	var is, holds *yaml.Node
	yamltext.WalkNodes(s.root, func(node *yaml.Node) {
		switch {
		case node.Kind != yaml.ScalarNode:
		case is == nil && node.Value == text:
			is = node
		case holds == nil && strings.Contains(node.Value, text):
			holds = node
		}
	})
	if is != nil {
		return is
	}
	return holds
}

// expandedNodes gives the nodes of a Butane file with vars, and placeholders for secrets. The file was translated
// before, so there are no findings.
func expandedNodes(b inventory.Butane) *yaml.Node {
	root, _ := refs.ParseFile(b.Path, b.Source)
	refs.ReplaceReferences(b.Path, root, func(ref refs.Ref, _ schemas.Position) (string, error) {
		if ref.Var != "" {
			return b.Vars[ref.Var], nil
		}
		return placeholder, nil
	})
	return root
}

func isTrue(flag *bool) bool { return flag != nil && *flag }

func valueOf(value *string) string {
	if value == nil {
		return ""
	}
	return *value
}
