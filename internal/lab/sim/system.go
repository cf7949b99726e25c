package sim

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/gitmetal/ingot/agent/wire"
)

// maxMedium is the most that simulated firmware reads of a medium, in bytes.
const maxMedium = 4 << 20

// readMedium reads the medium by ranges, as a BMC does.
func readMedium(ctx context.Context, url string) (medium []byte, err error) {
	for {
		part, total, err := readRange(ctx, url, len(medium), 256<<10)
		if err != nil {
			return nil, fmt.Errorf("read the medium: %w", err)
		}
		medium = append(medium, part...)
		if len(medium) >= total || len(medium) > maxMedium {
			return medium, nil
		}
	}
}

// readBootConfig gives the boot config in the overlay of a medium.
func readBootConfig(medium []byte) (wire.BootConfig, error) {
	const member = "etc/ingot/boot.json\x00"
	i := bytes.Index(medium, []byte(member))
	if i < 0 {
		return wire.BootConfig{}, errors.New("the medium holds no boot config")
	}
	start := i + len(member)
	start += (4 - (start-mediumOverlay)%4) % 4
	var config wire.BootConfig
	if err := json.NewDecoder(bytes.NewReader(medium[start:])).Decode(&config); err != nil {
		return wire.BootConfig{}, fmt.Errorf("read the boot config: %w", err)
	}
	return config, nil
}

// bmcClient reads media as a BMC does that does not check the certificates of their servers.
var bmcClient = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}

// A BMC reads on for mediumPatience where the server of its medium is away or does not serve the medium, as while a daemon
// restarts.
const (
	mediumPatience = 20 * time.Second
	mediumPause    = 200 * time.Millisecond
)

// readRange reads a part of a medium, and gives the size of the whole.
func readRange(ctx context.Context, url string, from, length int) (part []byte, total int, err error) {
	for deadline := time.Now().Add(mediumPatience); ; {
		part, total, err = askRange(ctx, url, from, length)
		if err == nil || time.Now().After(deadline) {
			return part, total, err
		}
		select {
		case <-ctx.Done():
			return nil, 0, err
		case <-time.After(mediumPause):
		}
	}
}

// askRange is one request of readRange.
func askRange(ctx context.Context, url string, from, length int) (part []byte, total int, err error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return nil, 0, err
	}
	request.Header.Set("Range", fmt.Sprintf("bytes=%d-%d", from, from+length-1))
	response, err := bmcClient.Do(request)
	if err != nil {
		return nil, 0, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusPartialContent {
		return nil, 0, fmt.Errorf("the server answers %s", response.Status)
	}
	_, size, _ := strings.Cut(response.Header.Get("Content-Range"), "/")
	if total, err = strconv.Atoi(size); err != nil {
		return nil, 0, fmt.Errorf("Content-Range: %w", err)
	}
	part, err = io.ReadAll(io.LimitReader(response.Body, int64(length)))
	if err == nil && len(part) == 0 {
		err = io.ErrUnexpectedEOF
	}
	return part, total, err
}

// ignition is the part of an Ignition config that a simulated system applies.
type ignition struct {
	Ignition struct{ Version string }
	Storage  struct {
		Files []struct {
			Path     string
			Contents struct{ Source string }
		}
	}
}

// startSystem starts the system on the disk: it applies the files of the call home from the Ignition config or the config drive, and calls
// until a call is acknowledged. The system serves from the first call that the daemon answers.
func (m *Machine) startSystem(ctx context.Context, r *run) error {
	config, err := m.disk.readSystem()
	if err != nil {
		return err
	}
	if len(config) == 0 {
		m.printLine("system: no Ignition")
		return nil
	}
	files, err := parseFiles(config)
	if err != nil {
		return err
	}
	m.printLine("system: %d files from its config", len(files))
	body, ok := files["/etc/ingot/phone-home.json"]
	if !ok {
		return nil // the workload disables the call home
	}
	body = fmt.Appendf(bytes.TrimSuffix(bytes.TrimSpace(body), []byte("}")), `,"bootID":%q,"machine":%q}`, rand.Text(), m.config.Identity.UUID) // as phone-home.sh
	client := newPinnedClient(findSetting(files["/etc/ingot/phone-home.curl"], "pinnedpubkey"))
	defer client.CloseIdleConnections()
	for {
		for _, url := range strings.Fields(string(files["/etc/ingot/phone-home.urls"])) {
			switch callHome(ctx, client, url, body) {
			case http.StatusNoContent:
				return nil
			case http.StatusServiceUnavailable: // heard, and to be said again
				m.beginService(r)
			}
		}
		timer := time.NewTimer(500 * time.Millisecond)
		select {
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		case <-timer.C:
		}
	}
}

// written matches a file that the script on a config drive writes (boot/clouddrive).
var written = regexp.MustCompile(`(?m)^put [0-7]+ (\S+) <<END\n([A-Za-z0-9+/=]+)\nEND$`)

// parseFiles gives the files of an Ignition config, or those that the script on a config drive writes.
func parseFiles(config []byte) (map[string][]byte, error) {
	if !bytes.HasPrefix(config, []byte("{")) {
		files := map[string][]byte{}
		for _, found := range written.FindAllSubmatch(config, -1) {
			data, err := base64.StdEncoding.DecodeString(string(found[2]))
			if err != nil {
				return nil, fmt.Errorf("config drive: %s: %w", found[1], err)
			}
			files[string(found[1])] = data
		}
		return files, nil
	}
	var parsed ignition
	if err := json.Unmarshal(config, &parsed); err != nil {
		return nil, fmt.Errorf("ignition: %w", err)
	}
	if parsed.Ignition.Version == "" {
		return nil, errors.New("ignition: no version")
	}
	files := map[string][]byte{}
	for _, file := range parsed.Storage.Files {
		encoded, ok := strings.CutPrefix(file.Contents.Source, "data:;base64,")
		if !ok {
			continue // Butane's own encodings are not needed here
		}
		data, err := base64.StdEncoding.DecodeString(encoded)
		if err != nil {
			return nil, fmt.Errorf("ignition: %s: %w", file.Path, err)
		}
		files[file.Path] = data
	}
	return files, nil
}

// findSetting gives a value of a curl configuration.
func findSetting(config []byte, name string) string {
	scanner := bufio.NewScanner(bytes.NewReader(config))
	for scanner.Scan() {
		key, value, _ := strings.Cut(scanner.Text(), "=")
		if strings.TrimSpace(key) == name {
			// The value of pinnedpubkey ends in base64 padding, which Cut keeps: Cut cuts at the first sign.
			return strings.Trim(strings.TrimSpace(value), `"`)
		}
	}
	return ""
}

func newPinnedClient(pin string) *http.Client {
	return &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{
		MinVersion:         tls.VersionTLS13,
		InsecureSkipVerify: true, // replaced by VerifyConnection, as curl's pinnedpubkey does
		VerifyConnection: func(state tls.ConnectionState) error {
			sum := sha256.Sum256(state.PeerCertificates[0].RawSubjectPublicKeyInfo)
			if have := "sha256//" + base64.StdEncoding.EncodeToString(sum[:]); have != pin {
				return fmt.Errorf("the daemon's key is %s, not %s", have, pin)
			}
			return nil
		},
	}}}
}

// callHome calls the daemon and gives the status of its answer; 0 without an answer.
func callHome(ctx context.Context, client *http.Client, url string, body []byte) int {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return 0
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := client.Do(request)
	if err != nil {
		return 0
	}
	defer response.Body.Close()
	return response.StatusCode
}
