// Package imageadd is the verb `ingot image add`: it takes the digest of an image from where its makers publish it, and
// writes URL and digest into a Workload. NewCommand gives the command. The image itself is not fetched: the daemon
// compares its bytes with the digest.
package imageadd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/gitmetal/ingot/cmd/ingot/fleets"
	"github.com/gitmetal/ingot/schemas"
)

// options of the command.
type options struct {
	workload, repo   string
	checksums        string
	stream, metadata string
	artifact         Artifact
	out              io.Writer
}

// streamURLs are where the metadata of streams is, with %s for the stream. Source: docs.fedoraproject.org, "Fedora CoreOS,
// Update Streams".
var streamURLs = map[string]string{"fedora-coreos": "https://builds.coreos.fedoraproject.org/streams/%s.json"}

// Bounds of what is fetched.
const (
	maxFetched   = 16 << 20
	fetchTimeout = time.Minute
)

// NewCommand gives `ingot image`.
func NewCommand(out io.Writer) *cobra.Command {
	command := &cobra.Command{Use: "image", Short: "Images that Workloads install"}
	o := options{out: out}
	add := &cobra.Command{
		Use:   "add {URL | fedora-coreos}",
		Short: "Write the URL and the published digest of an image into a Workload",
		Long: "Takes the SHA-256 of an image from a checksum file (--checksums), or the newest image of a\n" +
			"stream from the stream's metadata (--stream), and writes both into spec.install.image of a\n" +
			"Workload: nothing else in the file changes. The image is not fetched; the daemon compares its\n" +
			"bytes with the digest. See what it means with `ingot plan`.",
		Example: "  ingot image add fedora-coreos --stream stable -w web\n" +
			"  ingot image add https://images.example.com/os.raw.xz --checksums https://images.example.com/SHA256SUMS -w web",
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return o.addImage(c.Context(), args[0]) },
	}
	flags := add.Flags()
	flags.StringVarP(&o.workload, "workload", "w", "", "the Workload that gets the image")
	flags.StringVar(&o.checksums, "checksums", "", "a file or URL with SHA-256 sums, as sha256sum or Fedora's CHECKSUM has them")
	flags.StringVar(&o.stream, "stream", "", "the stream, such as stable, testing or next")
	flags.StringVar(&o.metadata, "metadata", "", "a file or URL with the metadata of the stream (default the stream's own)")
	flags.StringVar(&o.artifact.Architecture, "architecture", "x86_64", "the architecture in the stream")
	flags.StringVar(&o.artifact.Platform, "platform", "metal", "the platform in the stream")
	flags.StringVar(&o.artifact.Format, "format", "raw.xz", "the format in the stream; 4k.raw.xz for disks with sectors of 4,096 bytes")
	flags.StringVar(&o.repo, "repo", ".", "the fleet")
	_ = add.MarkFlagRequired("workload")
	command.AddCommand(add)
	return command
}

// addImage finds the image, and writes it into the Workload.
func (o options) addImage(ctx context.Context, named string) error {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	file, err := o.findWorkload()
	if err != nil {
		return err
	}
	found, source, err := o.findImage(ctx, named)
	if err != nil {
		return err
	}
	image := []string{"spec", "install", "image"}
	if err := fleets.EditDocument(file, fleets.Named{Kind: schemas.KindWorkload, Name: o.workload},
		fleets.Value{Field: append(image[:3:3], "url"), Values: []string{found.URL}},
		fleets.Value{Field: append(image[:3:3], "sha256"), Values: []string{found.SHA256}}); err != nil {
		return fmt.Errorf("%w: write %q and %q below spec.install.image yourself", err, "url: "+found.URL, "sha256: "+found.SHA256)
	}
	release := ""
	if found.Release != "" {
		release = ", release " + found.Release
	}
	fmt.Fprintf(o.out, "%s: %s%s\n  sha256 %s, as %s says; no signature was checked, and the daemon compares the bytes\n", o.workload, found.URL, release,
		found.SHA256, source)
	return nil
}

// findWorkload gives the file of the Workload. Its image must stand in spec.install.
func (o options) findWorkload() (string, error) {
	reader := fleets.NewReaderAround(o.repo)
	dir, err := reader.MoveToTop()
	if err != nil {
		dir = o.repo
	}
	snapshot, err := reader.ReadTree("")
	if err != nil {
		return "", err
	}
	found, err := fleets.FindDocument(snapshot, fleets.Named{Kind: schemas.KindWorkload, Name: o.workload})
	switch {
	case err != nil:
		return "", err
	case found.Workload.Spec.Run != nil:
		return "", fmt.Errorf("workload %s has spec.run, and installs no image", o.workload)
	case slices.ContainsFunc(found.Workload.Spec.Steps, func(u schemas.StepUse) bool { return u.Step == schemas.StepWriteImage }):
		return "", fmt.Errorf("the image of workload %s is below args.image of its step %s: write url and sha256 there yourself", o.workload, schemas.StepWriteImage)
	}
	return filepath.Join(dir, filepath.FromSlash(found.File)), nil
}

// findImage gives the image, and where its digest stands.
func (o options) findImage(ctx context.Context, named string) (found Found, source string, err error) {
	switch {
	case o.stream != "" && o.checksums != "":
		return found, "", errors.New("--stream or --checksums: the digest comes from one of the two")
	case o.stream != "":
		pattern, known := streamURLs[named]
		if !known {
			return found, "", fmt.Errorf("no streams of %q are known: fedora-coreos has some; else give the image's URL and --checksums", named)
		}
		if source = o.metadata; source == "" {
			source = fmt.Sprintf(pattern, url.PathEscape(o.stream))
		}
		body, err := fetch(ctx, source)
		if err == nil {
			found, err = FindInStream(body, o.artifact)
		}
		return found, source, describeSource(source, err)
	case o.checksums == "":
		return found, "", errors.New("where the digest is published is said with --checksums FILE or URL, or with --stream NAME for fedora-coreos")
	}
	address, err := url.Parse(named)
	if err != nil || !isImageURL(named) {
		return found, "", errors.New("name the image with a URL as the daemon fetches it: https:// or http://, without an account")
	}
	found.URL, source = named, o.checksums
	body, err := fetch(ctx, source)
	if err == nil {
		found.SHA256, err = FindInChecksums(string(body), path.Base(address.Path))
	}
	return found, source, describeSource(source, err)
}

func describeSource(source string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", source, err)
}

// fetch reads a file, or what a URL gives.
func fetch(ctx context.Context, source string) ([]byte, error) {
	if !strings.HasPrefix(source, "https://") && !strings.HasPrefix(source, "http://") {
		file, err := os.Open(source)
		if err != nil {
			return nil, errors.Unwrap(err)
		}
		defer file.Close()
		return readLimited(file)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, source, http.NoBody)
	if err != nil {
		return nil, errors.New("it is no URL")
	}
	client := http.Client{CheckRedirect: func(next *http.Request, via []*http.Request) error {
		if via[0].URL.Scheme == "https" && next.URL.Scheme != "https" || len(via) > 5 {
			return errors.New("it redirects away from https, or too often")
		}
		return nil
	}}
	answer, err := client.Do(request)
	if err != nil {
		var reason *url.Error
		if errors.As(err, &reason) {
			err = reason.Err
		}
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the server answers %s", answer.Status)
	}
	return readLimited(answer.Body)
}

func readLimited(from io.Reader) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(from, maxFetched+1))
	if err == nil && len(body) > maxFetched {
		err = fmt.Errorf("it has more than %d MiB", maxFetched>>20)
	}
	return body, err
}
