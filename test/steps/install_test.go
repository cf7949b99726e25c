//go:build e2e

package steps_test

import (
	"testing"

	"github.com/gitmetal/ingot/internal/lab/bmc"
	"github.com/gitmetal/ingot/test/steps/installs"
)

// TestCoreOSInstallerTakesTheArguments boots the ramdisk with a program in place of the agent, which runs the real
// coreos-installer with the arguments of every row of the table, and looks at the disk behind each.
func TestCoreOSInstallerTakesTheArguments(t *testing.T) {
	t.Parallel()
	console := bootGuest(t, "./installguest", []bmc.Disk{{Name: "0", Serial: "DISK0001", Bytes: 64 << 20}})
	judgeCases(t, console, len(installs.List()))
}
