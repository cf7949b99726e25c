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
	// brings the machine's output to the feed, if the machine does not write there
	feedLog func(context.Context) error
}

// attachTo makes the BMC offer the console, and gives the fingerprint of the console's host key.
func (c *console) attachTo(ctx context.Context, b *bmc.BMC) (fingerprint string, err error) {
	if c.server, err = serial.New(serial.Config{Check: b.Login, Stream: c.feed.Stream}); err != nil {
		return "", err
	}
	if c.listener, err = listenLoopback(ctx); err != nil {
		return "", err
	}
	b.OfferConsole(c.listener.Addr().(*net.TCPAddr).Port, "")
	return c.server.Fingerprint(), nil
}
