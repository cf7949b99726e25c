package agent

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"time"

	"github.com/gitmetal/ingot/agent/wire"
)

// Pauses of an agent in discovery mode. An agent without an answer asks on: it has nothing else to do.
const (
	shortestWait = 5 * time.Second
	longestWait  = 10 * time.Minute
	// refusedPause is how long the agent waits after the daemon knew no enrolment key: the key was revoked or has ended, or
	// the daemon has no fleet yet.
	refusedPause = time.Minute
)

// waitForHost registers the machine of a discovery medium and waits, until the daemon makes the agent the agent of a host's
// boot: the configuration of that boot. The agent does nothing else meanwhile.
func (a *agent) waitForHost(ctx context.Context) (wire.BootConfig, error) {
	for {
		if err := a.readHardware(ctx); err != nil {
			return wire.BootConfig{}, err
		}
		after, err := a.registerUntilDone(ctx)
		if err != nil {
			return wire.BootConfig{}, err
		}
		boot, err := a.waitUntilTold(ctx, after)
		if err == nil || ctx.Err() != nil {
			return boot, err
		}
		a.Log.Info("register again", "why", err)
	}
}

// registerUntilDone registers, and gives the pause until the first word.
func (a *agent) registerUntilDone(ctx context.Context) (after time.Duration, err error) {
	a.Log.Info("this machine is unknown: it registers and waits", "key", a.Boot.Discovery.Key, "until", a.Boot.Discovery.Until)
	err = a.tryUntilDone(ctx, "register", func(ctx context.Context) error {
		answer, err := a.client.register(ctx, *a.Boot.Discovery, a.facts)
		after = answer.After
		if errors.Is(err, errMissing) && pauseFor(ctx, refusedPause) {
			err = fmt.Errorf("the daemon knows no such enrolment key, or its last day %s is over: make a new medium with "+
				"`ingot discovery iso`: %w", a.Boot.Discovery.Until, err)
		}
		return err
	})
	return after, err
}

// waitUntilTold says at the daemon's pace that the agent waits, until the daemon gives the agent a boot. An error other
// than the context's wants a new registration.
func (a *agent) waitUntilTold(ctx context.Context, after time.Duration) (wire.BootConfig, error) {
	var report *wire.AccountReport // of the last order, until an answer came
	for {
		if !pauseFor(ctx, min(max(after, shortestWait), longestWait)) {
			return wire.BootConfig{}, ctx.Err()
		}
		var told wire.Waited
		err := a.client.postMessage(ctx, wire.PathWaiting, wire.Waiting{Version: wire.Version, Account: report}, &told)
		switch {
		case ctx.Err() != nil:
			return wire.BootConfig{}, ctx.Err()
		case errors.Is(err, errRefused), errors.Is(err, errMissing):
			return wire.BootConfig{}, err
		case err != nil:
			a.Log.Warn("wait: no answer", "error", err)
			continue
		case told.Boot != nil:
			boot := a.Boot
			boot.Discovery, boot.Host, boot.Boot, boot.Epoch, boot.Token = nil, told.Boot.Host, told.Boot.Boot, told.Boot.Epoch,
				told.Boot.Token
			a.Log.Info("this machine is a host now", "host", boot.Host, "boot", boot.Boot, "epoch", boot.Epoch)
			return boot, nil
		case told.Account != nil:
			report, after = a.carryOrder(ctx, *told.Account, report), 0
			continue
		case told.PowerOff:
			a.Log.Info("powering off: the machine is started from its own medium next")
			if err := a.Machine.PowerOff(ctx); err != nil {
				a.Log.Error("power off", "error", err)
			}
		}
		report, after = nil, told.After
	}
}

// carryOrder carries out an order about the BMC's accounts, once: an order that comes again has its report already. The
// order, and the password in it, is not kept.
func (a *agent) carryOrder(ctx context.Context, order wire.AccountOrder, before *wire.AccountReport) *wire.AccountReport {
	if before != nil && before.ID == order.ID {
		return before
	}
	report := a.Machine.CarryAccount(ctx, order)
	a.Log.Info("the BMC's accounts", "do", order.Do, "account", order.Name, "problem", report.Problem, "error", report.Error)
	return &report
}

// register sends the machine's facts with a proof of the enrolment key, and keeps the certificate of the answer.
func (c *client) register(ctx context.Context, discovery wire.Discovery, facts wire.Facts) (wire.Registered, error) {
	ctx, cancel := context.WithTimeout(ctx, wire.CallTimeout)
	defer cancel()
	body, contentType, err := c.formRegistration(discovery, facts)
	if err != nil {
		return wire.Registered{}, err
	}
	over := c.withCertificate.Load() // names the record that the agent had
	if over == nil {
		over = c.withoutCertificate
	}
	response, err := c.sendRequest(ctx, over, wire.PathRegister, func(url string) (*http.Request, error) {
		request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
		if err == nil {
			request.Header.Set("Content-Type", contentType)
		}
		return request, err
	})
	if err != nil {
		if errors.Is(err, errRefused) {
			c.withCertificate.Store(nil) // the certificate has ended
		}
		return wire.Registered{}, err
	}
	defer response.Body.Close()
	var answer wire.Registered
	if err := json.NewDecoder(io.LimitReader(response.Body, wire.MaxBody)).Decode(&answer); err != nil {
		return wire.Registered{}, fmt.Errorf("decode the answer to a registration: %w", err)
	}
	return answer, c.keepCertificate(answer.Certificate)
}

// formRegistration is the body of a registration.
func (c *client) formRegistration(discovery wire.Discovery, facts wire.Facts) (body []byte, contentType string, err error) {
	message, err := json.Marshal(wire.Register{Version: wire.Version, Key: discovery.Key,
		Proof: wire.ProveKey(discovery.Secret, c.csr), CSR: c.csr})
	if err != nil {
		return nil, "", fmt.Errorf("encode a registration: %w", err)
	}
	var form bytes.Buffer
	w := multipart.NewWriter(&form)
	field, err := w.CreateFormField(wire.FieldMessage)
	if err == nil {
		_, err = field.Write(message)
	}
	if err == nil {
		field, err = w.CreateFormField(wire.FieldInventory)
	}
	if err == nil {
		packed := gzip.NewWriter(field)
		err = errors.Join(json.NewEncoder(packed).Encode(facts), packed.Close())
	}
	if err = errors.Join(err, w.Close()); err != nil {
		return nil, "", fmt.Errorf("encode a registration: %w", err)
	}
	return form.Bytes(), w.FormDataContentType(), nil
}

// keepCertificate shows a certificate for the agent's key to the daemon from now on.
func (c *client) keepCertificate(der []byte) error {
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return fmt.Errorf("the daemon's answer holds no certificate: %w", err)
	}
	if !c.key.PublicKey.Equal(leaf.PublicKey) {
		return errors.New("the daemon's certificate is for another key")
	}
	members := c.newHTTPClient(tls.Certificate{Certificate: [][]byte{der}, PrivateKey: c.key, Leaf: leaf})
	if old := c.withCertificate.Swap(members); old != nil {
		old.CloseIdleConnections()
	}
	return nil
}
