// Package programs says in which environment the agent runs other programs.
package programs

// Environment is the environment of every program: a PATH, a home and a language, and nothing of the agent's own.
func Environment() []string {
	return []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LANG=C.UTF-8"}
}
