package store

import (
	"context"
	"time"
)

// Owned is the store as the judge of some shares may use it: what is due is read of their streams alone, and what is written of a share that
// somebody else has claimed meanwhile is left out, each statement as a whole: what comes after a statement that was left out is left out too.
type Owned struct {
	*Store
	held []Claim
}

// Owned returns the store limited to what is claimed.
func (s *Store) Owned(claims []Claim) *Owned {
	return &Owned{s, append([]Claim{}, claims...)}
}

const selectOwnedDueMarks = `
SELECT due, stream, start, since, token
FROM marks
WHERE due <= {now:Int64} AND ` + shareOf + ` IN (SELECT share FROM held)
GROUP BY due, stream, start, since, token
HAVING sum(n) > 0
ORDER BY due, stream, start
LIMIT {limit:UInt64}`

// DueMarks is that of Store, of the streams held.
func (o *Owned) DueMarks(ctx context.Context, now time.Time, limit int) ([]Mark, error) {
	if len(o.held) == 0 {
		return nil, nil
	}
	args, err := params{}.value("now", now.UnixMilli()).value("limit", limit).held(o.held)
	if err != nil {
		return nil, err
	}
	return o.selectMarks(ctx, selectOwnedDueMarks, args)
}

// ReplaceMarks is that of Store, of the streams held.
func (o *Owned) ReplaceMarks(ctx context.Context, old, next []Mark) error {
	return o.insertHeld(ctx, given{
		table: "marks", columns: "due, stream, start, since, token, n",
		types: []string{"Int64", "String", "DateTime('UTC')", "Int64", "UInt64", "Int64"}, rows: markRows(old, next),
	}, o.held)
}

// AddVerdicts is that of Store, of the streams held.
func (o *Owned) AddVerdicts(ctx context.Context, verdicts []Verdict) error {
	return o.addVerdicts(ctx, verdicts, o.held)
}

// AddIncidents is that of Store, of the streams held.
func (o *Owned) AddIncidents(ctx context.Context, incidents []Incident) error {
	return o.addIncidents(ctx, incidents, o.held)
}

// AddBudgets is that of Store, of the streams held.
func (o *Owned) AddBudgets(ctx context.Context, budgets []Budget, now time.Time) error {
	return o.addBudgets(ctx, budgets, now, o.held)
}

// KeepClosedSeen is that of Store, of the streams held.
func (o *Owned) KeepClosedSeen(ctx context.Context, hops []HopWindow) error {
	return o.keepClosedSeen(ctx, hops, o.held)
}

// SetProgress is that of Store, of the streams held.
func (o *Owned) SetProgress(ctx context.Context, progress []Progress, now time.Time) error {
	return o.insertHeld(ctx, given{
		table: "progress", columns: "stream, earliest, examined, reach, uncovered, at",
		types: []string{"String", "Int64", "Int64", "Int64", "Int64", "Int64"}, rows: progressRows(progress, now),
	}, o.held)
}
