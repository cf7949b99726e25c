package lab

import (
	"context"
	"net"

	"github.com/gitmetal/ingot/internal/lab/bmc"
	"github.com/gitmetal/ingot/internal/lab/serial"
)

// console is a machine's serial console at its BMC.
type console struct {
	feed     *serial.Feed
	server   *serial.Server
	listener net.Listener
	log      func(context.Context) error // brings what a machine says to the feed, where it does not write there itself
}

// attach has the BMC offer the console, and gives the fingerprint of its host key.
func (c *console) attach(ctx context.Context, b *bmc.BMC) (fingerprint string, err error) {
	if c.server, err = serial.New(serial.Config{Check: b.Login, Stream: c.feed.Stream}); err != nil {
		return "", err
	}
	if c.listener, err = listenLoopback(ctx); err != nil {
		return "", err
	}
	b.OfferConsole(c.listener.Addr().(*net.TCPAddr).Port, "")
	return c.server.Fingerprint(), nil
}
