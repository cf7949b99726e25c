package wire

// Inject puts files into the system that an install of the same operation wrote, in a JobSystem. The agent mounts the
// partitions of the disk for the time of the step.
type Inject struct {
	Disk DiskRef `json:"disk"` // Content is not compared
	// Mark is the disk GUID of the install; "" for a disk that has no mark.
	Mark        string       `json:"mark,omitempty"`
	MachineID   string       `json:"machineID"`
	MachineName string       `json:"machineName"`
	Files       []InjectFile `json:"files"` // hold secrets: RAM only
}

// InjectFile is one file. Exactly one of Content, SHA256 and Delete says what becomes of the file; none: an empty file.
type InjectFile struct {
	Path string `json:"path"` // absolute, below the root of its partition
	// Partition is a number, or label:, uuid:, partlabel: or partuuid: with the value; "" for the first partition that has
	// the directory which begins the path.
	Partition string `json:"partition,omitempty"`
	Content   []byte `json:"content,omitempty"`
	Template  bool   `json:"template,omitempty"` // ${machine.id}, .name, .serial and .uuid are replaced in Content
	SHA256    string `json:"sha256,omitempty"`   // of a file under PathBlobs
	Size      int64  `json:"size,omitempty"`     // of that file, bytes
	Delete    bool   `json:"delete,omitempty"`
	Mode      uint32 `json:"mode,omitempty"`
	DirMode   uint32 `json:"dirMode,omitempty"` // of directories that are missing
	Owner     int    `json:"owner,omitempty"`
	Group     int    `json:"group,omitempty"`
	Overwrite string `json:"overwrite,omitempty"`
}

// Values of InjectFile.Overwrite.
const (
	OverwriteReplace = "Replace" // the file, or the link, that is there
	OverwriteKeep    = "Keep"    // what is there stays, and the step goes on
	OverwriteRefuse  = "Refuse"  // the step fails before anything is written
)
