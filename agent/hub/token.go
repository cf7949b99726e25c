package hub

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"strconv"

	"github.com/gitmetal/ingot/internal/secret"
	"github.com/gitmetal/ingot/inventory"
)

// Token is what the medium of one boot carries: 43 characters base64url of 256 bits, the same whenever it is asked for. It lets an
// agent in only while that boot is expected, see Expect.
func (h *Hub) Token(host, boot string, epoch inventory.Epoch) secret.Value {
	return computeMAC(h.tokenKey, host, boot, epoch)
}

// PhoneHomeToken is what an installed system shows when it phones home: bound to host, install and the epoch of the boot that
// installed it.
func (h *Hub) PhoneHomeToken(host, install string, epoch inventory.Epoch) secret.Value {
	return computeMAC(h.homeKey, host, install, epoch)
}

// computeMAC is an HMAC-SHA256 over parts that are told apart by a zero byte, which none of them can hold (names are DNS labels, ids are ours).
func computeMAC(key []byte, host, id string, epoch inventory.Epoch) secret.Value {
	m := hmac.New(sha256.New, key)
	m.Write([]byte(host + "\x00" + id + "\x00" + strconv.FormatUint(epoch, 10)))
	return secret.New(base64.RawURLEncoding.EncodeToString(m.Sum(nil)))
}
