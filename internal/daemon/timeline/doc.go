// Package timeline keeps what happened to each host since the daemon started: the changes of the host's phase with their reasons, and the lines
// that the host's jobs printed. Everything is held in memory and bounded.
//
// NewRecorder makes a Recorder; Recorder.FollowHosts fills the Recorder until its context ends; Recorder.ReadTimeline gives one host's timeline, completed
// with what the host's document remembers from before the daemon's start. Serial consoles are in the package consoles.
package timeline
