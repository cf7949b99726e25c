package bmc

import (
	"net/http"
	"path"
	"slices"
	"strconv"

	"github.com/gitmetal/ingot/internal/lab/bmc/document"
)

// raidMembers is the least number of drives of each RAID type that the controller offers.
var raidMembers = map[string]int{"RAID0": 1, "RAID1": 2}

func (b *BMC) volumesDocument() document.Document {
	b.mu.Lock()
	defer b.mu.Unlock()
	var ids []string
	for _, v := range b.volumes {
		ids = append(ids, v.ID)
	}
	doc := document.NewCollection(document.Volumes, "Volume", ids...)
	doc["@Redfish.OperationApplyTimeSupport"] = document.NewApplyTimes()
	return doc
}

func (b *BMC) getVolume(w http.ResponseWriter, r *http.Request) {
	b.mu.Lock()
	i := b.findVolume(r.PathValue("id"))
	if i < 0 {
		b.mu.Unlock()
		sendMissing(w, r)
		return
	}
	v := b.volumes[i]
	b.mu.Unlock()
	b.sendDocument(w, r, document.NewVolume(v))
}

// findVolume gives the index of a volume, or -1. The caller holds b.mu.
func (b *BMC) findVolume(id string) int {
	return slices.IndexFunc(b.volumes, func(v document.Volume) bool { return v.ID == id })
}

// postVolume makes a volume of drives.
func (b *BMC) postVolume(w http.ResponseWriter, r *http.Request) {
	var want struct {
		Name, RAIDType string
		CapacityBytes  int64
		ApplyTime      string `json:"@Redfish.OperationApplyTime"`
		Links          struct {
			Drives []struct {
				ID string `json:"@odata.id"`
			}
		}
	}
	if !decodeBody(w, r, &want) {
		return
	}
	least, known := raidMembers[want.RAIDType]
	v := document.Volume{Name: want.Name, RAID: want.RAIDType, Bytes: want.CapacityBytes}
	smallest := int64(0)
	for _, drive := range want.Links.Drives {
		i := slices.IndexFunc(b.config.Identity.Disks, func(d Disk) bool {
			return drive.ID == document.System+"/Storage/1/Drives/"+d.Name
		})
		if i < 0 || slices.Contains(v.Drives, drive.ID) {
			sendJSON(w, http.StatusBadRequest,
				document.NewError("ResourceNotFound", "there is no free drive "+path.Base(drive.ID), "Links/Drives"))
			return
		}
		if size := b.config.Identity.Disks[i].Bytes; smallest == 0 || size < smallest {
			smallest = size
		}
		v.Drives = append(v.Drives, drive.ID)
	}
	switch {
	case !known || len(v.Drives) < least:
		sendJSON(w, http.StatusBadRequest,
			document.NewError("PropertyValueNotInList", "RAIDType is RAID0 or RAID1, with 1 or 2 drives at least", "RAIDType"))
	case want.ApplyTime != "" && want.ApplyTime != "Immediate":
		sendJSON(w, http.StatusBadRequest,
			document.NewError("PropertyValueNotInList", "a volume is made at once", "@Redfish.OperationApplyTime"))
	default:
		b.addVolume(w, v, smallest)
	}
}

// addVolume keeps a volume, of the drives' own size unless the client asked for less.
func (b *BMC) addVolume(w http.ResponseWriter, v document.Volume, smallest int64) {
	whole := smallest
	if v.RAID == "RAID0" {
		whole *= int64(len(v.Drives))
	}
	if v.Bytes <= 0 || v.Bytes > whole {
		v.Bytes = whole
	}
	b.mu.Lock()
	b.volumesMade++
	v.ID = strconv.Itoa(b.volumesMade)
	if v.Name == "" {
		v.Name = "Volume " + v.ID
	}
	b.volumes = append(b.volumes, v)
	b.mu.Unlock()
	w.Header().Set("Location", document.Volumes+"/"+v.ID)
	sendJSON(w, http.StatusCreated, document.NewVolume(v))
}

func (b *BMC) deleteVolume(w http.ResponseWriter, r *http.Request) {
	b.mu.Lock()
	i := b.findVolume(r.PathValue("id"))
	if i >= 0 {
		b.volumes = slices.Delete(b.volumes, i, i+1)
	}
	b.mu.Unlock()
	if i < 0 {
		sendMissing(w, r)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}
