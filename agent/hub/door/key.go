package door

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"time"

	"github.com/gitmetal/ingot/agent/hub"
	"github.com/gitmetal/ingot/agent/wire"
	"github.com/gitmetal/ingot/internal/secret"
	"github.com/gitmetal/ingot/schemas"
)

const keyPurpose = "enrolment key"

// EnrolmentKey gives the secret of an enrolment key: an HMAC of the daemon's identity over the key's id and its last day.
// A key with another last day is another key.
func EnrolmentKey(identity *hub.Identity, key schemas.EnrolmentKey) secret.Value {
	return deriveKey(identity.DeriveKey(keyPurpose), key)
}

func deriveKey(root []byte, key schemas.EnrolmentKey) secret.Value {
	m := hmac.New(sha256.New, root)
	m.Write([]byte(key.ID + "\x00" + key.Until)) // neither holds a zero byte: a DNS label and a date
	return secret.New(base64.RawURLEncoding.EncodeToString(m.Sum(nil)))
}

// HasEnded reports whether the last day of an enrolment key is over; a key with a day that is none has ended.
func HasEnded(key schemas.EnrolmentKey, now time.Time) bool {
	day, err := time.Parse(time.DateOnly, key.Until)
	return err != nil || !now.Before(day.AddDate(0, 0, 1))
}

// BootConfig is the configuration of a discovery medium: the agent registers with the key at one of the URLs of the agents'
// API. The configuration holds the key's secret.
func BootConfig(identity *hub.Identity, key schemas.EnrolmentKey, urls []string, now time.Time) wire.BootConfig {
	return wire.BootConfig{Version: wire.Version, URLs: urls, Pins: []string{identity.Pin()}, Time: now.UTC(),
		Discovery: &wire.Discovery{Key: key.ID, Secret: EnrolmentKey(identity, key).Reveal(), Until: key.Until}}
}
