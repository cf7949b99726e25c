package uploads

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
)

// Token gives the token of a run: 43 characters base64url of 256 bits, an HMAC of a key of the daemon over the run's
// id. A daemon that lost its state gives the same token. The token says nothing else, and is dead with the run.
func Token(key []byte, run string) string {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte("ingot run token v1\x00" + run))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}
