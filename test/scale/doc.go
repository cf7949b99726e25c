// Package scale measures a daemon's loop with ten thousand BMCs: `make bench`. The loop, the planner, the reader of the
// fleet and the Redfish client are the real ones; each BMC has a loopback address of its own, and all are served over
// HTTPS by one other process, so that the memory of the loop's process is the loop's. Journal and status branch are in
// memory, and no Git is fetched: package inventory/gitrepo measures Git.
package scale
