package redfish

import (
	"context"
	"strings"

	"github.com/gitmetal/ingot/boot/redfish/conn"
)

// certificate is what is read and written of a Certificate (DSP0268).
type certificate struct {
	CertificateString string
	CertificateType   string
}

// TrustMedia has the BMC trust an authority (PEM) for boot media over HTTPS, at each drive that takes a CD, and returns
// the drives at which the authority was added. Where the BMC trusts the authority already, nothing is sent. A BMC that
// has no place for authorities is an error.
func (c *Client) TrustMedia(ctx context.Context, authority string) (added []string, err error) {
	w := c.conn.Call(ctx, "have the BMC trust the authority of boot media")
	drives, err := c.readDrives(w)
	if err != nil {
		return nil, err
	}
	places := 0
	for _, d := range drives {
		if !d.Usable || d.certificates == "" {
			continue
		}
		places++
		new, err := addAuthority(w, d.certificates, strings.TrimSpace(authority))
		if err != nil {
			return added, err
		}
		if new {
			added = append(added, d.Path)
		}
	}
	if places == 0 {
		return nil, w.RefusedError("it has no place for authorities (Certificates of its virtual drives)",
			"put the daemon's authority into the BMC with its own tools, or switch the check of media certificates off there")
	}
	return added, nil
}

// addAuthority adds an authority to a collection of certificates, unless the collection has it.
func addAuthority(w conn.Call, link, authority string) (added bool, err error) {
	at, err := w.ResolveLink(link)
	if err != nil {
		return false, w.ProtocolError(err)
	}
	have := func() (bool, error) {
		members, err := w.ListMembers(at)
		if err != nil {
			return false, err
		}
		for _, member := range members {
			known, err := conn.Get[certificate](w, member)
			if conn.IsPart(err) {
				continue
			}
			if err != nil {
				return false, err
			}
			if strings.TrimSpace(known.Doc.CertificateString) == authority {
				return true, nil
			}
		}
		return false, nil
	}
	if known, err := have(); known || err != nil {
		return false, err
	}
	response, err := w.Post(at, certificate{authority, "PEM"})
	if err != nil {
		if conn.AsError(err) == nil {
			return false, w.ProtocolError(err)
		}
		return false, err
	}
	return true, response.Body.Close()
}
