// Package scan finds Redfish services in a range of addresses. List gives the addresses of a range, Find asks each for its
// service root, which needs no account (DSP0266, 6.5); nothing else is asked, and nothing is changed. Ask only for ranges
// that an operator named.
package scan

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"time"
)

// Bounds of a scan.
const (
	MaxAddresses = 4096
	atATime      = 32
	timeout      = 2 * time.Second // for one address
	maxRoot      = 256 << 10       // bytes of a service root
	httpsPort    = 443
)

// Service is a Redfish service. Every value is the word of whoever answers at the address.
type Service struct {
	Address     netip.Addr
	Fingerprint string // of its certificate, as in spec.bmc.tls.fingerprint
	Vendor      string
	Product     string
	UUID        string // of the service; mostly of the BMC, and not of the machine
	Version     string // of Redfish
}

// List gives the addresses of a range such as 10.0.0.0/24, without the network's and the broadcast address.
func List(cidr string) ([]netip.Addr, error) {
	prefix, err := netip.ParsePrefix(cidr)
	if err != nil {
		return nil, fmt.Errorf("the range %q is none: want an address and a length, such as 10.0.0.0/24", cidr)
	}
	prefix = prefix.Masked()
	if free := prefix.Addr().BitLen() - prefix.Bits(); free > 12 {
		return nil, fmt.Errorf("the range %s has more than %d addresses: ask for it in parts", prefix, MaxAddresses)
	}
	var list []netip.Addr
	for address := prefix.Addr(); prefix.Contains(address); address = address.Next() {
		list = append(list, address)
	}
	if prefix.Addr().Is4() && len(list) > 2 {
		list = list[1 : len(list)-1]
	}
	return list, nil
}

// Find asks addresses for their service roots, 32 at a time and each for at most 2 seconds, on a port, 0 for 443. The
// services are in the order of the addresses.
func Find(ctx context.Context, addresses []netip.Addr, port uint16) []Service {
	if port == 0 {
		port = httpsPort
	}
	found := make([]*Service, len(addresses))
	next := make(chan int)
	var workers sync.WaitGroup
	for range min(atATime, len(addresses)) {
		workers.Go(func() {
			for i := range next {
				found[i] = ask(ctx, addresses[i], port)
			}
		})
	}
	for i := range addresses {
		if ctx.Err() != nil {
			break
		}
		next <- i
	}
	close(next)
	workers.Wait()
	var services []Service
	for _, service := range slices.DeleteFunc(found, func(s *Service) bool { return s == nil }) {
		services = append(services, *service)
	}
	return services
}

// ask asks one address; nil without a service root.
func ask(ctx context.Context, address netip.Addr, port uint16) *Service {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	client := http.Client{
		Transport: &http.Transport{DisableKeepAlives: true, TLSHandshakeTimeout: timeout,
			TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: true}}, // nothing secret is said
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	url := "https://" + net.JoinHostPort(address.String(), strconv.Itoa(int(port))) + "/redfish/v1/"
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return nil
	}
	request.Header.Set("Accept", "application/json")
	response, err := client.Do(request)
	if err != nil {
		return nil
	}
	defer response.Body.Close()
	var root struct {
		RedfishVersion, Vendor, Product, UUID string
		Systems                               struct {
			ID string `json:"@odata.id"`
		}
	}
	body := json.NewDecoder(io.LimitReader(response.Body, maxRoot))
	if response.StatusCode != http.StatusOK || body.Decode(&root) != nil || root.RedfishVersion == "" || root.Systems.ID == "" ||
		response.TLS == nil {
		return nil
	}
	sum := sha256.Sum256(response.TLS.PeerCertificates[0].Raw)
	return &Service{Address: address, Fingerprint: "sha256:" + hex.EncodeToString(sum[:]), Vendor: root.Vendor,
		Product: root.Product, UUID: root.UUID, Version: root.RedfishVersion}
}
