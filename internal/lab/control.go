package lab

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"time"
)

// MachineState is the state of a machine, besides its description.
type MachineState struct {
	Name          string   `json:"name"`
	Power         string   `json:"power"`         // On or Off
	RamdiskStarts int      `json:"ramdiskStarts"` // starts from the virtual CD
	DiskStarts    int      `json:"diskStarts"`
	Story         []string `json:"story"` // the BMC's operations, in order
}

// controlTimeout bounds a call of the control socket.
const controlTimeout = 30 * time.Second

// serveControl serves the rack's unix socket until ctx ends.
func (r *Rack) serveControl(ctx context.Context, socket string) error {
	if err := os.Remove(socket); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("lab control socket: %w", err)
	}
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "unix", socket)
	if err != nil {
		return fmt.Errorf("lab control socket: %w", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /machines/{name}", func(w http.ResponseWriter, request *http.Request) {
		state, err := r.State(request.PathValue("name"))
		if err != nil {
			http.Error(w, err.Error(), http.StatusNotFound)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(state)
	})
	mux.HandleFunc("POST /machines/{name}/unplug", func(w http.ResponseWriter, request *http.Request) {
		if err := r.Unplug(request.Context(), request.PathValue("name")); err != nil {
			http.Error(w, err.Error(), http.StatusConflict)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})
	return serveUntil(ctx, &http.Server{Handler: mux, ReadHeaderTimeout: controlTimeout}, listener)
}

// serveUntil serves until ctx ends, then closes the server.
func serveUntil(ctx context.Context, server *http.Server, listener net.Listener) error {
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// Unplug pulls the plug of a machine of the rack that runs in dir.
func Unplug(ctx context.Context, dir, name string) error {
	_, err := callControl(ctx, dir, http.MethodPost, "/machines/"+name+"/unplug")
	return err
}

// State asks the rack that runs in dir about a machine.
func State(ctx context.Context, dir, name string) (MachineState, error) {
	body, err := callControl(ctx, dir, http.MethodGet, "/machines/"+name)
	if err != nil {
		return MachineState{}, err
	}
	var state MachineState
	if err := json.Unmarshal(body, &state); err != nil {
		return MachineState{}, fmt.Errorf("lab: machine %s: %w", name, err)
	}
	return state, nil
}

func callControl(ctx context.Context, dir, method, path string) ([]byte, error) {
	description, err := Describe(dir)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, controlTimeout)
	defer cancel()
	var dialer net.Dialer
	client := http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn,
		error) {
		return dialer.DialContext(ctx, "unix", description.Control)
	}}}
	defer client.CloseIdleConnections()
	request, err := http.NewRequestWithContext(ctx, method, "http://lab"+path, http.NoBody)
	if err != nil {
		return nil, err
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("lab: the rack in %s does not answer: start it with `ingot lab up --dir %s`: %w", dir,
			dir, err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxDescription))
	if err != nil {
		return nil, fmt.Errorf("lab: %w", err)
	}
	if response.StatusCode >= http.StatusBadRequest {
		return nil, fmt.Errorf("lab: %s", bytes.TrimSpace(body))
	}
	return body, nil
}
