package redfish

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/stmcginnis/gofish/schemas"

	"github.com/gitmetal/ingot/boot/redfish/conn"
)

// Insert puts the medium into a virtual CD and returns the drive as read back. The URLs, http or https, are of the same
// medium, best first; a BMC that takes none but https gets the https one. Older media in the drive are ejected first; if
// a drive already has the medium, nothing is sent.
func (c *Client) Insert(ctx context.Context, urls ...string) (Slot, error) {
	w := c.conn.Call(ctx, "insert the medium")
	for _, medium := range urls {
		if at, err := url.Parse(medium); err != nil || at.Host == "" || at.Scheme != "http" && at.Scheme != "https" {
			return Slot{}, w.ProtocolError(errors.New("the medium's address is no http or https URL"))
		}
	}
	drives, err := c.recentDrives(w)
	if err != nil {
		return Slot{}, err
	}
	for _, d := range drives {
		if d.Inserted && slices.Contains(urls, d.Image) {
			return d.Slot, nil
		}
	}
	defer c.forgetReadings()
	return c.insertSomewhere(w, drives, urls)
}

// insertSomewhere tries the usable drives in turn: some look usable and refuse (Cisco vKVM, Lenovo RDOC). If all
// refuse, the second names of the drives are tried.
func (c *Client) insertSomewhere(w conn.Call, drives []drive, urls []string) (Slot, error) {
	slot, refused := c.insertIntoFirst(w, drives, urls)
	if !refusesDrive(refused) {
		return slot, refused
	}
	c.mu.Lock()
	paths := slices.Sorted(maps.Keys(c.drives.names))
	c.mu.Unlock()
	var seconds []drive
	for _, at := range paths {
		if d, err := c.readDrive(w, at); err == nil {
			seconds = append(seconds, d)
		}
	}
	if len(seconds) == 0 {
		return Slot{}, refused
	}
	slot, err := c.insertIntoFirst(w, seconds, urls)
	if err == nil {
		c.preferName(slot.Path)
	}
	return slot, err
}

// refusesDrive reports whether a refusal is about the drive, so that another drive may take the medium.
func refusesDrive(err error) bool {
	said := conn.AsError(err)
	return said != nil && !said.Temporary && (said.Status == http.StatusBadRequest ||
		said.Status == http.StatusMethodNotAllowed || said.Status == http.StatusNotFound)
}

// preferName makes the second name of a drive the first.
func (c *Client) preferName(second string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if first := c.drives.names[second]; first != "" {
		delete(c.drives.names, second)
		c.drives.names[first] = second
	}
}

// insertIntoFirst inserts into the first usable drive that does not refuse.
func (c *Client) insertIntoFirst(w conn.Call, drives []drive, urls []string) (Slot, error) {
	var last error
	for _, d := range drives {
		if !d.Usable {
			continue
		}
		if err := c.emptyDrive(w, d); err != nil {
			return Slot{}, err
		}
		medium, err := c.insertByProtocol(w, d, urls)
		if err == nil {
			c.noteEmptied(d.Path, "")
			return c.verifyInserted(w, d.Path, medium)
		}
		if last = err; !refusesDrive(err) {
			return Slot{}, last
		}
	}
	if last == nil {
		return Slot{}, w.RefusedError("it has no virtual drive that takes a CD",
			"virtual media may need a licence or must be enabled at the BMC; see `ingot bmc check`")
	}
	return Slot{}, last
}

// insertByProtocol inserts a medium by the URL that the BMC takes, and returns the URL.
func (c *Client) insertByProtocol(w conn.Call, d drive, urls []string) (medium string, err error) {
	c.mu.Lock()
	if secure := c.drives.httpsOnly || d.takesNoHTTP(); secure {
		urls = slices.Clone(urls)
		slices.SortStableFunc(urls, func(a, b string) int { return strings.Compare(schemeOf(b), schemeOf(a)) })
	}
	c.mu.Unlock()
	for i, medium := range urls {
		if err = c.insertInto(w, d, medium); err == nil {
			return medium, nil
		}
		if !refusesHTTP(d, medium, err) || i+1 == len(urls) {
			return "", explainProtocol(w, d, medium, err)
		}
		c.mu.Lock()
		c.drives.httpsOnly = true
		c.mu.Unlock()
	}
	return "", err
}

func schemeOf(medium string) string {
	scheme, _, _ := strings.Cut(medium, ":")
	return scheme
}

// refusesHTTP reports whether a BMC takes media over HTTPS only: the BMC declares that, or refuses the form of a URL
// that has http.
func refusesHTTP(d drive, medium string, refused error) bool {
	said := conn.AsError(refused)
	if said == nil || schemeOf(medium) != "http" || !refusesDrive(refused) {
		return false
	}
	badForm := (said.MessageID == "ActionParameterValueFormatError" || said.MessageID == "PropertyValueFormatError") &&
		said.NamesProperty("Image")
	badProtocol := said.MessageID == "ActionParameterValueNotInList" && said.NamesProperty("TransferProtocolType")
	return badForm || badProtocol || d.takesNoHTTP()
}

// explainProtocol says in plain words that a BMC takes media over HTTPS only, or does not trust the daemon's
// certificate.
func explainProtocol(w conn.Call, d drive, medium string, refused error) error {
	said := conn.AsError(refused)
	plain := Error{}
	switch {
	case said == nil:
		return refused
	case d.takesNoHTTP() && !slices.Contains(d.Protocols, "HTTPS"):
		plain = *w.RefusedError("it takes boot media over "+strings.Join(d.Protocols, ", ")+" only; it said: "+said.Detail,
			"allow HTTP or HTTPS for virtual media at the BMC")
	case refusesHTTP(d, medium, refused):
		plain = *w.RefusedError("it takes boot media over HTTPS only, and this medium is served over HTTP; it said: "+
			said.Detail, httpsHint)
	case schemeOf(medium) == "https" && namesCertificate(said.Detail):
		plain = *w.RefusedError("it does not trust the certificate of the boot medium's server; it said: "+said.Detail,
			"have the BMC trust the daemon's authority with `ingot bmc trust`")
	default:
		return refused
	}
	plain.Status, plain.MessageID, plain.Temporary = said.Status, said.MessageID, said.Temporary
	return &plain
}

// httpsHint is what to do for a BMC that takes media over HTTPS only.
const httpsHint = "set listen.mediaTLS and advertise.mediaTLS in the daemon's configuration, or allow HTTP for virtual " +
	"media at the BMC"

// namesCertificate reports whether a BMC's words are about a certificate.
func namesCertificate(said string) bool {
	return slices.ContainsFunc([]string{"certificate", "ssl", "tls", "x509"}, func(word string) bool {
		return strings.Contains(strings.ToLower(said), word)
	})
}

// takesNoHTTP reports whether a drive that takes a CD declares protocols, and not HTTP.
func (s Slot) takesNoHTTP() bool {
	return s.Usable && len(s.Protocols) > 0 && !slices.Contains(s.Protocols, "HTTP")
}

// verifyInserted checks by a fresh read that the drive is not empty. The URL is not compared, because BMCs rewrite it.
func (c *Client) verifyInserted(w conn.Call, path, medium string) (Slot, error) {
	c.mu.Lock()
	c.drives.inserted, c.drives.shown = "", ""
	c.mu.Unlock()
	after, err := c.readDrive(w, path)
	if err != nil {
		return Slot{}, err
	}
	if !after.Inserted {
		return Slot{}, w.TemporaryError("it accepted the medium but its drive is empty",
			"it is tried again; check that the BMC can reach the daemon's media address")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.drives.inserted, c.drives.shown = medium, after.Image
	after.Image = medium
	return after.Slot, nil
}

// insertInto inserts into a drive. A parameter that the BMC's error names is added before the next try.
func (c *Client) insertInto(w conn.Call, d drive, medium string) error {
	if !d.Doc.SupportsMediaInsert { // Lenovo XCC: no action, PATCH
		return patchResource(w, d.Path, d.ETag,
			map[string]any{"Image": medium, "Inserted": true, "WriteProtected": true})
	}
	c.mu.Lock()
	needs := slices.Clone(c.insertNeeds)
	c.mu.Unlock()
	for {
		task, err := d.Doc.InsertMedia(insertParameters(medium, needs))
		if err == nil {
			c.mu.Lock()
			c.insertNeeds = needs
			c.mu.Unlock()
			return w.FollowTask(task)
		}
		said := conn.AsError(err)
		if said == nil {
			return w.ProtocolError(err)
		}
		switch missing := missingParameter(said, needs); {
		case missing != "":
			needs = append(needs, missing)
		case isNameless(said) && !slices.Contains(needs, "UserName"): // NVIDIA DGX
			needs = append(needs, "UserName", "Password")
		default:
			return said
		}
	}
}

// isNameless reports whether a refusal says that something is missing or wrong and does not say what.
func isNameless(said *Error) bool {
	return said.Status == http.StatusBadRequest && !said.Temporary && (said.MessageID == "GeneralError" ||
		said.MessageID == "" || said.MessageID == "ActionParameterMissing") &&
		strings.Contains(strings.ToLower(said.Detail), "parameter")
}

// optionalParameters are the parameters of InsertMedia that some BMC requires, longest names first: a name may be part
// of a longer name.
var optionalParameters = []string{"TransferProtocolType", "TransferMethod", "WriteProtected", "MediaType", "Inserted",
	"UserName", "Password"}

func missingParameter(said *Error, have []string) string {
	if said.Status != http.StatusBadRequest && said.Status != http.StatusUnprocessableEntity {
		return ""
	}
	for _, name := range optionalParameters {
		if said.NamesProperty(name) && !slices.Contains(have, name) {
			return name
		}
	}
	return ""
}

// insertParameters gives the URL and the parameters that this BMC asked for (Supermicro refuses defaults that are
// sent).
func insertParameters(medium string, needs []string) *schemas.VirtualMediaInsertMediaParameters {
	yes, none := true, "none"
	stream, protocol := schemas.StreamTransferMethod, schemas.HTTPTransferProtocolType
	if strings.HasPrefix(medium, "https:") {
		protocol = schemas.HTTPSTransferProtocolType
	}
	p := &schemas.VirtualMediaInsertMediaParameters{Image: medium}
	for _, need := range needs {
		switch need {
		case "TransferProtocolType":
			p.TransferProtocolType = &protocol
		case "TransferMethod":
			p.TransferMethod = &stream
		case "WriteProtected":
			p.WriteProtected = &yes
		case "MediaType":
			p.MediaType = schemas.CDVirtualMediaType
		case "Inserted":
			p.Inserted = &yes
		case "UserName":
			p.UserName = &none
		case "Password":
			p.Password = &none
		}
	}
	return p
}

// Eject empties every virtual CD. For empty drives nothing is sent; a drive that still shows a medium afterwards is a
// temporary error. The caller makes sure that no machine runs from the medium.
func (c *Client) Eject(ctx context.Context) error {
	w := c.conn.Call(ctx, "eject the medium")
	drives, err := c.recentDrives(w)
	if err != nil {
		return err
	}
	for _, d := range drives {
		if d.Usable {
			if err := c.emptyDrive(w, d); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *Client) emptyDrive(w conn.Call, d drive) error {
	if !d.Inserted {
		return nil
	}
	defer c.forgetReadings()
	refused := c.ejectDrive(w, d)
	if said := conn.AsError(refused); refused != nil && (said == nil || said.Status == 0) {
		return refused // the request did not reach the drive
	}
	c.mu.Lock()
	c.drives.inserted, c.drives.shown = "", "" // another medium may come in from here on
	c.mu.Unlock()
	after, err := c.readDrive(w, d.Path)
	switch {
	case err != nil:
		return err
	case !after.Inserted: // ejected, or a second view of an emptied drive
		return nil
	case after.holds == unclear && (refused == nil || refusesDrive(refused)): // out, or the BMC says that nothing is in
		c.noteEmptied(d.Path, after.Image)
		return nil
	case refused != nil:
		return refused
	}
	return w.TemporaryError("it accepted the eject but the drive still shows a medium", "it is looked at again")
}

func (c *Client) ejectDrive(w conn.Call, d drive) error {
	if !d.Doc.SupportsMediaEject {
		return patchResource(w, d.Path, d.ETag, map[string]any{"Image": nil, "Inserted": false})
	}
	task, err := d.Doc.EjectMedia() // sends {}: HPE refuses an empty body
	if err != nil {
		if conn.AsError(err) == nil {
			return w.ProtocolError(err)
		}
		return err
	}
	return w.FollowTask(task)
}
