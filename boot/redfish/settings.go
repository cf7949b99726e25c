package redfish

import (
	"context"

	"github.com/gitmetal/ingot/boot/redfish/bios"
	"github.com/gitmetal/ingot/boot/redfish/conn"
	"github.com/gitmetal/ingot/boot/redfish/jobs"
	"github.com/gitmetal/ingot/boot/redfish/vendors"
	"github.com/gitmetal/ingot/inventory/settings"
)

// Settings compares what is wanted of the BIOS with what the BMC says, and looks at the job of work under way. It
// changes nothing. What cannot be read is in Found.
func (c *Client) Settings(ctx context.Context, want settings.Wanted, work *settings.Work) settings.Found {
	w := c.conn.Call(ctx, "read the BIOS settings")
	_, read, err := c.readBIOS(w)
	if err != nil {
		return settings.Found{Asked: true, Digest: want.Digest(), Error: err.Error()}
	}
	if read.Missing {
		return settings.Found{Asked: true, Digest: want.Digest(), Missing: true}
	}
	found := settings.Compare(want, read.Reading)
	if work == nil || work.Job == "" {
		return found
	}
	if found.Job, err = jobs.Read(w, work.Job); err != nil {
		found.Jobs = err.Error()
	}
	return found
}

// WriteSettings has the BMC keep what is wanted of the BIOS, to be applied at the next reset, and gives the path of the
// job that will apply it; "" where the BMC names none. Settings that hold, or are kept already, are not written again.
func (c *Client) WriteSettings(ctx context.Context, want settings.Wanted) (job string, err error) {
	w := c.conn.Call(ctx, "write the BIOS settings")
	system, read, err := c.readBIOS(w)
	if err != nil {
		return "", err
	}
	found := settings.Compare(want, read.Reading)
	switch {
	case read.Missing:
		return "", w.RefusedError("it offers no BIOS settings", noSettings)
	case len(found.Refused) > 0:
		return "", w.RefusedError(found.Refused[0], "change the Step")
	case len(found.Differs) == 0 || found.IsPending():
		return "", nil
	}
	if job, err = read.Write(w, found.Differs); err != nil || job != "" {
		return job, err
	}
	if vendors.WantsBIOSJob(system.vendor, read.Applies) && len(system.managers) > 0 {
		return read.AskJob(w, system.managers[0])
	}
	return "", nil
}

// noSettings is what to do about a BMC without BIOS settings.
const noSettings = "update its firmware, check its licence, or take the Step out"

func (c *Client) readBIOS(w conn.Call) (computer, bios.Resource, error) {
	system, err := c.recentSystem(w)
	if err != nil {
		return computer{}, bios.Resource{}, err
	}
	read, err := c.bios.Read(w, system.Raw)
	return system, read, err
}

// Jobs gives the jobs of the BMC that have not ended, whoever began them. An error is no answer: it does not say that
// none runs.
func (c *Client) Jobs(ctx context.Context) ([]settings.Job, error) {
	return c.jobs.List(c.conn.Call(ctx, "read the BMC's jobs"))
}

// checkSettings judges whether BIOS settings can be declared.
func (c *Client) checkSettings(ctx context.Context, report *Report) {
	const topic = "BIOS settings"
	w := c.conn.Call(ctx, "read the BIOS settings")
	_, read, err := c.readBIOS(w)
	switch {
	case err != nil:
		report.addFinding(topic, Limited, err.Error())
	case read.Missing || read.Registry == nil:
		report.addFinding(topic, Limited, read.Describe())
	default:
		report.addFinding(topic, Good, read.Describe())
	}
	if _, err := c.Jobs(ctx); err != nil {
		report.addFinding("jobs", Limited, err.Error()+"; no power command is sent while the jobs cannot be read")
	}
}
