package remote

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"

	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/capability"
	"github.com/go-git/go-git/v5/plumbing/transport"
	"github.com/go-git/go-git/v5/plumbing/transport/client"
)

var (
	// ErrRaced means that a ref was elsewhere than thought before anything was pushed.
	ErrRaced = errors.New("the branch moved")
	// ErrRefused means that the server did not take a push: for its rules, or because the ref moved meanwhile.
	ErrRefused = errors.New("the push was refused")
)

// Push moves one ref by compare-and-swap, with a pack of what is new.
func (s *Server) Push(ctx context.Context, command packp.Command, pack io.Reader) error {
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
	if err := request.Capabilities.Set(capability.ReportStatus); err != nil {
		return err
	}
	if advertised != nil && advertised.Capabilities.Supports(capability.Sideband64k) {
		request.Progress = words
		if err := request.Capabilities.Set(capability.Sideband64k); err != nil {
			return err
		}
	}
	request.Commands, request.Packfile = []*packp.Command{&command}, io.NopCloser(pack)
	if _, err := session.ReceivePack(ctx, request); err != nil { // a refused command is an error too
		return fmt.Errorf("%w: %w", ErrRefused, words.add(err))
	}
	return nil
}

// serverWords keeps the beginning of what a server and its hooks say during a push.
type serverWords struct{ text bytes.Buffer }

// maxWords is how many bytes of a server's words are told.
const maxWords = 1024

// Write never fails.
func (s *serverWords) Write(p []byte) (int, error) {
	s.text.Write(p[:min(len(p), maxWords-s.text.Len())])
	return len(p), nil
}

// add puts what was said, on one line, behind an error.
func (s *serverWords) add(err error) error {
	said := strings.Join(strings.FieldsFunc(strings.ToValidUTF8(s.text.String(), "?"), func(r rune) bool { return !unicode.IsPrint(r) }), "; ")
	if said == "" {
		return err
	}
	return fmt.Errorf("%w: the server says: %s", err, said)
}
