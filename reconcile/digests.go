package reconcile

import (
	"context"
	"fmt"
	"iter"
	"time"

	"github.com/rollcallhq/rollcall/internal/certificate"
	"github.com/rollcallhq/rollcall/internal/store"
)

// digestStore is where what hops took over in an hour is found, for as long as closed windows are kept.
type digestStore interface {
	HourRolls(ctx context.Context, stream string, from, to time.Time) iter.Seq2[store.HourRoll, error]
	HourUIDs(ctx context.Context, stream string, from, to time.Time) iter.Seq2[store.HourUID, error]
}

// Digests makes the digests of what hops took over in an hour from what is stored now. Hops that are named are in the outcome, be there no event.
func (r *Reader) Digests(ctx context.Context, stream string, hour certificate.Hour, hops ...string) ([]certificate.Hop, error) {
	d := certificate.NewDigests(hops...)
	from, to := hour.Time, hour.Add(time.Hour)
	for one, err := range r.store.HourRolls(ctx, stream, from, to) {
		if err == nil {
			err = d.Roll(one.Start, one.Source, one.Hop, one.Kind, one.Roll)
		}
		if err != nil {
			return nil, fmt.Errorf("reconcile: digest hour %s of stream %s: %w", hour, stream, err)
		}
	}
	for one, err := range r.store.HourUIDs(ctx, stream, from, to) {
		if err == nil {
			err = d.Foreign(one.Start, one.UID, one.Hop, one.Seen, one.Filtered, one.Rejected)
		}
		if err != nil {
			return nil, fmt.Errorf("reconcile: digest hour %s of stream %s: %w", hour, stream, err)
		}
	}
	return d.Hops(), nil
}
