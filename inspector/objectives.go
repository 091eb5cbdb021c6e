package inspector

import (
	"context"
	"math"
	"time"

	"github.com/rollcallhq/rollcall/inspector/api"
	"github.com/rollcallhq/rollcall/internal/store"
)

// Objectives tells how the targets of a stream stand; false where the stream is not known.
type Objectives interface {
	Objectives(ctx context.Context, stream string, now time.Time) ([]store.ObjectiveState, bool, error)
}

func (s *Inspector) getObjectives(ctx context.Context, in *StreamParam) (*answer[api.Page[api.Objective]], error) {
	if err := checkName("path.stream", in.Stream); err != nil {
		return nil, err
	}
	found, known, err := s.Auditor.Objectives(ctx, in.Stream, s.Now())
	if err == nil && !known {
		err = notFound("no stream %q: no report has named it and it has no settings; GET /api/v1/streams lists those there are", in.Stream)
	}
	if err != nil {
		return nil, err
	}
	return reply(api.Page[api.Objective]{Items: rows(found, func(o store.ObjectiveState) api.Objective { return objectiveOf(in.Stream, o) })}), nil
}

func objectiveOf(stream string, o store.ObjectiveState) api.Objective {
	return api.Objective{
		Stream: stream, Objective: o.Objective, Target: o.Target, ThresholdMillis: o.Threshold.Milliseconds(), Days: store.BudgetDays,
		Events: o.Total, Bad: o.Bad, Share: goodShare(o.Total, o.Bad), BudgetLeft: o.Left, Alarms: append([]string{}, o.Alarms...),
		Burn: rows(o.Burn, func(b store.BurnRate) api.BurnRate {
			return api.BurnRate{SpanMillis: b.Span.Milliseconds(), Events: b.Total, Bad: b.Bad, Rate: b.Rate}
		}),
	}
}

// goodShare is the share of events that are not bad, never rounded up to all of them; nil where there are none.
func goodShare(total, bad uint64) *float64 {
	if total == 0 {
		return nil
	}
	share := 1.0
	if bad > 0 {
		share = min(float64(total-min(bad, total))/float64(total), math.Nextafter(1, 0))
	}
	return &share
}
