package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/gitmetal/ingot/boot/ignition"
	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/gitrepo"
	"github.com/gitmetal/ingot/inventory/load"
	"github.com/gitmetal/ingot/reconcile/status"
	"github.com/gitmetal/ingot/schemas"
)

// readFleet reads a fleet at a revision of the clone that dir lies in, or, without a revision, the directory as it is. Rings run the clone's tags, and
// extra ones that are given as a revision by name.
func readFleet(dir, revision string, extra map[string]string) (inventory.Fleet, []schemas.Finding, error) {
	snapshot, err := readTree(dir, revision)
	var refused gitrepo.Refused
	if errors.As(err, &refused) {
		return inventory.Fleet{}, refused.Findings, nil
	}
	if err != nil {
		return inventory.Fleet{}, nil, err
	}
	sources := inventory.Sources{Trunk: snapshot}
	if patterns := load.Follows(snapshot); len(patterns) > 0 {
		if sources.Releases, err = readReleases(dir, patterns, extra); err != nil {
			return inventory.Fleet{}, nil, err
		}
	}
	fleet, findings := load.Fleet(sources, ignition.Checker{})
	return fleet, findings, nil
}

// readReleases picks what rings run from the clone that dir lies in; a directory outside of any clone has no tags.
func readReleases(dir string, patterns, extra map[string]string) (map[string]inventory.Release, error) {
	clone, err := gitrepo.OpenClone(dir)
	if err != nil {
		return map[string]inventory.Release{}, nil
	}
	return clone.Releases(patterns, extra)
}

func readTree(dir, revision string) (inventory.Snapshot, error) {
	if revision == "" {
		return gitrepo.ReadDirectory(dir)
	}
	clone, err := gitrepo.OpenClone(dir)
	if err != nil {
		return inventory.Snapshot{}, err
	}
	return clone.Snapshot(revision)
}

// topOf gives the directory of the files of the clone that dir lies in.
func topOf(dir string) (string, error) {
	clone, err := gitrepo.OpenClone(dir)
	if err != nil {
		return "", err
	}
	return clone.Top()
}

// known is what the status branch of a clone says.
type known struct {
	commit    string // of the branch; "" when there is no such branch
	records   map[string]inventory.Record
	reinstall schemas.Scope // where the daemon lets update: Reinstall stand for consent
}

// readKnown reads the status branch of a clone.
func readKnown(ctx context.Context, dir, branch string) (known, error) {
	clone, err := gitrepo.OpenClone(dir)
	if err != nil {
		return known{}, err
	}
	files, commit, err := clone.Status(ctx, branch)
	if err != nil {
		return known{}, err
	}
	documents, err := hostDocuments(files)
	if err != nil {
		return known{}, err
	}
	k := known{commit: commit, records: make(map[string]inventory.Record, len(documents))}
	for _, document := range documents {
		k.records[document.Metadata.Name] = document.Record()
	}
	page, there := files[status.FleetPath]
	if !there {
		return k, nil
	}
	fleet, err := status.ParseFleet(page)
	if err != nil {
		return known{}, fmt.Errorf("%s on the status branch: %w", status.FleetPath, err)
	}
	if fleet.Reinstall != nil {
		k.reinstall = *fleet.Reinstall
	}
	return k, nil
}

// printFindings prints one finding per line and counts the errors.
func printFindings(out io.Writer, findings []schemas.Finding) (failures int) {
	for _, finding := range findings {
		fmt.Fprintln(out, finding)
		if finding.Severity == schemas.Error {
			failures++
		}
	}
	return failures
}

// noStatus is said when a plan cannot know what is on the disks.
const noStatus = "note: this clone has no status branch %s, so every machine counts as never seen: git fetch origin %[1]s:refs/remotes/origin/%[1]s\n"
