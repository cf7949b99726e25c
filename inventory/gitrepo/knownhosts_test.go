package gitrepo_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gitmetal/ingot/inventory/gitrepo"
)

// TestKnownHosts asks a real sshd that has keys of two kinds, and a certificate, with known_hosts as people have them. The
// ssh program gives the right answer.
func TestKnownHosts(t *testing.T) {
	t.Parallel()
	r := overSSH(t)
	r.history(t, 1)
	dir := filepath.Dir(r.config.KnownHosts)
	file := func(name string) string { return filepath.Join(dir, name) }
	for _, key := range [][2]string{{"ecdsa", "ecdsa"}, {"ca", "ed25519"}, {"other", "ed25519"}} {
		run(t, "ssh-keygen", "-q", "-t", key[1], "-N", "", "-f", file(key[0]))
	}
	run(t, "ssh-keygen", "-q", "-s", file("ca"), "-I", "host", "-h", "-n", "127.0.0.1", file("host.pub"))
	config := read(t, file("sshd_config"))
	write(t, file("sshd_config"), strings.Replace(config, "HostKey ", fmt.Sprintf("HostKey %s\nHostCertificate %s\nHostKey ",
		file("ecdsa"), file("host-cert.pub")), 1))
	r.down()
	r.up()
	key := func(name string) string {
		fields := strings.Fields(read(t, file(name+".pub")))
		return fields[0] + " " + fields[1]
	}
	_, port, _ := strings.Cut(r.config.URL, "@127.0.0.1:")
	port, _, _ = strings.Cut(port, "/")
	host := "[127.0.0.1]:" + port
	write(t, file("hashed"), host+" "+key("host")+"\n")
	run(t, "ssh-keygen", "-q", "-H", "-f", file("hashed"))
	if err := os.Remove(file("hashed.old")); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		known string
		want  string // in the error; "" where the server is reached
	}{
		"ed25519":                  {host + " " + key("host"), ""},
		"ecdsa":                    {host + " " + key("ecdsa"), ""},
		"both":                     {host + " " + key("ecdsa") + "\n" + host + " " + key("host"), ""},
		"hashed":                   {read(t, file("hashed")), ""},
		"a name of any port":       {"127.0.0.* " + key("host"), ""},
		"a name without a port":    {"127.0.0.1 " + key("host"), ""},
		"another key, no port":     {"127.0.0.1 " + key("other"), "fleet.knownHosts has no key of this server"},
		"a line of no key":         {"nobody\n" + host + " " + key("host"), ""},
		"a key of version 1":       {"git.example.com 1024 35 1234567890\n" + host + " " + key("host"), ""},
		"a kind of tomorrow":       {"git.example.com ssh-tomorrow AAAAC3NzaC1lZDI1NTE5AAAAIJ\n" + host + " " + key("ecdsa"), ""},
		"a broken hash":            {"|1|no|no " + key("ecdsa") + "\n" + host + " " + key("host"), ""},
		"a broken key beside":      {host + " ssh-ed25519 !\n" + host + " " + key("ecdsa"), ""},
		"several names":            {"git.example.com," + host + " " + key("host"), ""},
		"an old key beside":        {host + " " + key("other") + "\n" + host + " " + key("host"), ""},
		"authority":                {"@cert-authority " + host + " " + key("ca"), ""},
		"authority beside a key":   {"@cert-authority " + host + " " + key("ca") + "\n" + host + " " + key("ecdsa"), ""},
		"another key of its kind":  {host + " " + key("other"), "the server's key is not the one we know"},
		"revoked":                  {"@revoked " + host + " " + key("host") + "\n" + host + " " + key("host"), "is revoked"},
		"another authority":        {"@cert-authority " + host + " " + key("other"), "knownHosts"},
		"another port":             {"[127.0.0.1]:1 " + key("host"), "check what `ssh-keyscan -p " + port + " 127.0.0.1` prints, and add it"},
		"none":                     {"# nobody", "fleet.knownHosts has no key of this server"},
		"a kind that is not there": {host + " ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQDXPqs0OmJsd5oEiHR6eN3cJ0zTRSCpN9ld0oyL4oNnZ0kJ5mUzqGq0pMXY7b0m4a7d3y2i7bA2tqkMvR8n7LJ4S2p0iYyqkqv6l3gRaQZ8VZ2t3S9kH1J0m7m9e0o1yqkq5Z0v0W5g3jYpM1W3m3J2m7m9e0o1yqkq5Z0v0W5g3Q==", "kind that fleet.knownHosts has"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := r.config
			c.KnownHosts = filepath.Join(t.TempDir(), "known_hosts")
			write(t, c.KnownHosts, test.known+"\n")
			_, err := open(t, c).Latest(t.Context())
			if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
				t.Errorf("Latest = %v, want %q", err, test.want)
			}
			if err != nil && !strings.Contains(err.Error(), "127.0.0.1:"+port) {
				t.Errorf("Latest = %v, without the port", err)
			}
			said, errSSH := sshDirectly(t, c, port)
			if (errSSH == nil) != (test.want == "") {
				t.Errorf("ssh says %v: %s, want %q", errSSH, said, test.want)
			}
		})
	}
}

// sshDirectly asks the ssh program.
func sshDirectly(t *testing.T, c gitrepo.Config, port string) (string, error) {
	t.Helper()
	return tryRun(t, "ssh", "-F", "none", "-p", port, "-i", c.SSHKey, "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes",
		"-o", "UserKnownHostsFile="+c.KnownHosts, "-o", "GlobalKnownHostsFile=none", "127.0.0.1", "true")
}
