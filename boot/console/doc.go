// Package console reads a machine's serial console over SSH to its BMC (Redfish's ComputerSystem.SerialConsole.SSH) and keeps the newest of it in a
// file. What is behind the port is untrusted, slow and fragile:
//
//   - it must show the pinned host key before it is sent the password, which is sent once;
//   - it is written nothing but the one line that enters the console, where the BMC names one;
//   - connecting has a deadline, a connection that answers nothing ends, and what floods is slowed down;
//   - what it sends is text when it is kept: no control characters, no terminal's commands, lines of bounded length, known secrets masked;
//   - what is kept of a machine is bounded.
package console
