package ingest

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/rollcallhq/rollcall/audit/wire"
	"github.com/rollcallhq/rollcall/internal/store"
)

// reportRequest is a request that holds reports.
type reportRequest = request[store.Received]

// checkReports answers the requests that cannot be taken, with a Refusal each, and returns the others. With an
// error nothing is known of those returned.
func (in *Intake) checkReports(ctx context.Context, group []*reportRequest) ([]*reportRequest, error) {
	good, err := in.checkLengths(ctx, group)
	if err != nil {
		return good, err
	}
	if good, err = in.checkStored(ctx, good); err != nil {
		return good, err
	}
	return checkNumbers(good), nil // what is stored stands before what comes with it
}

// checkLengths refuses reports whose windows are not of their stream's length.
func (in *Intake) checkLengths(ctx context.Context, group []*reportRequest) ([]*reportRequest, error) {
	settings, err := in.lengths.of(ctx, streamsOf(group))
	if err != nil {
		return group, err
	}
	wrong := func(r *reportRequest) bool { return lengthFaults(r, settings) != nil }
	if slices.ContainsFunc(group, wrong) { // settings may have changed since they were read
		if settings, err = in.lengths.fresh(ctx, streamsOf(group)); err != nil {
			return group, err
		}
	}
	return refuse(group, func(r *reportRequest) error { return lengthFaults(r, settings) }), nil
}

// refuse answers the requests in which something is wrong and returns the others.
func refuse(group []*reportRequest, fault func(*reportRequest) error) []*reportRequest {
	good := make([]*reportRequest, 0, len(group))
	for _, r := range group {
		if err := fault(r); err != nil {
			r.finish(err)
			continue
		}
		good = append(good, r)
	}
	return good
}

func streamsOf(group []*reportRequest) []string {
	names := map[string]bool{}
	for _, r := range group {
		for i := range r.items {
			names[r.items[i].Stream] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}

func lengthFaults(r *reportRequest, settings map[string]store.Settings) error {
	wrong := &Refusal{reason: reasonLength}
	for i := range r.items {
		report := &r.items[i]
		of, known := settings[report.Stream]
		if !known {
			of = store.DefaultSettings(report.Stream)
		}
		for j := range report.Windows {
			w := &report.Windows[j]
			if length := of.Seconds(w.Start); length != w.Seconds {
				wrong.add(fmt.Sprintf("reports[%d].windows[%d].seconds", i, j), "%d is not the window length of stream %s at %s, which is %d",
					w.Seconds, report.Stream, w.Start.UTC().Format(time.RFC3339), length)
			}
		}
		endedFaults(wrong, i, report, of)
	}
	return wrong.orNil()
}

func endedFaults(wrong *Refusal, i int, report *store.Received, of store.Settings) {
	for j := range report.Ended {
		for start := range report.Ended[j].Windows {
			if length := of.Seconds(start); !wire.Aligned(start, length) {
				wrong.add(fmt.Sprintf("reports[%d].ended[%d].windows[%q]", i, j, start.UTC().Format(time.RFC3339)),
					"not the start of a window of stream %s, whose windows are %d s long", report.Stream, length)
			}
		}
	}
}

// numberKey is what a report's number belongs to.
type numberKey struct {
	stream, hop string
	emitter     wire.UID
	number      uint64
}

func keyOf(r *store.Received) numberKey { return numberKey{r.Stream, r.Hop, r.Emitter, r.Number} }

// checkNumbers refuses requests that use a number for two different reports, in themselves or beside an earlier one of the group.
func checkNumbers(group []*reportRequest) []*reportRequest {
	used := map[numberKey]uint64{}
	return refuse(group, func(r *reportRequest) error {
		wrong, mine := &Refusal{reason: reasonConflict}, map[numberKey]uint64{}
		for i := range r.items {
			key, digest := keyOf(&r.items[i]), wire.Digest(r.items[i].Report)
			if other, twice := mine[key]; twice && other != digest {
				wrong.add(numberPath(i), "%d is used twice in this request, for reports with different content", key.number)
			}
			if other, taken := used[key]; taken && other != digest {
				wrong.add(numberPath(i), numberUsed, key.number)
			}
			mine[key] = digest
		}
		if len(wrong.Faults) == 0 {
			maps.Copy(used, mine)
		}
		return wrong.orNil()
	})
}

const numberUsed = "%d was already used by this emitter for a report with different content"

func numberPath(i int) string { return fmt.Sprintf("reports[%d].number", i) }

// checkStored refuses requests that use a number differently from what is stored.
func (in *Intake) checkStored(ctx context.Context, group []*reportRequest) ([]*reportRequest, error) {
	var all []store.Received
	for _, r := range group {
		all = append(all, r.items...)
	}
	if len(all) == 0 {
		return group, nil
	}
	conflicts, err := in.Store.Conflicts(ctx, all)
	if err != nil || len(conflicts) == 0 {
		return group, err
	}
	bad := map[int]bool{}
	for _, c := range conflicts {
		bad[c.Index] = true
	}
	first := 0
	return refuse(group, func(r *reportRequest) error {
		wrong := &Refusal{reason: reasonConflict}
		for i := range r.items {
			if bad[first+i] {
				wrong.add(numberPath(i), numberUsed, r.items[i].Number)
			}
		}
		first += len(r.items)
		return wrong.orNil()
	}), nil
}

// lengths keeps the settings of streams for a moment, so that an insert does not cost a query for each.
// Only the committer uses it.
type lengths struct {
	store  Store
	maxAge time.Duration
	now    func() time.Time
	known  map[string]store.Settings
	read   time.Time
}

// of returns the settings, at most maxAge old.
func (l *lengths) of(ctx context.Context, streams []string) (map[string]store.Settings, error) {
	missing := func(s string) bool { _, ok := l.known[s]; return !ok }
	if age := l.now().Sub(l.read); age >= 0 && age < l.maxAge && !slices.ContainsFunc(streams, missing) {
		return l.known, nil
	}
	return l.fresh(ctx, streams)
}

// fresh reads the settings anew; those of other streams are forgotten.
func (l *lengths) fresh(ctx context.Context, streams []string) (map[string]store.Settings, error) {
	if len(streams) == 0 {
		return nil, nil
	}
	found, err := l.store.Settings(ctx, streams)
	if err != nil {
		return nil, err
	}
	l.known, l.read = found, l.now()
	return found, nil
}
