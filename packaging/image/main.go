// Command image writes the container image of ingot as an OCI archive: a tar file of an OCI image layout, for podman
// load, skopeo and crane. The image has no base: one layer with the static programs, the CA bundle and a user. The same
// files and the same SOURCE_DATE_EPOCH give the same bytes.
//
// The module is apart from ingot's, so that no package of ingot can import what makes images. Call it through
// scripts/image.sh.
package main

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// owner is the user and the group that the daemon runs as.
const owner = 65532

func main() {
	if len(os.Args) != 4 {
		fmt.Fprintln(os.Stderr, "usage: image ROOT VERSION OUT: ROOT is the tree of the layer")
		os.Exit(2)
	}
	if err := writeImage(os.Args[1], os.Args[2], os.Args[3]); err != nil {
		fmt.Fprintln(os.Stderr, "image:", err)
		os.Exit(1)
	}
}

// writeImage writes the image of a tree to a file.
func writeImage(root, version, out string) error {
	seconds, err := strconv.ParseInt(os.Getenv("SOURCE_DATE_EPOCH"), 10, 64)
	if err != nil {
		return fmt.Errorf("SOURCE_DATE_EPOCH: %w", err)
	}
	created := time.Unix(seconds, 0).UTC()
	image, err := makeImage(root, version, created)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "ingot-image-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	files, err := layout.Write(dir, empty.Index)
	if err != nil {
		return fmt.Errorf("write the layout: %w", err)
	}
	if err := files.AppendImage(image, layout.WithAnnotations(map[string]string{
		"org.opencontainers.image.ref.name": version, "io.containerd.image.name": "localhost/ingot:" + version,
	}), layout.WithPlatform(platform())); err != nil {
		return fmt.Errorf("write the layout: %w", err)
	}
	archive, err := packTree(dir, created)
	if err != nil {
		return err
	}
	return os.WriteFile(out, archive, 0o644)
}

func platform() v1.Platform { return v1.Platform{OS: "linux", Architecture: runtime.GOARCH} }

// makeImage makes the image of one layer.
func makeImage(root, version string, created time.Time) (v1.Image, error) {
	content, err := packTree(root, created)
	if err != nil {
		return nil, err
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(content)), nil
	}, tarball.WithMediaType(types.OCILayer))
	if err != nil {
		return nil, fmt.Errorf("make the layer: %w", err)
	}
	image := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	image, err = mutate.Append(image, mutate.Addendum{Layer: layer,
		History: v1.History{Created: v1.Time{Time: created}, CreatedBy: "scripts/image.sh", Comment: "ingot " + version}})
	if err != nil {
		return nil, fmt.Errorf("append the layer: %w", err)
	}
	file, err := image.ConfigFile()
	if err != nil {
		return nil, fmt.Errorf("read the image's configuration: %w", err)
	}
	file = file.DeepCopy()
	file.Created, file.OS, file.Architecture = v1.Time{Time: created}, platform().OS, platform().Architecture
	file.Config = v1.Config{
		User:         fmt.Sprintf("%d:%d", owner, owner),
		Entrypoint:   []string{"/usr/bin/ingot"},
		Cmd:          []string{"serve"},
		Env:          []string{"PATH=/usr/bin"},
		WorkingDir:   "/",
		ExposedPorts: map[string]struct{}{"8443/tcp": {}, "8080/tcp": {}},
		Labels: map[string]string{"org.opencontainers.image.title": "ingot", "org.opencontainers.image.version": version,
			"org.opencontainers.image.description": "GitOps for bare metal", "org.opencontainers.image.licenses": "Apache-2.0"},
	}
	return mutate.ConfigFile(image, file)
}

// packTree gives the tar archive of a tree: sorted, owned by root, with one time for all. A file has its mode.
func packTree(root string, at time.Time) ([]byte, error) {
	var names []string
	err := filepath.WalkDir(root, func(path string, _ os.DirEntry, err error) error {
		if err != nil || path == root {
			return err
		}
		name, err := filepath.Rel(root, path)
		names = append(names, name)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the tree: %w", err)
	}
	slices.Sort(names)
	var archive bytes.Buffer
	out := tar.NewWriter(&archive)
	for _, name := range names {
		if err := packFile(out, root, name, at); err != nil {
			return nil, fmt.Errorf("pack %s: %w", name, err)
		}
	}
	if err := out.Close(); err != nil {
		return nil, err
	}
	return archive.Bytes(), nil
}

// packFile appends a directory or a file to an archive.
func packFile(out *tar.Writer, root, name string, at time.Time) error {
	info, err := os.Lstat(filepath.Join(root, name))
	if err != nil {
		return err
	}
	header := &tar.Header{Name: name, Mode: int64(info.Mode().Perm()), ModTime: at, Format: tar.FormatPAX}
	switch {
	case info.IsDir():
		header.Typeflag, header.Name = tar.TypeDir, name+"/"
		if info.Mode()&os.ModeSticky != 0 {
			header.Mode |= 0o1000
		}
		return out.WriteHeader(header)
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s is no regular file", info.Mode())
	}
	header.Typeflag, header.Size = tar.TypeReg, info.Size()
	if err := out.WriteHeader(header); err != nil {
		return err
	}
	data, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		return err
	}
	_, err = out.Write(data)
	return err
}
