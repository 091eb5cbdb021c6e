package share

import (
	"context"
	"maps"
	"slices"
	"sync"

	"github.com/rollcallhq/rollcall/internal/store"
)

// Held returns the claims that this process has now, as far as it knows.
func (m *Member) Held() []store.Claim {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Collect(maps.Values(m.held))
}

// Keep asks the store whether a claim still stands, and where it does keeps it until done is called: the group waits so long before the share
// passes on, though no longer than it does for a pass. Where it is false there is nothing to be done, and done is nil.
func (m *Member) Keep(ctx context.Context, c store.Claim) (done func(), ok bool, err error) {
	kept := m.keep(c)
	if kept == nil {
		return nil, false, nil
	}
	lost, err := m.claims.Lost(ctx, []store.Claim{c})
	if err != nil || len(lost) > 0 {
		kept.Done()
		return nil, false, err
	}
	return kept.Done, true, nil
}

func (m *Member) keep(c store.Claim) *sync.WaitGroup {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.held[c.Share] != c {
		return nil
	}
	if m.kept[c] == nil {
		m.kept[c] = &sync.WaitGroup{}
	}
	m.kept[c].Add(1)
	return m.kept[c]
}

// drop lets go of a share, and returns what is kept of it until it is done; nil for nothing. mu is held.
func (m *Member) drop(share uint32) *sync.WaitGroup {
	c := m.held[share]
	kept := m.kept[c]
	delete(m.held, share)
	delete(m.kept, c)
	return kept
}
