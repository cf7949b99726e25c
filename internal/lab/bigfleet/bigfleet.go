// Package bigfleet makes a fleet of thousands of hosts, for benchmarks: 25 hosts a rack, 16 racks a site, twelve
// workloads with Butane configs and files, Defaults for every site, three rings of which two follow tags, a history,
// and a status branch on which every host runs its workload. Make writes the repository, Files gives the files alone.
// The same numbers give the same bytes, but for the ciphertext of Secrets, which each process seals anew.
package bigfleet

import (
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/gitmetal/ingot/internal/lab/secretfile"
	"github.com/gitmetal/ingot/inventory"
)

const apiVersion = "apiVersion: ingot.dev/v1alpha1\n"

const (
	perRack = 25
	perSite = 16 * perRack
)

// workloads are the roles of hosts; a host's role is chosen by its number.
var workloads = []string{"web", "api", "cache", "queue", "db", "search", "build", "metrics", "logs", "edge", "batch",
	"storage"}

// Files are all files of a fleet, by path.
func Files(hosts int) map[string]string {
	files := map[string]string{
		"ingot.yaml": apiVersion + "kind: Fleet\nmetadata: {name: fleet}\nspec: {installs: 50, imageHosts: " +
			"[images.example.com]}\n",
		"defaults/all.yaml": apiVersion + defaultsForAll,
		"rings/canary.yaml": apiVersion +
			"kind: Ring\nmetadata: {name: canary}\nspec:\n  hosts: {matchLabels: {ring: " +
			"canary}}\n  maxUnavailable: 5\n",
		"rings/early.yaml": apiVersion + "kind: Ring\nmetadata: {name: early}\nspec:\n  hosts: {matchLabels: {ring: " +
			"early}}\n  tag: prod-*\n  after: [canary]\n  maxUnavailable: 10%\n",
		"rings/broad.yaml": apiVersion + "kind: Ring\nmetadata: {name: broad}\nspec:\n  hosts: {matchLabels: {ring: " +
			"broad}}\n  tag: prod-*\n  after: [early]\n  maxUnavailable: 5%\n",
		"steps/burn-in.yaml": apiVersion + "kind: Step\nmetadata: {name: burn-in}\nspec: {script: steps/burn-in.sh, " +
			"timeout: 20m}\n",
		"steps/burn-in.sh": "#!/bin/sh\nset -eu\nstress-ng --cpu 0 --timeout 600s --verify\n",
		"README.md":        "# The fleet\n\nOne file per machine below `hosts`.\n",
	}
	for i, name := range workloads {
		addWorkload(files, i, name)
	}
	for site := range (hosts + perSite - 1) / perSite {
		addSiteFiles(files, site)
	}
	for n := range hosts {
		files[HostFile(n)] = hostText(n)
	}
	return files
}

const defaultsForAll = `kind: Defaults
metadata: {name: all}
spec:
  hosts: {allHosts: true}
  defaults:
    boot: {method: VirtualMedia, secureBoot: true}
    vars: {domain: example.com}
`

// addSiteFiles adds a site's Secret, and the Defaults that give the Secret to the site's hosts.
func addSiteFiles(files map[string]string, site int) {
	name := siteName(site)
	files["secrets/bmc-"+name+".yaml"] = secretfile.SealFile(fmt.Sprintf(apiVersion+`kind: Secret
metadata: {name: bmc-%[1]s}
spec:
  scope: {matchLabels: {site: %[1]s}}
  data:
    username: admin
    password: admin
`, name) + secretfile.Marker)
	files["defaults/"+name+".yaml"] = fmt.Sprintf(apiVersion+`kind: Defaults
metadata: {name: %[1]s}
spec:
  hosts: {matchLabels: {site: %[1]s}}
  priority: 10
  defaults:
    bmc: {credentials: bmc-%[1]s}
    vars: {site: %[1]s}
`, name)
}

func siteName(site int) string { return fmt.Sprintf("site%02d", site) }

// addWorkload adds a workload; the workload storage uses a var with a different value for every host.
func addWorkload(files map[string]string, i int, name string) {
	files["workloads/"+name+".yaml"] = fmt.Sprintf(apiVersion+`kind: Workload
metadata:
  name: %[1]s
spec:
  install:
    image:
      url: https://images.example.com/%[1]s/fedora-coreos-43.raw.zst
      sha256: %[2]s
    butane: workloads/%[1]s/%[1]s.bu
    kernelArguments: ["console=ttyS0,115200", "ingot.workload=%[1]s"]
  steps: [{step: burn-in}, {step: install}]
`, name, hexDigest("image", i))
	own := "${vars.tier}"
	if name == "storage" {
		own = "${vars.tier} ${vars.id}"
	}
	files["workloads/"+name+"/"+name+".bu"] = fmt.Sprintf(`variant: fcos
version: 1.5.0
passwd:
  users:
    - name: core
      ssh_authorized_keys: ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI%[2]s ops"]
storage:
  files:
    - path: /etc/ingot-site
      contents: {inline: "${vars.site} %[3]s"}
    - path: /etc/resolv.domain
      contents: {inline: "${vars.domain}"}
    - path: /etc/%[1]s.conf
      mode: 0644
      contents: {local: files/%[1]s.conf}
    - path: /usr/local/bin/%[1]s-check
      mode: 0755
      contents: {local: files/check.sh}
systemd:
  units:
    - name: %[1]s.service
      enabled: true
      contents_local: files/%[1]s.service
`, name, hexDigest("key", i)[:40], own)
	at := "workloads/" + name + "/files/"
	files[at+name+".conf"] = strings.Repeat(fmt.Sprintf("# settings of %s\nworkers = %d\nlisten = 0.0.0.0:%d\n", name,
		4+i, 8000+i), 20)
	files[at+"check.sh"] = "#!/bin/sh\nexec curl -fsS http://localhost:" + fmt.Sprint(8000+i) + "/healthz\n"
	files[at+name+".service"] = "[Unit]\nDescription=" + name +
		"\nAfter=network-online.target\n\n[Service]\nExecStart=/usr/bin/podman run --rm " + name +
		"\nRestart=always\n\n[Install]\nWantedBy=multi-user.target\n"
}

// HostName is the name of a host by its number.
func HostName(n int) string {
	return fmt.Sprintf("s%02d-r%02d-n%02d", n/perSite, n%perSite/perRack, n%perRack)
}

// HostFile is the path of a host's file.
func HostFile(n int) string {
	return fmt.Sprintf("hosts/%s/rack%02d/%s.yaml", siteName(n/perSite), n%perSite/perRack, HostName(n))
}

// ringOf gives a rack per site to the ring canary, three racks to early, and the remaining racks to broad.
func ringOf(n int) string {
	switch rack := n % perSite / perRack; {
	case rack == 0:
		return "canary"
	case rack < 4:
		return "early"
	default:
		return "broad"
	}
}

func hostText(n int) string {
	site, rack, id := n/perSite, n%perSite/perRack, hexDigest("host", n)
	mac := fmt.Sprintf("52:54:%02x:%02x:%02x", n>>16&0xff, n>>8&0xff, n&0xff)
	return fmt.Sprintf(`# yaml-language-server: $schema=https://ingot.dev/schemas/v1alpha1/host.json
`+apiVersion+`kind: Host
metadata:
  name: %[1]s
  labels: {site: %[2]s, rack: r%02[3]d, ring: %[4]s, role: %[5]s}
spec:
  bmc:
    address: https://10.%[6]d.%[3]d.%[7]d/redfish/v1/Systems/1
    tls: {fingerprint: "sha256:%[8]s"}
  identity:
    serial: %[9]s
    macs: ["%[10]s:00", "%[10]s:01"]
  rootDisk: {wwn: "0x5000c500%[11]s"}
  network:
    ramdisk:
      interfaces:
        - name: mgmt
          type: ethernet
          mac-address: "%[10]s:00"
          ipv4: {dhcp: true}
  workload: %[5]s
  vars: {tier: standard, id: "%[12]d"}
`, HostName(n), siteName(site), rack, ringOf(n), workloads[n%len(workloads)], site+1, n%perRack+10, id,
		SerialNumber(n), mac, id[:8], n)
}

// SerialNumber is the serial of a host by its number.
func SerialNumber(n int) string { return "SN" + strings.ToUpper(hexDigest("serial", n)[:10]) }

func hexDigest(what string, n int) string {
	sum := sha256.Sum256([]byte(fmt.Sprint(what, n)))
	return hex.EncodeToString(sum[:])
}

// EditHost is a host's file after a change of its workload's inputs; every edit number is a different change.
func EditHost(n, edit int) string {
	return strings.Replace(hostText(n), "tier: standard", fmt.Sprintf("tier: edit%d", edit), 1)
}

// EditImages gives every workload a different image, so that all hosts change.
func EditImages(files map[string]string, edit int) map[string]string {
	edited := map[string]string{}
	for i, name := range workloads {
		file := "workloads/" + name + ".yaml"
		edited[file] = strings.Replace(files[file], hexDigest("image", i),
			hexDigest(fmt.Sprint("edit", edit, "image"), i), 1)
	}
	return edited
}

// Snapshot is a commit of files, with git's blob ids.
func Snapshot(commit string, files map[string]string) inventory.Snapshot {
	s := inventory.Snapshot{Commit: commit, Files: make(map[string]inventory.File, len(files))}
	for name, content := range files {
		sum := sha1.Sum(fmt.Appendf(nil, "blob %d\x00%s", len(content), content))
		s.Files[name] = inventory.File{Blob: hex.EncodeToString(sum[:]), Data: []byte(content),
			Executable: strings.HasSuffix(name, ".sh")}
	}
	return s
}
