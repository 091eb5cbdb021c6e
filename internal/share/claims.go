package share

import (
	"context"
	"time"

	"github.com/rollcallhq/rollcall/internal/store"
)

// run claims what is assigned, lets go of what another has claimed, and tells the store of passes.
func (m *Member) run(ctx context.Context) {
	defer close(m.done)
	tick := time.NewTicker(m.config.Check)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-m.kick:
		case <-tick.C:
			m.look(ctx, "look for claims of others", m.yield)
			m.look(ctx, "tell of the last pass", m.note)
		}
		m.look(ctx, "claim streams", m.claim)
	}
}

// look tries something that is tried again with the next tick.
func (m *Member) look(ctx context.Context, what string, try func(context.Context) error) {
	bounded, cancel := context.WithTimeout(ctx, storePatience)
	defer cancel()
	if err := try(bounded); err != nil && ctx.Err() == nil {
		m.log.Warn("sharing of streams: something failed and is tried again", "what", what, "error", err)
	}
}

// claim claims what is assigned and may be claimed.
func (m *Member) claim(ctx context.Context) error {
	claims, err := m.claims.Claim(ctx, m.unclaimed())
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, c := range claims {
		if _, ours := m.assigned[c.Share]; ours {
			m.held[c.Share] = c
		}
	}
	if len(claims) > 0 {
		m.last = store.SharePass{} // it was not over these
		m.log.Info("judging shares of the streams", "shares", len(m.held), "claimed", len(claims))
	}
	m.metrics.held.Set(float64(len(m.held)))
	return nil
}

func (m *Member) unclaimed() []uint32 {
	m.mu.Lock()
	defer m.mu.Unlock()
	var shares []uint32
	for share, from := range m.assigned {
		if _, there := m.held[share]; !there && !time.Now().Before(from) {
			shares = append(shares, share)
		}
	}
	return shares
}

// yield lets go of what another has claimed. Where the group still says that it is ours it is claimed again, but only after the group had
// the time to say otherwise: it is most likely we who were late.
func (m *Member) yield(ctx context.Context) error {
	m.mu.Lock()
	claims := make([]store.Claim, 0, len(m.held))
	for _, c := range m.held {
		claims = append(claims, c)
	}
	m.mu.Unlock()
	lost, err := m.claims.Lost(ctx, claims)
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, c := range lost {
		if m.held[c.Share] != c {
			continue
		}
		m.drop(c.Share)
		if _, ours := m.assigned[c.Share]; ours {
			m.assigned[c.Share] = time.Now().Add(2 * m.config.Check)
		}
		m.metrics.lost.Inc()
	}
	if len(lost) > 0 {
		m.log.Warn("another process judges streams that were judged here", "shares", len(lost))
	}
	m.metrics.held.Set(float64(len(m.held)))
	return nil
}

// note tells the store of the last pass, for people to see how old verdicts may be.
func (m *Member) note(ctx context.Context) error {
	m.mu.Lock()
	last := m.last
	var passes []store.SharePass
	for share := range m.held {
		passes = append(passes, store.SharePass{Share: share, At: last.At, Took: last.Took, Member: last.Member})
	}
	fresh := last.At.After(m.noted)
	m.mu.Unlock()
	if !fresh || len(passes) == 0 {
		return nil
	}
	if err := m.claims.NotePasses(ctx, passes); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.noted = last.At
	return nil
}
