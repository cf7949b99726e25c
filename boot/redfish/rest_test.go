package redfish

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestARestingClientHoldsNoDocuments: what was read for a change that follows at once is dropped when none follows.
func TestARestingClientHoldsNoDocuments(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &Client{}
		for range 2 {
			c.mu.Lock()
			c.recent, c.drives.last = &computer{}, []drive{{}}
			c.dropLater()
			c.mu.Unlock()
			<-time.After(fresh - time.Second)
			if c.mu.Lock(); c.recent == nil || c.drives.last == nil {
				t.Error("the newest reading was dropped too early")
			}
			c.mu.Unlock()
		}
		<-time.After(2 * time.Second)
		synctest.Wait()
		if c.recent != nil || c.drives.last != nil {
			t.Errorf("a client at rest holds %v and %v", c.recent, c.drives.last)
		}
	})
}
