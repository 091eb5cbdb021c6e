package inspector

import (
	"context"
	"fmt"
	"time"

	"github.com/rollcallhq/rollcall/inspector/api"
	"github.com/rollcallhq/rollcall/internal/store"
)

// Watermarks keeps how the completeness watermarks moved.
type Watermarks interface {
	Watermarks(ctx context.Context, stream string, from, to time.Time, limit int) ([]store.WatermarkMove, error)
}

func (s *Inspector) watermarkRoutes() {
	get(s, "list-watermark-moves", "/streams/{stream}/watermark/history", "How the completeness watermark moved, and why it stepped back", s.listMoves)
}

func (s *Inspector) listMoves(ctx context.Context, in *struct {
	StreamParam
	RangeParams
	PageParams
}) (*answer[api.Page[api.WatermarkMove]], error) {
	now := s.Now()
	limit, after, err := in.PageParams.read()
	if err != nil {
		return nil, err
	}
	from, to, err := in.RangeParams.read(now, usualRange, hoursRange)
	if err != nil {
		return nil, err
	}
	if _, err := s.stream(ctx, in.Stream, now); err != nil {
		return nil, err
	}
	if from, err = startAfter(from, after); err != nil {
		return nil, err
	}
	found, err := s.Store.Watermarks(ctx, in.Stream, from, to, limit+2) // one of the page before, and one that says that there is more
	if err != nil {
		return nil, err
	}
	return reply(page(rows(found, moveOf), limit, after, moveKey)), nil
}

func moveKey(m api.WatermarkMove) string { return fmt.Sprintf("%016x|", m.At.UnixMilli()) }

func moveOf(m store.WatermarkMove) api.WatermarkMove {
	return api.WatermarkMove{
		At: m.At.UTC(), Watermark: m.Watermark.UTC(), Previous: some(m.Previous), Back: m.Watermark.Before(m.Previous), Reason: m.Reason, BlockedBy: blockedOf(m.Blocked),
	}
}

func blockedOf(b *store.Blocked) *api.Blocked {
	if b == nil {
		return nil
	}
	return &api.Blocked{Window: b.Start.UTC(), Edge: b.Edge.String(), State: b.State.String(), Reasons: rows(b.Reasons, reasonOf)}
}
