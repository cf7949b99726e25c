// Package daemon puts the daemon together from its parts and runs it: wiring only. Commands and tests start the same daemon.
package daemon
