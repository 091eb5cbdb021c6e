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

// Keep asks the store which of the claims still stand, and keeps those until done is called: the group waits so long before their shares pass on,
// though no longer than it does for a pass. done is there to be called also where none stands.
func (m *Member) Keep(ctx context.Context, claims []store.Claim) (kept []store.Claim, done func(), err error) {
	var waits []*sync.WaitGroup
	for _, c := range claims {
		if wait := m.keep(c); wait != nil {
			kept, waits = append(kept, c), append(waits, wait)
		}
	}
	done = func() {
		for _, wait := range waits {
			wait.Done()
		}
	}
	lost, err := m.claims.Lost(ctx, kept)
	if err != nil {
		done()
		return nil, func() {}, err
	}
	return slices.DeleteFunc(kept, func(c store.Claim) bool { return slices.Contains(lost, c) }), done, nil
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
