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

// readRecords reads what the status branch of a clone says of every host, and the branch's commit; none when there is no such branch.
func readRecords(ctx context.Context, dir, branch string) (map[string]inventory.Record, string, error) {
	clone, err := gitrepo.OpenClone(dir)
	if err != nil {
		return nil, "", err
	}
	files, commit, err := clone.Status(ctx, branch)
	if err != nil {
		return nil, "", err
	}
	documents, err := hostDocuments(files)
	if err != nil {
		return nil, "", err
	}
	records := make(map[string]inventory.Record, len(documents))
	for _, document := range documents {
		records[document.Metadata.Name] = document.Record()
	}
	return records, commit, nil
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
