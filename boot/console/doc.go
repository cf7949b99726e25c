// Package console reads a machine's serial console over SSH to the BMC (Redfish's ComputerSystem.SerialConsole.SSH) and
// keeps the newest output in a file. Read connects and copies the console; Dir.Open gives the Log to copy into. The
// server is untrusted, slow and fragile, so:
//
//   - the server must show the pinned host key before the password is sent, and the password is sent once;
//   - nothing is written to the server except the line that enters the console, if the BMC names such a line;
//   - connecting has a deadline, a dead connection ends, and a flood is slowed down;
//   - kept output is text: no control characters, no terminal commands, lines of bounded length, known secrets masked;
//   - the kept size per machine is bounded.
//
// Do not show output that did not go through a Log: only a Log masks secrets.
package console
