package app

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/rollcallhq/rollcall/internal/notify"
)

// Limits are over what receivers are told that Rollcall itself is not well. Zero values take the defaults.
type Limits struct {
	IngestLag    int64         // records of rollcall.reports that wait to be stored; 100 000
	ReconcileAge time.Duration // since every stream was last looked at; 1 min
	Quarantined  uint64        // records put aside within quarantineSpan; 10
}

// quarantineSpan is over how long it is counted what was put aside.
const quarantineSpan = 5 * time.Minute

func (l Limits) withDefaults() Limits {
	if l.IngestLag == 0 {
		l.IngestLag = 100_000
	}
	if l.ReconcileAge == 0 {
		l.ReconcileAge = time.Minute
	}
	if l.Quarantined == 0 {
		l.Quarantined = 10
	}
	return l
}

// checks are what must hold for this server to see what is lost.
func (a *App) checks() []notify.Check {
	limits, started := a.config.Limits.withDefaults(), time.Now()
	return []notify.Check{
		{Name: "store_away", Fault: a.storeAway},
		{Name: "ingest_lag", Under: "store_away", Fault: func(ctx context.Context) (string, error) { return a.ingestLags(ctx, limits.IngestLag) }},
		{Name: "reconcile_age", Under: "store_away", Fault: func(ctx context.Context) (string, error) { return a.reconcileAged(ctx, limits.ReconcileAge, started) }},
		{Name: "quarantine_rate", Fault: func(ctx context.Context) (string, error) { return a.quarantines(ctx, limits.Quarantined) }},
	}
}

func (a *App) storeAway(ctx context.Context) (string, error) {
	fault := ""
	if a.store.Ping(ctx) != nil {
		fault = "the store does not answer: no report is stored and no window is judged"
	}
	return fault, nil
}

// ingestLags also tells that Kafka is away: then nobody knows how much waits there.
func (a *App) ingestLags(ctx context.Context, limit int64) (string, error) {
	fault := ""
	if lag, err := a.lag(ctx); err != nil {
		fault = "Kafka does not say how many reports wait to be stored"
	} else if lag > limit {
		fault = fmt.Sprintf("%s reports wait in Kafka to be stored, over the limit of %s", spaced(lag), spaced(limit))
	}
	return fault, nil
}

// reconcileAged counts from the start of the process where there is a share of the streams that nobody looked at yet.
func (a *App) reconcileAged(ctx context.Context, limit time.Duration, started time.Time) (string, error) {
	last, now := a.stalest(ctx).At, time.Now()
	if last.IsZero() {
		last = started
	}
	if age := now.Sub(last); age > limit {
		return fmt.Sprintf("there are streams that were not looked at for %s, over the limit of %s", age.Round(time.Second), limit), nil
	}
	return "", nil
}

// quarantines cannot tell where the store does not answer, of which there is another check.
func (a *App) quarantines(ctx context.Context, limit uint64) (string, error) {
	n, err := a.store.QuarantinedSince(ctx, time.Now().Add(-quarantineSpan))
	if err != nil {
		return "", err
	}
	if n > limit {
		return fmt.Sprintf("%s records could not be read within %s and were put aside, over the limit of %s", spaced(int64(n)), quarantineSpan, spaced(int64(limit))), nil
	}
	return "", nil
}

// spaced writes a number with a space between thousands.
func spaced(n int64) string {
	digits := strconv.FormatInt(n, 10)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + " " + digits[i:]
	}
	return digits
}
