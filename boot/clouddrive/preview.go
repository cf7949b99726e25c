package clouddrive

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/gitmetal/ingot/boot/ignition"
	"github.com/gitmetal/ingot/internal/secret"
	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/refs"
	"github.com/gitmetal/ingot/schemas"
)

// NewPreview renders what a host with a workload would get, before anything is decrypted and before there is an install:
// its Ignition config, or for a workload that writes an image the files of its config drive.
func NewPreview(desired inventory.Desired) (ignition.Preview, error) {
	if !desired.Workload.WritesImage() {
		return ignition.NewPreview(desired)
	}
	return showDrive(desired, func(ref refs.Secret) (secret.Value, error) {
		return secret.New(fmt.Sprintf("«secret %s.%s»", ref.Name, ref.Key)), nil
	})
}

// NewClearPreview renders the preview with the values of secrets in clear, for a person's eyes.
func NewClearPreview(desired inventory.Desired, open func(refs.Secret) (secret.Value, error)) (ignition.Preview, error) {
	if !desired.Workload.WritesImage() {
		return ignition.NewClearPreview(desired, open)
	}
	return showDrive(desired, open)
}

// showDrive shows the files of a drive without the script of the call home, which is ingot's own.
func showDrive(desired inventory.Desired, open func(refs.Secret) (secret.Value, error)) (ignition.Preview, error) {
	drive, has, err := Build(Request{Desired: desired, Instance: "«install id»", Secrets: open})
	if err != nil {
		return ignition.Preview{}, err
	}
	if !has {
		return ignition.Preview{Ignition: []byte("{}\n"), Text: []byte("# the image is written as it is: its system gets no config\n")}, nil
	}
	files, err := drive.Files()
	if err != nil {
		return ignition.Preview{}, err
	}
	var text strings.Builder
	fmt.Fprintf(&text, "# the config drive %s, at the end of the disk\n", drive.Volume)
	if desired.Workload.PhoneHome != schemas.PhoneHomeDisabled {
		text.WriteString("# vendor-data, not shown, has cloud-init set up the call home\n")
	}
	shown := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		shown[name] = string(files[name])
		fmt.Fprintf(&text, "--- %s\n%s", name, files[name])
	}
	body, err := json.MarshalIndent(shown, "", "  ")
	return ignition.Preview{Ignition: append(body, '\n'), Text: []byte(text.String())}, err
}
