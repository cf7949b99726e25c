package results

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"

	"github.com/gitmetal/ingot/internal/daemon"
	"github.com/gitmetal/ingot/internal/terminal"
	"github.com/gitmetal/ingot/inventory/runs"
)

// getOne writes one file of the newest run that has it to standard output.
func (f *fetcher) getOne(ctx context.Context) error {
	err := f.client.ReadResults(ctx, f.query, func(run daemon.RunResult) error {
		at := slices.IndexFunc(run.Files, func(file runs.File) bool { return file.Name == f.options.get })
		if at < 0 || slices.Contains(run.Lost, f.options.get) {
			return nil
		}
		fmt.Fprintf(f.talk, "ingot: %s of run %s on %s\n", f.options.get, run.ID, terminal.Printable(run.Machine))
		if err := f.copyFile(ctx, run.Files[at], f.out); err != nil {
			return err
		}
		return errFound
	})
	switch {
	case errors.Is(err, errFound):
		return nil
	case err != nil:
		return err
	default:
		return fmt.Errorf("no run that has ended left a file %s that the store has: `ingot results` lists the runs", terminal.Printable(f.options.get))
	}
}

// copyFile writes the bytes of a file, and compares size and digest. The bytes are written before the comparison.
func (f *fetcher) copyFile(ctx context.Context, file runs.File, to io.Writer) error {
	from, err := f.client.OpenResult(ctx, file.SHA256)
	if err != nil {
		return fmt.Errorf("fetch %s: %w", file.Name, err)
	}
	defer from.Close()
	sum := sha256.New()
	n, err := io.Copy(io.MultiWriter(to, sum), io.LimitReader(from, file.Size+1))
	switch {
	case err != nil:
		return fmt.Errorf("fetch %s: %w", file.Name, err)
	case n != file.Size || hex.EncodeToString(sum.Sum(nil)) != file.SHA256:
		return fmt.Errorf("fetch %s: the daemon's bytes have another digest than the manifest: results.dir is damaged", file.Name)
	}
	return nil
}

// save writes the files of an ended run into the directory.
func (f *fetcher) save(ctx context.Context, run daemon.RunResult) error {
	if run.Open {
		return nil
	}
	for _, id := range []string{run.Workload, run.Batch, run.ID} {
		if err := runs.CheckID(id); err != nil {
			return fmt.Errorf("a run of the daemon cannot be a directory: %w", err)
		}
	}
	if err := os.MkdirAll(f.options.all, 0o755); err != nil {
		return err
	}
	root, err := os.OpenRoot(f.options.all) // no name and no link leads out of it
	if err != nil {
		return err
	}
	defer root.Close()
	dir := path.Join(run.Workload, run.Batch, fmt.Sprintf("%d-%s", run.Item, run.ID))
	for _, file := range run.Files {
		switch err := runs.CheckName(file.Name); {
		case err != nil:
			return fmt.Errorf("a file of run %s: %w", run.ID, err)
		case slices.Contains(run.Lost, file.Name):
			f.lost++
			fmt.Fprintf(f.talk, "ingot: %s of run %s is lost from results.dir\n", file.Name, run.ID)
			continue
		}
		if err := f.saveFile(ctx, root, path.Join(dir, file.Name), file); err != nil {
			return err
		}
	}
	fmt.Fprintf(f.out, "%s\t%d files\t%s\n", path.Join(f.options.all, dir), len(run.Files)-len(run.Lost), size(run.Bytes))
	return nil
}

// saveFile writes a file beside its place, and renames it once the digest is right.
func (f *fetcher) saveFile(ctx context.Context, root *os.Root, name string, file runs.File) error {
	if hasFile(root, name, file) {
		return nil
	}
	if err := root.MkdirAll(path.Dir(name), 0o755); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	part := name + ".part~" // no name of a result
	to, err := root.OpenFile(part, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	err = errors.Join(f.copyFile(ctx, file, to), to.Close())
	if err == nil {
		err = root.Rename(part, name)
	}
	if err != nil {
		if removed := root.Remove(part); !errors.Is(removed, fs.ErrNotExist) {
			err = errors.Join(err, removed)
		}
		return err
	}
	return nil
}

// hasFile reports whether a file is there already, with the right digest.
func hasFile(root *os.Root, name string, want runs.File) bool {
	file, err := root.Open(name)
	if err != nil {
		return false
	}
	defer file.Close()
	sum := sha256.New()
	n, err := io.Copy(sum, io.LimitReader(file, want.Size+1))
	return err == nil && n == want.Size && hex.EncodeToString(sum.Sum(nil)) == want.SHA256
}
