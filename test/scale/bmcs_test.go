package scale

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gitmetal/ingot/internal/daemon/heap"
	"github.com/gitmetal/ingot/internal/lab/bigfleet"
)

// asBMCs makes a start of the test's program serve the BMCs.
const asBMCs = "INGOT_SCALE_BMCS"

func TestMain(m *testing.M) {
	if os.Getenv(asBMCs) == "" {
		heap.KeepSmall() // as `ingot serve`
		go func() { _ = heap.GiveBack(context.Background()) }()
		os.Exit(m.Run())
	}
	if err := serveBMCs(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// serveBMCs serves a BMC at each loopback address until standard input ends. It prints port and fingerprint; a line with
// a number on standard input makes so many of ten BMCs accept connections and never answer, the line "fail" takes the power
// of all machines away, and "off" asks how many are off.
func serveBMCs() error {
	certificate, fingerprint, err := makeCertificate()
	if err != nil {
		return err
	}
	var config net.ListenConfig
	listener, err := config.Listen(context.Background(), "tcp", "0.0.0.0:0")
	if err != nil {
		return err
	}
	bmcs := &bmcListener{Listener: listener}
	server := &http.Server{Handler: http.HandlerFunc(answerBMC), ReadHeaderTimeout: time.Minute}
	go func() {
		_ = server.Serve(tls.NewListener(bmcs, &tls.Config{Certificates: []tls.Certificate{certificate}}))
	}()
	fmt.Println(listener.Addr().(*net.TCPAddr).Port, fingerprint)
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		var dead int32
		switch lines.Text() {
		case "fail":
			failPower()
			fmt.Println("ok")
			continue
		case "off":
			fmt.Println(countOff())
			continue
		}
		if _, err := fmt.Sscan(lines.Text(), &dead); err != nil {
			return err
		}
		bmcs.dead.Store(dead)
		fmt.Println("ok")
	}
	return server.Close()
}

func makeCertificate() (tls.Certificate, string, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, "", err
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(24 * time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	sum := sha256.Sum256(der)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, hex.EncodeToString(sum[:]), err
}

// bmcListener is the listener of all BMCs.
type bmcListener struct {
	net.Listener
	dead atomic.Int32 // of ten
}

// Accept implements net.Listener.
func (l *bmcListener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil || numberOf(c.LocalAddr())%10 >= int(l.dead.Load()) {
			return c, err
		}
		go func() { // until the other side gives up
			_, _ = io.Copy(io.Discard, c)
			c.Close()
		}()
	}
}

// numberOf is the number of the host whose BMC has an address: 127.<site+1>.<rack>.<place+10>, as bigfleet names them.
func numberOf(at net.Addr) int {
	ip := at.(*net.TCPAddr).IP.To4()
	return (int(ip[1])-1)*400 + int(ip[2])*25 + int(ip[3]) - 10
}

// off has which machines have lost their power, and were not powered on since.
var off [hosts]atomic.Bool

func failPower() {
	for n := range off {
		off[n].Store(true)
	}
}

func countOff() (count int) {
	for n := range off {
		if off[n].Load() {
			count++
		}
	}
	return count
}

// paths of the BMCs.
const (
	systemPath = "/redfish/v1/Systems/1"
	resetPath  = systemPath + "/Actions/ComputerSystem.Reset"
	mediaPath  = systemPath + "/VirtualMedia"
)

func answerBMC(w http.ResponseWriter, r *http.Request) {
	number := numberOf(r.Context().Value(http.LocalAddrContextKey).(net.Addr))
	power := "On"
	if off[number].Load() {
		power = "Off"
	}
	switch {
	case r.URL.Path == resetPath:
		off[number].Store(false)
		w.WriteHeader(http.StatusNoContent)
	case r.Method == http.MethodPatch:
		w.WriteHeader(http.StatusNoContent)
	case r.URL.Path == mediaPath:
		fmt.Fprintf(w, `{"@odata.id":%q,"Members":[{"@odata.id":"%s/1"}]}`, mediaPath, mediaPath)
	case r.URL.Path == mediaPath+"/1":
		fmt.Fprintf(w, `{"@odata.id":"%s/1","Id":"1","MediaTypes":["CD"],"Inserted":false,"ConnectedVia":"NotConnected"}`, mediaPath)
	case strings.HasSuffix(r.URL.Path, "/Sessions"):
		w.Header().Set("X-Auth-Token", "token")
		w.Header().Set("Location", "/redfish/v1/SessionService/Sessions/1")
		w.WriteHeader(http.StatusCreated)
	case r.Method == http.MethodDelete:
		w.WriteHeader(http.StatusNoContent)
	case r.URL.Path == "/redfish/v1/":
		fmt.Fprint(w, `{"@odata.id":"/redfish/v1/","Systems":{"@odata.id":"/redfish/v1/Systems"},`+
			`"Links":{"Sessions":{"@odata.id":"/redfish/v1/SessionService/Sessions"}}}`)
	default:
		fmt.Fprintf(w, `{"@odata.id":"/redfish/v1/Systems/1","Id":"1","Name":"System","PowerState":%q,`+
			`"VirtualMedia":{"@odata.id":"`+mediaPath+`"},"Actions":{"#ComputerSystem.Reset":{"target":"`+resetPath+
			`","ResetType@Redfish.AllowableValues":["On","ForceOff","GracefulShutdown"]}},`+
			`"Manufacturer":"Dell Inc.","Model":"PowerEdge R650","SerialNumber":%q,`+
			`"Boot":{"BootSourceOverrideTarget":"None","BootSourceOverrideEnabled":"Disabled"},`+
			`"SerialConsole":{"SSH":{"ServiceEnabled":true,"Port":22}}}`, power, bigfleet.SerialNumber(number))
	}
}
