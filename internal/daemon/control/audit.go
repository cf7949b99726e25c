package control

import (
	"encoding/json"
	"fmt"
	"os"
	"sync"

	"github.com/gitmetal/ingot/reconcile/status"
)

// Audit is the append-only log of all acts: a file of one JSON value a line. To rotate the log, move the file away:
// every act opens the file anew.
type Audit struct {
	file string
	mu   sync.Mutex
}

// NewAudit keeps the log in a file.
func NewAudit(file string) *Audit { return &Audit{file: file} }

// WriteAct appends an act; without an error the act is on the disk.
func (a *Audit) WriteAct(act status.Act) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	line, err := json.Marshal(act)
	if err != nil {
		return fmt.Errorf("audit log: %w", err)
	}
	file, err := os.OpenFile(a.file, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("audit log: %w", err)
	}
	_, err = file.Write(append(line, '\n'))
	if err == nil {
		err = file.Sync()
	}
	if closed := file.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return fmt.Errorf("audit log: %w", err)
	}
	return nil
}
