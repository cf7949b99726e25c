package joblogs

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/gitmetal/ingot/inventory"
)

// answerTime bounds an answer to the command line.
const answerTime = time.Minute

// AddRoutes answers the command line: what is kept of a host, and the bytes of one file from a byte on. find gives the
// machine of a host's name.
func (s *Store) AddRoutes(api *http.ServeMux, find func(host string) (inventory.MachineID, bool)) {
	route := func(pattern string, answer func(http.ResponseWriter, *http.Request, inventory.MachineID) error) {
		api.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			machine, known := find(r.PathValue("host"))
			if !known {
				http.Error(w, "no such host is known", http.StatusNotFound)
				return
			}
			_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(answerTime)) // not every writer has deadlines
			switch err := answer(w, r, machine); {
			case errors.Is(err, fs.ErrNotExist):
				http.Error(w, "no such file is kept", http.StatusNotFound)
			case err != nil:
				http.Error(w, err.Error(), http.StatusInternalServerError)
			}
		})
	}
	route("GET /v1/hosts/{host}/logs", func(w http.ResponseWriter, _ *http.Request, machine inventory.MachineID) error {
		list, err := s.ListOperations(machine)
		if err != nil {
			return err
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(append([]Operation{}, list...)) // the reader went away
		return nil
	})
	route("GET /v1/hosts/{host}/logs/{operation}/{name}", func(w http.ResponseWriter, r *http.Request, machine inventory.MachineID) error {
		from, err := strconv.ParseInt(r.FormValue("from"), 10, 64)
		if err != nil || from < 0 {
			from = 0
		}
		file, err := s.open(machine, r.PathValue("operation"), r.PathValue("name"))
		if err != nil {
			return err
		}
		defer file.Close()
		if _, err := file.Seek(from, io.SeekStart); err != nil {
			return err
		}
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = io.Copy(w, file) // the reader went away
		return nil
	})
}

// open opens a kept file; an error is fs.ErrNotExist for a name that is none.
func (s *Store) open(machine inventory.MachineID, operation, name string) (*os.File, error) {
	isLog := fileGrammar.MatchString(name) || name == consoleFile
	if !idGrammar.MatchString(string(machine)) || !idGrammar.MatchString(operation) || !isLog {
		return nil, fs.ErrNotExist
	}
	return os.Open(filepath.Join(s.dirOf(machine, operation), name))
}

// Client reads the logs of a daemon.
type Client struct {
	// Get asks the daemon's control socket.
	Get func(ctx context.Context, path string) (*http.Response, error)
}

// Bounds of answers, in bytes.
const (
	maxList = 16 << 20
	maxFile = 64 << 20
)

// List asks what is kept of a host, the newest operation first.
func (c Client) List(ctx context.Context, host string) (list []Operation, err error) {
	body, err := c.read(ctx, host, "/v1/hosts/"+url.PathEscape(host)+"/logs", maxList)
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(body, &list); err != nil {
		return nil, fmt.Errorf("read the daemon's answer: %w", err)
	}
	return list, nil
}

// Read gives the bytes of a file from a byte on; none where the file has no more, or is not kept any more.
func (c Client) Read(ctx context.Context, host, operation, name string, from int64) ([]byte, error) {
	path := fmt.Sprintf("/v1/hosts/%s/logs/%s/%s?from=%d", url.PathEscape(host), url.PathEscape(operation), url.PathEscape(name), from)
	return c.read(ctx, host, path, maxFile)
}

func (c Client) read(ctx context.Context, host, path string, most int64) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	response, err := c.Get(ctx, path)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, most))
	switch said := string(bytes.TrimSpace(body[:min(len(body), 1<<10)])); {
	case err != nil:
		return nil, fmt.Errorf("read the daemon's answer: %w", err)
	case response.StatusCode == http.StatusNotFound && strings.Contains(said, "host"):
		return nil, fmt.Errorf("the daemon knows no host %q: `ingot status --config FILE` lists them", host)
	case response.StatusCode == http.StatusNotFound:
		return nil, nil
	case response.StatusCode != http.StatusOK:
		return nil, errors.New("the daemon answers " + response.Status + ": " + said)
	}
	return body, nil
}
