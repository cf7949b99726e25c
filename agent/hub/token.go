package hub

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"strconv"

	"github.com/gitmetal/ingot/internal/secret"
	"github.com/gitmetal/ingot/inventory"
)

// BootToken is the secret on the medium of one boot: 43 characters base64url of 256 bits, the same at every call. The
// token lets an agent in only while the boot is expected, see Expect.
func (h *Hub) BootToken(host, boot string, epoch inventory.Epoch) secret.Value {
	return computeMAC(h.tokenKey, host, boot, epoch)
}

// PhoneHomeToken is the secret of an installed system's call home: bound to host, install and the epoch of the
// installing boot.
func (h *Hub) PhoneHomeToken(host, install string, epoch inventory.Epoch) secret.Value {
	return computeMAC(h.homeKey, host, install, epoch)
}

// computeMAC is an HMAC-SHA256 over parts with a zero byte between two parts. No part holds a zero byte: names are DNS
// labels, and ingot makes the ids.
func computeMAC(key []byte, host, id string, epoch inventory.Epoch) secret.Value {
	m := hmac.New(sha256.New, key)
	m.Write([]byte(host + "\x00" + id + "\x00" + strconv.FormatUint(epoch, 10)))
	return secret.New(base64.RawURLEncoding.EncodeToString(m.Sum(nil)))
}
