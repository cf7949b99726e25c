package door

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/hmac"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"time"

	"github.com/gitmetal/ingot/agent/hub"
	"github.com/gitmetal/ingot/agent/hub/reported"
	"github.com/gitmetal/ingot/agent/wire"
	"github.com/gitmetal/ingot/inventory/discovery"
	"github.com/gitmetal/ingot/inventory/discovery/records"
	"github.com/gitmetal/ingot/schemas"
)

// serveRegister takes the registration of an unknown machine. The enrolment key is checked before anything else is read,
// so a stranger makes the daemon do next to nothing.
func (d *Door) serveRegister(w http.ResponseWriter, r *http.Request) error {
	const heads = 8 << 10 // of both parts
	body := &io.LimitedReader{R: http.MaxBytesReader(w, r.Body, wire.MaxRegister+wire.MaxCompressed+heads), N: wire.MaxRegister + heads}
	r.Body = io.NopCloser(body) // the server closes its own
	parts, err := r.MultipartReader()
	if err != nil {
		return errNoKey
	}
	var m wire.Register
	if err := readMessage(parts, &m); err != nil {
		return errNoKey
	}
	key, err := d.checkKey(m)
	if err != nil {
		return err
	}
	body.N += wire.MaxCompressed
	if m.Version < 1 || m.Version > wire.Version {
		return errBody
	}
	csr, err := hub.ParseRequest(m.CSR)
	if err != nil {
		return errBody
	}
	if !d.calls.Allow("", d.config.Now()) {
		return errBusy
	}
	packed, err := d.receiveInventory(w, r, parts)
	if err != nil {
		return err
	}
	given := records.Registered{Max: key.Limit()}
	given.Key, given.Agent = key.ID, digest(csr.RawSubjectPublicKeyInfo)
	given.At, given.From = d.config.Now(), r.RemoteAddr
	if had, err := d.authenticate(r); err == nil {
		given.Had = had.record
	}
	id, err := d.recordMachine(r.Context(), given, packed)
	if err != nil {
		return err
	}
	der, err := d.config.Identity.IssueClient(string(id), waiter{record: id, key: key.ID}.formatURI(), csr.PublicKey,
		hub.Validity{From: given.At, For: certificate})
	if err != nil {
		return fmt.Errorf("issue a certificate for a waiting agent: %w", err)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusAccepted)
	return json.NewEncoder(w).Encode(wire.Registered{Certificate: der, After: d.pause()})
}

// checkKey gives the enrolment key that the sender of a message has; errNoKey without a key that counts today.
func (d *Door) checkKey(m wire.Register) (schemas.EnrolmentKey, error) {
	key, err := d.findKey(m.Key)
	proof := wire.ProveKey(deriveKey(d.keys, key).Reveal(), m.CSR) // a stranger waits as long for its answer
	switch {
	case err != nil:
		return schemas.EnrolmentKey{}, err
	case !hmac.Equal(proof, m.Proof) || HasEnded(key, d.config.Now()):
		return schemas.EnrolmentKey{}, errNoKey
	default:
		return key, nil
	}
}

// takePlace waits for one of a number of places.
func takePlace(ctx context.Context, places chan struct{}) (leave func(), err error) {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case places <- struct{}{}:
		return func() { <-places }, nil
	case <-timer.C:
		return nil, errBusy
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// readMessage reads the first part of a registration.
func readMessage(parts *multipart.Reader, into *wire.Register) error {
	part, err := parts.NextPart()
	if err != nil || part.FormName() != wire.FieldMessage {
		return errBody
	}
	data, err := io.ReadAll(io.LimitReader(part, wire.MaxRegister+1))
	if err != nil || len(data) > wire.MaxRegister || json.Unmarshal(data, into) != nil {
		return errBody
	}
	return nil
}

// receiveInventory receives the second part of a registration, still packed.
func (d *Door) receiveInventory(w http.ResponseWriter, r *http.Request, parts *multipart.Reader) ([]byte, error) {
	leave, err := takePlace(r.Context(), d.receive)
	if err != nil {
		return nil, err
	}
	defer leave()
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(patience)) // some tests have writers without deadlines
	part, err := parts.NextPart()
	if err != nil || part.FormName() != wire.FieldInventory {
		return nil, errBody
	}
	packed, err := io.ReadAll(io.LimitReader(part, wire.MaxCompressed+1))
	if err != nil || len(packed) > wire.MaxCompressed {
		return nil, errBody
	}
	return packed, nil
}

// recordMachine records a machine with its inventory: the whole report, and in the record the part that decisions may ask.
func (d *Door) recordMachine(ctx context.Context, given records.Registered, packed []byte) (discovery.ID, error) {
	leave, err := takePlace(ctx, d.record)
	if err != nil {
		return "", err
	}
	defer leave()
	unpacked, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return "", errBody
	}
	given.Report, err = io.ReadAll(io.LimitReader(unpacked, wire.MaxInventory+1))
	var facts wire.Facts
	if err != nil || len(given.Report) > wire.MaxInventory || json.Unmarshal(given.Report, &facts) != nil {
		return "", errBody
	}
	given.Facts, given.Inventory = discovery.Bound(reported.Facts(facts)), digest(given.Report)
	given.Facts.At = given.At
	if given.Facts.BMC != nil {
		given.Addresses = given.Facts.BMC.Addresses
	}
	return d.config.Records.Register(given, d.config.Known())
}
