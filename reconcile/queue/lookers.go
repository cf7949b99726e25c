package queue

import (
	"context"
	"sync"
)

// Lookers are goroutines that look at hosts. A look needs a deep stack: a goroutine that has one is kept for the next
// look, as long as no more are idle than there are workers.
type Lookers struct {
	look   func(context.Context, *Place)
	places chan *Place // to idle goroutines
	idle   chan struct{}
	all    sync.WaitGroup
}

// NewLookers makes Lookers that call look.
func NewLookers(look func(context.Context, *Place), workers int) *Lookers {
	return &Lookers{look: look, places: make(chan *Place), idle: make(chan struct{}, workers)}
}

// Start has an idle goroutine, or a new one, look at the host of a place.
func (k *Lookers) Start(ctx context.Context, place *Place) {
	select {
	case k.places <- place:
	default:
		k.all.Go(func() { k.lookOn(ctx, place) })
	}
}

// lookOn looks at the host of a place, and then at those that Start gives the goroutine.
func (k *Lookers) lookOn(ctx context.Context, place *Place) {
	for again := true; again; {
		k.look(ctx, place)
		select {
		case k.idle <- struct{}{}:
			place, again = <-k.places
			<-k.idle
		default:
			again = false
		}
	}
}

// End waits for the looks that were started.
func (k *Lookers) End() {
	close(k.places)
	k.all.Wait()
}
