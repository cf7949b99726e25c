package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"github.com/gitmetal/ingot/boot/redfish/scan"
	"github.com/gitmetal/ingot/inventory/discovery"
	"github.com/gitmetal/ingot/inventory/discovery/records"
)

// Scanned is what a range of addresses has.
type Scanned struct {
	Asked  int            `json:"asked"`  // addresses
	Known  int            `json:"known"`  // addresses of hosts of the fleet, which were not asked
	Found  []FoundService `json:"found"`  // in the order of the addresses
	NoRoom int            `json:"noRoom"` // services without a record
}

// FoundService is a Redfish service with its record.
type FoundService struct {
	Record  discovery.ID `json:"record"`
	Address string       `json:"address"`
	Vendor  string       `json:"vendor,omitempty"`
	Product string       `json:"product,omitempty"`
	New     bool         `json:"new"`
}

// discoverRange asks the addresses of a range for Redfish services, but for those of known hosts, and makes a record of
// each service that answers.
func (d *Daemon) discoverRange(ctx context.Context, cidr string) (Scanned, error) {
	addresses, err := scan.List(cidr)
	if err != nil {
		return Scanned{}, err
	}
	if _, known := d.loop.Fleet(); !known {
		return Scanned{}, errors.New("no fleet is accepted yet: `ingot status` says why")
	}
	if err := d.discoveries.BeginScan(netip.MustParsePrefix(cidr), time.Now()); err != nil { // List has parsed it
		return Scanned{}, err
	}
	known, all := d.knownMachines(), len(addresses)
	var strangers []netip.Addr
	for _, address := range addresses {
		if !known.HasAddress(address.String()) {
			strangers = append(strangers, address)
		}
	}
	told := Scanned{Asked: len(strangers), Known: all - len(strangers)}
	for _, service := range scan.Find(ctx, strangers, 0) {
		address := service.Address.String()
		id, isNew, err := d.discoveries.Find(records.Found{Address: address, Fingerprint: service.Fingerprint, At: time.Now(),
			Doubts: []string{"found by its BMC alone: nobody has logged in, and nothing is known of the machine behind it"}})
		switch {
		case err != nil:
			return told, err
		case id == "":
			told.NoRoom++
		default:
			told.Found = append(told.Found, FoundService{Record: id, Address: address, Vendor: service.Vendor, Product: service.Product, New: isNew})
		}
	}
	return told, nil
}

// answerDiscover answers an operator who asks for a range.
func (d *Daemon) answerDiscover(w http.ResponseWriter, r *http.Request) {
	cidr := r.URL.Query().Get("range")
	w = &answerer{ResponseWriter: w}
	d.performAct(w, r, fmt.Sprintf("asked %q for Redfish services", cidr), func() error {
		told, err := d.discoverRange(r.Context(), cidr)
		if err != nil {
			return err
		}
		body, err := json.Marshal(told)
		w.(*answerer).body = body
		return err
	})
}

// DiscoverRange has the daemon ask a range of addresses for Redfish services.
func (c *Client) DiscoverRange(ctx context.Context, cidr string) (told Scanned, err error) {
	return told, c.readJSON(ctx, http.MethodPost, "/v1/discover?range="+url.QueryEscape(cidr), &told)
}
