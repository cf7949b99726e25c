//go:build e2e

package steps_test

import (
	"testing"

	"github.com/gitmetal/ingot/internal/lab/bmc"
)

// executions is how many cases the guest that makes runs has.
const executions = 12

// TestRunsLeaveResults boots the ramdisk with a program in place of the agent, which makes runs of ephemeral workloads one
// after the other: what they leave is kept, nothing else is, and no run finds anything of an earlier one. It also mounts
// both forms of a config drive.
func TestRunsLeaveResults(t *testing.T) {
	t.Parallel()
	console := bootGuest(t, "./runguest", []bmc.Disk{{Name: "0", Serial: "DISK0001", Bytes: 256 << 20}})
	judgeCases(t, console, executions)
}
