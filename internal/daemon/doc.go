// Package daemon wires the parts of the daemon together: journal, repository, hub, media, images, effects and the loop.
// Open makes a Daemon, Daemon.Run runs it; Connect gives the Client of the command line. Commands and tests start the
// same daemon. Decisions belong into reconcile/plan, not here.
package daemon
