package lab

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"filippo.io/age"

	"github.com/gitmetal/ingot/internal/lab/ports"
	"github.com/gitmetal/ingot/internal/secret"
	"github.com/gitmetal/ingot/inventory/secrets"
	"github.com/gitmetal/ingot/schemas"
)

// guestHost is this host's address in QEMU's user network.
const guestHost = "10.0.2.2"

// PrepareFleet writes what a daemon needs to take over the rack in dir: the age key, the configuration (ingot.yaml),
// and the fleet that describes the rack, as a bare repository (fleet.git) with a clone (fleet).
func PrepareFleet(ctx context.Context, dir string) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	rack, err := Describe(dir)
	if err != nil {
		return err
	}
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		return fmt.Errorf("make an age key: %w", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "age.key"), []byte(identity.String()+"\n"), 0o600); err != nil {
		return fmt.Errorf("write the age key: %w", err)
	}
	config, err := renderDaemonConfig(ctx, rack)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "ingot.yaml"), []byte(config), 0o644); err != nil {
		return fmt.Errorf("write the daemon's configuration: %w", err)
	}
	return WriteFleet(ctx, dir, rack, func(name string, data map[string]string) ([]byte, error) {
		values := map[string]secret.Value{}
		for key, value := range data {
			values[key] = secret.New(value)
		}
		return secrets.Seal(secrets.Plain{Name: name,
			Scope: schemas.Scope{MatchLabels: map[string]string{"rack": "lab"}},
			Data:  values}, []age.Recipient{identity.Recipient()}, time.Now())
	})
}

// renderDaemonConfig gives a daemon's configuration with free ports: the ports must be known before the daemon starts,
// and stay the same over restarts.
func renderDaemonConfig(ctx context.Context, rack Description) (string, error) {
	var free [3]string
	for i := range free {
		port, err := ports.Free(ctx)
		if err != nil {
			return "", err
		}
		free[i] = port
	}
	host := "127.0.0.1"
	if rack.Backend == QEMU {
		host = guestHost
	}
	return fmt.Sprintf(`# The daemon of this rack. Paths are relative to this file.
fleet:
  url: fleet.git
  branch: main
  poll: 10s
stateDir: state
identityDir: identity
ageKeys: age.key
ramdisk: ramdisk.iso
listen:
  agents: 127.0.0.1:%[1]s
  media: 127.0.0.1:%[2]s
  web: 127.0.0.1:%[4]s
advertise:
  agents: ["https://%[3]s:%[1]s"]  # as machines reach it
  media: http://127.0.0.1:%[2]s  # as BMCs reach it
images:
  allowHosts: ["127.0.0.1"]  # loopback is refused unless it is named
publishEvery: 2s
bmc: {confirmOff: 1s}  # these BMCs never say Off of a machine that is on; leave it out for real ones
`, free[0], free[1], host, free[2]), nil
}
