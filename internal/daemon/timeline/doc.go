// Package timeline keeps what happened to every host since the daemon started: the changes of the host's phase with
// their reasons, and the lines that the host's jobs printed. Timelines are held in memory and bounded.
//
// NewRecorder makes a Recorder; Recorder.FollowHosts fills the Recorder until its context ends; Recorder.ReadTimeline
// gives the timeline of a host, completed with the host's document for the time before the daemon's start. Serial
// consoles are in package consoles.
package timeline
