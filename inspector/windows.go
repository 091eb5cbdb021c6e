package inspector

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rollcallhq/rollcall/inspector/api"
	"github.com/rollcallhq/rollcall/internal/store"
)

const (
	windowRange   = 31 * 24 * time.Hour // longest range of windows asked for at once
	namedKindText = "lost, pending, duplicated, redelivered, unexpected, corrupt, invalid, filtered, rejected, skewed, late, invalidAtSource, replayed"
)

func (s *Inspector) windowRoutes() {
	get(s, "list-windows", "/streams/{stream}/windows", "Verdicts of a stream's windows, one row a window and edge", s.listWindows)
	get(s, "get-window", "/streams/{stream}/windows/{start}", "One window and edge, with its revisions", s.getWindow)
	get(s, "list-uids", "/streams/{stream}/windows/{start}/uids", "The UIDs of one kind in one window and edge", s.listUIDs)
	get(s, "get-evidence", "/streams/{stream}/windows/{start}/evidence", "What a verdict rests on: lanes, watermarks, reports", s.getEvidence)
}

type windowsInput struct {
	StreamParam
	RangeParams
	PageParams
	EdgeParam
}

// EdgeParam names an edge.
type EdgeParam struct {
	Edge string `query:"edge" doc:"as app..agent"`
}

func (s *Inspector) listWindows(ctx context.Context, in *windowsInput) (*answer[api.Page[api.Window]], error) {
	now := s.Now()
	limit, after, err := in.PageParams.read()
	if err != nil {
		return nil, err
	}
	from, to, err := in.RangeParams.read(now, time.Hour, windowRange)
	if err != nil {
		return nil, err
	}
	edge, err := readEdge("query.edge", in.Edge)
	if err != nil {
		return nil, err
	}
	info, err := s.stream(ctx, in.Stream, now)
	if err != nil {
		return nil, err
	}
	if from, err = startAfter(from, after); err != nil {
		return nil, err
	}
	found, err := s.windowsUpTo(ctx, info, limit, after, from, to, now, edge)
	if err != nil {
		return nil, err
	}
	return reply(page(found, limit, after, windowKey)), nil
}

// windowKey orders windows by start, then edge.
func windowKey(w api.Window) string { return fmt.Sprintf("%016x|%s", w.Start.UnixMilli(), w.Edge) }

// startAfter moves the range to the window of the last row of the page before.
func startAfter(from time.Time, after string) (time.Time, error) {
	if after == "" {
		return from, nil
	}
	var millis int64
	if _, err := fmt.Sscanf(after, "%x|", &millis); err != nil {
		return from, fault("query.cursor", "not a cursor of this list")
	}
	if last := time.UnixMilli(millis).UTC(); last.After(from) {
		return last, nil
	}
	return from, nil
}

// windowsUpTo reads the range in growing pieces until a page and one row more is there, so that the first
// page of a month does not cost a month.
func (s *Inspector) windowsUpTo(ctx context.Context, info store.StreamInfo, limit int, after string, from, to, now time.Time, edge *store.Edge) ([]api.Window, error) {
	var found []api.Window
	if from.Before(info.Earliest) {
		from = info.Earliest
	}
	piece := time.Duration(limit+2) * shortest(info.Settings)
	for from.Before(to) && len(found) <= limit {
		end := from.Add(piece)
		if end.After(to) {
			end = to
		}
		more, err := s.verdicts(ctx, info.Stream, from, end, now, edge)
		if err != nil {
			return nil, err
		}
		found = append(found, slices.DeleteFunc(more, func(w api.Window) bool { return after != "" && windowKey(w) <= after })...)
		from, piece = end, 4*piece
	}
	return found, nil
}

func shortest(in store.Settings) time.Duration {
	least := lastLength(in).Seconds
	for _, l := range in.Lengths {
		least = min(least, l.Seconds)
	}
	return time.Duration(max(least, 1)) * time.Second
}

// verdicts returns the windows that start in [from, to) with their latency.
func (s *Inspector) verdicts(ctx context.Context, stream string, from, to, now time.Time, edge *store.Edge) ([]api.Window, error) {
	found, err := s.Auditor.Windows(ctx, stream, from, to, now, edge)
	if err != nil {
		return nil, err
	}
	return s.withLatency(ctx, stream, found)
}

// withLatency adds to each verdict the latency of its later hop.
func (s *Inspector) withLatency(ctx context.Context, stream string, found []store.Verdict) ([]api.Window, error) {
	if len(found) == 0 {
		return []api.Window{}, nil
	}
	first, last := found[0].Start, found[0].Start
	for _, v := range found {
		if v.Start.Before(first) {
			first = v.Start
		}
		if v.Start.After(last) {
			last = v.Start
		}
	}
	// A whole second: the store reads instants in seconds, and a range within one would be empty.
	measured, err := s.Store.Latencies(ctx, stream, first, last.Add(time.Second))
	if err != nil {
		return nil, err
	}
	return rows(found, func(v store.Verdict) api.Window {
		w := windowOf(v)
		h := measured[store.LatencyKey{Start: v.Start.UTC(), Hop: v.Edge.To}]
		h.NotArrived = missing(&v)
		w.Latency = percentiles(h, v.Delivered)
		return w
	}), nil
}

// WindowInput names a window.
type WindowInput struct {
	StreamParam
	Start string `path:"start" format:"date-time" doc:"start of the window"`
	EdgeParam
}

// asked is one window as a request names it.
type asked struct {
	stream string
	start  time.Time
	edge   *store.Edge
	now    time.Time
}

// window reads which window a request names and checks that the stream is known and the start is one of its windows.
func (s *Inspector) window(ctx context.Context, in WindowInput) (asked, error) {
	w := asked{stream: in.Stream, now: s.Now()}
	var err error
	if w.start, err = readTime("path.start", in.Start); err != nil {
		return w, err
	}
	if w.edge, err = readEdge("query.edge", in.Edge); err != nil {
		return w, err
	}
	info, err := s.stream(ctx, in.Stream, w.now)
	if err != nil {
		return w, err
	}
	seconds := info.Settings.Seconds(w.start)
	if length := time.Duration(seconds) * time.Second; !w.start.Equal(w.start.Truncate(length)) {
		return w, fault("path.start", "%s is not the start of a window: windows of stream %s are %d s long; the one around it starts at %s",
			stamp(w.start), in.Stream, seconds, stamp(w.start.Truncate(length)))
	}
	return w, nil
}

// rows returns the verdicts of the window asked for, at least one.
func (s *Inspector) rowsOf(ctx context.Context, w asked) ([]store.Verdict, error) {
	found, err := s.Auditor.Windows(ctx, w.stream, w.start, w.start.Add(time.Second), w.now, w.edge)
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, w.missing()
	}
	return found, nil
}

func (w asked) missing() error {
	on := ""
	if w.edge != nil {
		on = fmt.Sprintf(" on edge %s", w.edge)
	}
	if w.start.After(w.now) {
		return notFound("stream %s has no window at %s%s yet: it lies in the future", w.stream, stamp(w.start), on)
	}
	return notFound("stream %s has no window at %s%s; GET /api/v1/streams/%s/windows lists those it has", w.stream, stamp(w.start), on, w.stream)
}

// one returns the only verdict, or asks which edge is meant.
func one(found []store.Verdict) (store.Verdict, error) {
	if len(found) == 1 {
		return found[0], nil
	}
	return store.Verdict{}, fault("query.edge", "the window has %d edges; name one of %s", len(found),
		strings.Join(rows(found, func(v store.Verdict) string { return v.Edge.String() }), ", "))
}

func (s *Inspector) getWindow(ctx context.Context, in *WindowInput) (*answer[api.WindowDetail], error) {
	w, err := s.window(ctx, *in)
	if err != nil {
		return nil, err
	}
	found, err := s.rowsOf(ctx, w)
	if err != nil {
		return nil, err
	}
	verdict, err := one(found)
	if err != nil {
		return nil, err
	}
	told, err := s.withLatency(ctx, w.stream, []store.Verdict{verdict})
	if err != nil {
		return nil, err
	}
	revisions, err := s.Auditor.Revisions(ctx, w.stream, w.start, verdict.Edge)
	if err != nil {
		return nil, err
	}
	said, err := s.sentenceOf(ctx, verdict)
	if err != nil {
		return nil, err
	}
	return reply(api.WindowDetail{Window: told[0], Sentence: said, Revisions: rows(revisions, windowOf)}), nil
}

func (s *Inspector) getEvidence(ctx context.Context, in *WindowInput) (*answer[api.Evidence], error) {
	w, err := s.window(ctx, *in)
	if err != nil {
		return nil, err
	}
	e, found, err := s.Auditor.Evidence(ctx, w.stream, w.start, w.edge, w.now)
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, w.missing()
	}
	return reply(api.Evidence{
		Stream: w.stream, Start: w.start, Edge: in.Edge, SettleLimit: some(e.SettleLimit),
		Hops: rows(e.Hops, hopEvidenceOf), Reports: rows(e.Reports, reportOf),
	}), nil
}

type uidsInput struct {
	WindowInput
	PageParams
	Kind string `query:"kind" enum:"lost,pending,duplicated,redelivered,unexpected,corrupt,invalid,filtered,rejected,skewed,late,invalidAtSource,replayed" doc:"default lost"`
}

func (s *Inspector) listUIDs(ctx context.Context, in *uidsInput) (*answer[api.Page[api.UID]], error) {
	limit, after, err := in.PageParams.read()
	if err != nil {
		return nil, err
	}
	kind := in.Kind
	if kind == "" {
		kind = "lost"
	}
	if !slices.Contains(strings.Split(namedKindText, ", "), kind) {
		return nil, fault("query.kind", "%q is not one of %s", kind, namedKindText)
	}
	w, err := s.window(ctx, in.WindowInput)
	if err != nil {
		return nil, err
	}
	edge, err := s.edgeOf(ctx, w)
	if err != nil {
		return nil, err
	}
	items, next, found, err := s.Auditor.Named(ctx, w.stream, w.start, edge, kind, after, limit, w.now)
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, w.missing()
	}
	out := api.Page[api.UID]{Items: rows(items, uidOf)}
	if next != "" {
		out.Next = cursor(next)
	}
	return reply(out), nil
}

// edgeOf returns the edge asked for, or the only one of the window.
func (s *Inspector) edgeOf(ctx context.Context, w asked) (store.Edge, error) {
	if w.edge != nil {
		return *w.edge, nil
	}
	found, err := s.rowsOf(ctx, w)
	if err != nil {
		return store.Edge{}, err
	}
	v, err := one(found)
	return v.Edge, err
}
