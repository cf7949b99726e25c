package butane_test

import (
	"fmt"

	"go.yaml.in/yaml/v3"

	"github.com/gitmetal/ingot/inventory/butane"
)

// The records of every fleet hold these digests: this output never changes. Package ignition compares Meaning with what
// Butane makes of documents.
func ExampleDigestConfig() {
	files := butane.Files{Data: map[string][]byte{"files/motd": []byte("welcome\n"), "tree/run": []byte("#!/bin/sh\n")}, Executable: map[string]bool{"tree/run": true}}
	for _, spelling := range []string{
		"storage: {files: [{path: /etc/motd, mode: 0644, contents: {local: files/motd}}], trees: [{local: tree}]}",
		"storage: {trees: [{local: ./tree}], directories: [], files: [{mode: 420, path: '/etc/motd', contents: {inline: \"welcome\\n\"}}]}",
		"storage: {trees: [{local: tree}], files: [{mode: 420, path: '/etc/motd', contents: {inline: \"${vars.site}\\n\"}}]}",
	} {
		var root yaml.Node
		if err := yaml.Unmarshal([]byte(spelling), &root); err != nil {
			fmt.Println(err)
		}
		fmt.Printf("%+v\n", butane.DigestConfig(root.Content[0], files))
	}
	// Output:
	// {Config:19204ea3fee5430a Meaning:570c9c707c6d88b3}
	// {Config:ae41e5432ee2ebfe Meaning:570c9c707c6d88b3}
	// {Config:5833f4dca1853411 Meaning:a1bfa754a7ff3f7e}
}
