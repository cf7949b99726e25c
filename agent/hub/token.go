package hub

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strconv"

	"github.com/gitmetal/ingot/internal/secret"
	"github.com/gitmetal/ingot/inventory"
)

// BootToken is the secret on the medium of one boot: 43 characters base64url of 256 bits, the same at every call. The
// token lets an agent in only while the boot is expected, see Expect.
func (h *Hub) BootToken(host, boot string, epoch inventory.Epoch) secret.Value {
	return computeMAC(h.tokenKey, host, boot, epoch)
}

// PhoneHomeToken is the secret of an installed system's call home: bound to host, install, the epoch of the installing
// boot and the attempt of the install. Attempt 0 gives the token of ingot 4176809, which knows no attempt.
func (h *Hub) PhoneHomeToken(host, install string, epoch inventory.Epoch, attempt int) secret.Value {
	if attempt != 0 {
		install += "\x00" + strconv.Itoa(attempt)
	}
	return computeMAC(h.homeKey, host, install, epoch)
}

// DiskMark is the disk GUID by which an install is recognised on a disk: a UUID of version 8 (RFC 9562, 5.8) from an
// HMAC over machine, operation and disk, in lower case. The GUID is no secret; only a holder of the key can choose the
// GUID of an operation before the disk is written.
func (h *Hub) DiskMark(host inventory.MachineID, operation string, disk inventory.DiskID) string {
	m := hmac.New(sha256.New, h.markKey)
	for _, part := range []string{string(host), operation, disk.Label()} {
		m.Write([]byte(part + "\x00"))
	}
	id := m.Sum(nil)[:16]
	id[6], id[8] = id[6]&0x0f|0x80, id[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", id[:4], id[4:6], id[6:8], id[8:10], id[10:])
}

// computeMAC is an HMAC-SHA256 over parts with a zero byte between two parts. No part holds a zero byte: names are DNS
// labels, and ingot makes the ids.
func computeMAC(key []byte, host, id string, epoch inventory.Epoch) secret.Value {
	m := hmac.New(sha256.New, key)
	m.Write([]byte(host + "\x00" + id + "\x00" + strconv.FormatUint(epoch, 10)))
	return secret.New(base64.RawURLEncoding.EncodeToString(m.Sum(nil)))
}
