package redfish

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/stmcginnis/gofish/schemas"

	"github.com/gitmetal/ingot/boot/redfish/conn"
	"github.com/gitmetal/ingot/boot/redfish/vendors"
)

// SerialConsole is the machine's serial console over SSH, as the BMC describes it.
type SerialConsole struct {
	Enabled bool   `json:"enabled"`
	Port    int    `json:"port"`
	Shared  bool   `json:"shared,omitempty"` // with the BMC's command line
	Entry   string `json:"entry,omitempty"`  // the command that enters the console from the command line
}

// Console is the serial console of the last reading of the System: nil if the BMC named none; read is false before the
// first reading. Nothing is sent, so readers of consoles take no turn at the BMC.
func (c *Client) Console() (console *SerialConsole, read bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.console, c.systemRead
}

// sshPort is the default if the BMC names no port.
const sshPort = 22

// readSerialConsole reads SerialConsole.SSH; nil if it is absent. A BMC that names a port or a command has a console,
// also if the console is switched off.
func readSerialConsole(doc *schemas.ComputerSystem) *SerialConsole {
	said := doc.SerialConsole.SSH
	if said == (schemas.SerialConsoleProtocol{}) {
		return nil
	}
	console := &SerialConsole{Enabled: said.ServiceEnabled, Port: sshPort, Shared: said.SharedWithManagerCLI,
		Entry: said.ConsoleEntryCommand}
	if said.Port != nil && *said.Port > 0 && *said.Port < 1<<16 {
		console.Port = int(*said.Port)
	}
	return console
}

// managerDocument are the members of a Manager that are used.
type managerDocument struct {
	FirmwareVersion string
	VirtualMedia    conn.Link
	SerialConsole   json.RawMessage
}

// consoleOfManager reads Manager.SerialConsole, which says that the console is behind the manager's command line, but
// neither the port nor how the console is entered: the port is the usual one, and the command is the vendor's. Nil if
// the manager names no console over SSH.
func consoleOfManager(raw json.RawMessage, vendor string) *SerialConsole {
	var said struct {
		ServiceEnabled        bool
		ConnectTypesSupported []string
	}
	if json.Unmarshal(raw, &said) != nil || !slices.ContainsFunc(said.ConnectTypesSupported, isSSH) {
		return nil
	}
	return &SerialConsole{Enabled: said.ServiceEnabled, Port: sshPort, Shared: true, Entry: vendors.ConsoleCommand(vendor)}
}

func isSSH(kind string) bool { return strings.EqualFold(kind, "SSH") }

// askManagers looks for the serial console at the machine's managers, once, if the System names none. A manager that
// cannot be read is asked again when its drives are looked for; the reading of the System does not fail for it.
func (c *Client) askManagers(w conn.Call, system computer) {
	c.mu.Lock()
	known := c.console != nil || c.managersAsked
	c.managersAsked = true
	c.mu.Unlock()
	if known {
		return
	}
	managers, err := c.listManagers(w, system)
	if err != nil {
		return
	}
	for _, path := range managers {
		if _, err := c.readManager(w, path, system.vendor); err != nil {
			return
		}
	}
}

// readManager reads a manager and keeps the console that it names.
func (c *Client) readManager(w conn.Call, path, vendor string) (managerDocument, error) {
	manager, err := conn.Get[managerDocument](w, path)
	if err != nil {
		return managerDocument{}, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.managers == nil {
		c.managers = map[string]managerDocument{}
	}
	c.managers[path], c.managersAt = *manager.Doc, c.conn.Now()
	if console := consoleOfManager(manager.Doc.SerialConsole, vendor); console != nil {
		c.managerConsole = console
		if c.console == nil {
			c.console = console
		}
	}
	return *manager.Doc, nil
}

// takeManager gives a manager as the search for the console has just read it, once.
func (c *Client) takeManager(path string) (manager managerDocument, have bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	manager, have = c.managers[path]
	delete(c.managers, path)
	return manager, have && c.conn.Now().Sub(c.managersAt) < resumeWithin
}

// recentManager gives a manager as the search for the console read it, once, or reads it.
func (c *Client) recentManager(w conn.Call, path, vendor string) (managerDocument, error) {
	if known, have := c.takeManager(path); have {
		return known, nil
	}
	manager, err := c.readManager(w, path, vendor)
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.managers, path)
	return manager, err
}
