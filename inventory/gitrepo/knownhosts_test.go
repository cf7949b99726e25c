package gitrepo_test

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/gitmetal/ingot/inventory/gitrepo"
	"github.com/gitmetal/ingot/inventory/gitrepo/knownhosts"
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
		"ed25519":                                {host + " " + key("host"), ""},
		"ecdsa":                                  {host + " " + key("ecdsa"), ""},
		"both":                                   {host + " " + key("ecdsa") + "\n" + host + " " + key("host"), ""},
		"hashed":                                 {read(t, file("hashed")), ""},
		"a name of any port":                     {"127.0.0.* " + key("host"), ""},
		"a name without a port":                  {"127.0.0.1 " + key("host"), ""},
		"another key, no port":                   {"127.0.0.1 " + key("other"), "fleet.knownHosts has no key of this server"},
		"a line of no key":                       {"nobody\n" + host + " " + key("host"), ""},
		"a key of version 1":                     {"git.example.com 1024 35 1234567890\n" + host + " " + key("host"), ""},
		"a kind of tomorrow":                     {"git.example.com ssh-tomorrow AAAAC3NzaC1lZDI1NTE5AAAAIJ\n" + host + " " + key("ecdsa"), ""},
		"a broken hash":                          {"|1|no|no " + key("ecdsa") + "\n" + host + " " + key("host"), ""},
		"a broken key beside":                    {host + " ssh-ed25519 !\n" + host + " " + key("ecdsa"), ""},
		"several names":                          {"git.example.com," + host + " " + key("host"), ""},
		"an old key beside":                      {host + " " + key("other") + "\n" + host + " " + key("host"), ""},
		"authority":                              {"@cert-authority " + host + " " + key("ca"), ""},
		"authority beside a key":                 {"@cert-authority " + host + " " + key("ca") + "\n" + host + " " + key("ecdsa"), ""},
		"another key of its kind":                {host + " " + key("other"), "the server's key is not the one we know"},
		"revoked":                                {"@revoked " + host + " " + key("host") + "\n" + host + " " + key("host"), "is revoked"},
		"another authority":                      {"@cert-authority " + host + " " + key("other"), "knownHosts"},
		"another port":                           {"[127.0.0.1]:1 " + key("host"), "check what `ssh-keyscan -p " + port + " 127.0.0.1` prints, and add it"},
		"an old key, and the key without a port": {host + " " + key("other") + "\n127.0.0.1 " + key("host"), ""},
		"another kind, without a port":           {"127.0.0.1 " + key("ecdsa"), "fleet.knownHosts has no key of this server"},
		"an authority without a port":            {host + " " + key("other") + "\n@cert-authority 127.0.0.1 " + key("ca"), ""},
		"revoked for others":                     {"@revoked git.example.com " + key("host") + "\n" + host + " " + key("host"), ""},
		"an authority that is revoked":           {"@revoked * " + key("ca") + "\n@cert-authority * " + key("ca"), "is revoked"},
		"an authority that is revoked, the key":  {"@revoked * " + key("ca") + "\n" + host + " " + key("host"), "is revoked"},
		"another one is revoked":                 {"@revoked * " + key("other") + "\n" + host + " " + key("host"), ""},
		"an exception":                           {"!" + host + ",!127.0.0.1,* " + key("host"), "fleet.knownHosts has no key of this server"},
		"an exception for others":                {"!git.example.com,* " + key("host"), ""},
		"an unknown mark":                        {"@trusted " + host + " " + key("host"), "fleet.knownHosts has no key of this server"},
		"white space and a comment":              {" \t" + host + "\t" + key("host") + " of the server\r", ""},
		"a kind that is another's":               {host + " ecdsa-sha2-nistp256 " + strings.Fields(key("host"))[1], "fleet.knownHosts has no key of this server"},
		"a name in capitals":                     {"LOCALHOST,*.0.0.1,[127.0.0.?]:* " + key("host"), ""},
		"none":                                   {"# nobody", "fleet.knownHosts has no key of this server"},
		"a kind that is not there":               {host + " ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQDXPqs0OmJsd5oEiHR6eN3cJ0zTRSCpN9ld0oyL4oNnZ0kJ5mUzqGq0pMXY7b0m4a7d3y2i7bA2tqkMvR8n7LJ4S2p0iYyqkqv6l3gRaQZ8VZ2t3S9kH1J0m7m9e0o1yqkq5Z0v0W5g3jYpM1W3m3J2m7m9e0o1yqkq5Z0v0W5g3Q==", "kind that fleet.knownHosts has"},
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

// TestKnownHostsOfManyKinds has for each kind of key of a server the right line, an outdated one, or none, and asks a real
// sshd that has all kinds, or some. The ssh program gives the right answer.
func TestKnownHostsOfManyKinds(t *testing.T) {
	t.Parallel()
	r := overSSH(t)
	dir := filepath.Dir(r.config.KnownHosts)
	file := func(name string) string { return filepath.Join(dir, name) }
	config := read(t, file("sshd_config"))
	kinds := []string{"ed25519", "ecdsa", "rsa"}
	key := map[string]string{}
	for _, name := range []string{"ecdsa", "rsa", "other-ed25519", "other-ecdsa", "other-rsa"} {
		args := []string{"-q", "-t", name[strings.LastIndex(name, "-")+1:], "-N", "", "-f", file(name)}
		if strings.HasSuffix(name, "rsa") {
			args = append(args, "-b", "2048") // the default takes long
		}
		run(t, "ssh-keygen", args...)
	}
	for _, name := range []string{"host", "ecdsa", "rsa", "other-ed25519", "other-ecdsa", "other-rsa"} {
		fields := strings.Fields(read(t, file(name+".pub")))
		key[name] = fields[0] + " " + fields[1]
	}
	key["ed25519"] = key["host"]
	_, port, _ := strings.Cut(r.config.URL, "@127.0.0.1:")
	port, _, _ = strings.Cut(port, "/")
	host := "[127.0.0.1]:" + port
	var believed, refused atomic.Int64
	for _, hostKeys := range []string{"host ecdsa rsa", "ecdsa rsa"} {
		r.down()
		text := strings.Replace(config, "HostKey "+file("host")+"\n", "", 1)
		for name := range strings.FieldsSeq(hostKeys) {
			text = "HostKey " + file(name) + "\n" + text
		}
		write(t, file("sshd_config"), text)
		r.up()
		t.Run(hostKeys, func(t *testing.T) { // ends when its parts end
			for n := range 27 {
				if n%3 == 2 && !strings.HasPrefix(hostKeys, "host") {
					continue // of a kind that the server does not have, no line is right
				}
				known, described := "", ""
				for i, kind := range kinds {
					line := [3]string{"", kind, "other-" + kind}[n/[3]int{1, 3, 9}[i]%3]
					if line != "" {
						known = host + " " + key[line] + "\n" + known // the order of the lines is another than ssh's of kinds
						described += " " + line
					}
				}
				t.Run("known:"+described, func(t *testing.T) {
					t.Parallel()
					c := r.config
					c.KnownHosts = filepath.Join(t.TempDir(), "known_hosts")
					write(t, c.KnownHosts, "# kinds\n"+known)
					ours := shakeHands(t, c.KnownHosts, port)
					said, _ := sshDirectly(t, c, port, "-o", "PreferredAuthentications=none")
					theirs := strings.Contains(said, "Permission denied")
					if ours != theirs || !theirs && !strings.Contains(said, "Host key verification failed") {
						t.Errorf("believed %t, ssh says: %s", ours, said)
					}
					if ours {
						believed.Add(1)
					} else {
						refused.Add(1)
					}
				})
			}
		})
	}
	if believed.Load() < 12 || refused.Load() < 12 {
		t.Errorf("believed %d, refused %d: want many of both", believed.Load(), refused.Load())
	}
}

// shakeHands reports whether a server is believed, without logging in there.
func shakeHands(t *testing.T, file, port string) (believed bool) {
	t.Helper()
	known, err := knownhosts.Parse([]byte(read(t, file)))
	if err != nil {
		t.Fatal(err)
	}
	host := known.Find("127.0.0.1", port)
	client, err := ssh.Dial("tcp", "127.0.0.1:"+port, &ssh.ClientConfig{User: "nobody", HostKeyAlgorithms: host.Algorithms(),
		HostKeyCallback: func(_ string, _ net.Addr, key ssh.PublicKey) error {
			err := host.Check(key, time.Now())
			believed = err == nil
			return err
		}})
	if err == nil {
		_ = client.Close()
		t.Fatal("a stranger was let in")
	}
	return believed
}

// sshDirectly asks the ssh program.
func sshDirectly(t *testing.T, c gitrepo.Config, port string, options ...string) (string, error) {
	t.Helper()
	args := append([]string{"-F", "none", "-p", port, "-i", c.SSHKey, "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes",
		"-o", "UserKnownHostsFile=" + c.KnownHosts, "-o", "GlobalKnownHostsFile=none"}, options...)
	return tryRun(t, "ssh", append(args, "127.0.0.1", "true")...)
}
