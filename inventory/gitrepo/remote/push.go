package remote

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/capability"
	"github.com/go-git/go-git/v5/plumbing/transport"
	"github.com/go-git/go-git/v5/plumbing/transport/client"
)

var (
	// ErrRaced means that the ref had moved before anything was pushed.
	ErrRaced = errors.New("the branch moved")
	// ErrRefused means that the server did not take a push, because of rules, or because the ref moved meanwhile, or
	// that its answer was not heard. Where the server or the way to it is the cause, the error is a Failure too.
	ErrRefused = errors.New("the push was refused")
)

// PushRef moves one ref by compare-and-swap, with a pack of the new objects.
func (s *Server) PushRef(ctx context.Context, command packp.Command, pack io.Reader) error {
	return s.updateRef(ctx, command, io.NopCloser(pack))
}

// DeleteRef deletes one ref by compare-and-swap: command.New is zero.
func (s *Server) DeleteRef(ctx context.Context, command packp.Command) error {
	return s.updateRef(ctx, command, nil)
}

// updateRef changes one ref. A deletion has no pack.
func (s *Server) updateRef(ctx context.Context, command packp.Command, pack io.ReadCloser) error {
	err := s.ask(ctx, func(ctx context.Context) error { return s.sendUpdate(ctx, command, pack) })
	if err == nil || errors.Is(err, ErrRaced) {
		return err
	}
	attempt := "push " + command.Name.Short() + " to"
	if !errors.Is(err, ErrRefused) {
		return s.explainError(attempt, err)
	}
	if text := s.describe(err); text != "" {
		return &Failure{attempt: attempt, server: s.String(), text: text, err: err}
	}
	return err
}

func (s *Server) sendUpdate(ctx context.Context, command packp.Command, pack io.ReadCloser) error {
	transporter, err := client.NewClient(s.endpoint)
	if err != nil {
		return err
	}
	session, err := transporter.NewReceivePackSession(s.endpoint, s.auth)
	if err != nil {
		return err
	}
	defer session.Close()
	advertised, err := session.AdvertisedReferencesContext(ctx)
	if err != nil && !errors.Is(err, transport.ErrEmptyRemoteRepository) {
		return err
	}
	if advertised != nil && advertised.References[command.Name.String()] != command.Old {
		return ErrRaced
	}
	request := packp.NewReferenceUpdateRequest()
	words := &serverWords{}
	wanted := []capability.Capability{capability.ReportStatus}
	if pack == nil {
		wanted = append(wanted, capability.DeleteRefs)
	}
	if advertised != nil && advertised.Capabilities.Supports(capability.Sideband64k) {
		request.Progress = words
		wanted = append(wanted, capability.Sideband64k)
	}
	for _, c := range wanted {
		if err := request.Capabilities.Set(c); err != nil {
			return err
		}
	}
	request.Commands, request.Packfile = []*packp.Command{&command}, pack
	if _, err := session.ReceivePack(ctx, request); err != nil { // a refused command is an error too
		return fmt.Errorf("%w: %w", ErrRefused, words.explainError(err))
	}
	return nil
}

// serverWords keeps the beginning of the messages of a server and its hooks during a push.
type serverWords struct{ text bytes.Buffer }

// maxWords is the most bytes of a server's messages that are reported.
const maxWords = 1024

// Write never fails.
func (s *serverWords) Write(p []byte) (int, error) {
	s.text.Write(p[:min(len(p), maxWords-s.text.Len())])
	return len(p), nil
}

// explainError appends the server's messages to an error, on one line.
func (s *serverWords) explainError(err error) error {
	said := strings.Join(strings.FieldsFunc(strings.ToValidUTF8(s.text.String(), "?"),
		isControl), "; ")
	if said == "" {
		return err
	}
	return fmt.Errorf("%w: the server says: %s", err, said)
}
