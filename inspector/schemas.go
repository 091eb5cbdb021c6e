package inspector

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/rollcallhq/rollcall/audit/wire"
	"github.com/rollcallhq/rollcall/inspector/api"
	"github.com/rollcallhq/rollcall/internal/store"
)

// The bounds of what is told of schemas at once.
const (
	schemaRange   = 7 * 24 * time.Hour
	schemaPage    = 24 * time.Hour // of windows on one page
	usualSchemas  = 60             // windows a page, where nobody says how many
	mostSchemas   = 200            // however many are asked for
	namedReasons  = 10             // of each outcome, and hosts, that are named; the others are summed
	namedVersions = 100
	mostSamples   = 200 // a page, however many are asked for
)

// Schemas tells what hops said of schemas, and shows events that broke them.
type Schemas interface {
	SchemaWindows(ctx context.Context, q store.SchemaQuery, limit int) ([]time.Time, error)
	SchemaFigures(ctx context.Context, q store.SchemaQuery) (map[store.SchemaKey]*store.SchemaFigures, error)
	SchemaVersions(ctx context.Context, q store.SchemaQuery) ([]store.SchemaVersion, error)
	Samples(ctx context.Context, q store.SampleQuery) ([]wire.Sample, string, error)
}

func (s *Inspector) schemaRoutes() {
	get(s, "list-schemas", "/streams/{stream}/schemas", "What hops said of schemas, window by window, beside how complete the events are", s.listSchemas)
	get(s, "list-samples", "/streams/{stream}/samples", "Events that broke their schema, masked by the hop that checked them", s.listSamples)
}

type schemasInput struct {
	StreamParam
	RangeParams
	PageParams
	HopParam
	StepParam
}

// HopParam names a hop.
type HopParam struct {
	Hop string `query:"hop" doc:"only this hop"`
}

// read holds that the stream has the hop: a misspelt one would have nothing to say, which reads as if nothing were wrong.
func (p HopParam) read(info store.StreamInfo) error {
	if p.Hop == "" || slices.ContainsFunc(info.Hops, func(h store.HopInfo) bool { return h.Hop == p.Hop }) {
		return nil
	}
	return fault("query.hop", "stream %s has no hop %q; it has %s", info.Stream, p.Hop,
		strings.Join(rows(info.Hops, func(h store.HopInfo) string { return h.Hop }), ", "))
}

func (s *Inspector) listSchemas(ctx context.Context, in *schemasInput) (*answer[api.Schemas], error) {
	now := s.Now()
	limit, after, err := in.readUpTo(usualSchemas, maxLimit)
	if err != nil {
		return nil, err
	}
	from, to, err := in.RangeParams.readPast(now, schemaRange)
	if err != nil {
		return nil, err
	}
	info, err := s.stream(ctx, in.Stream, now)
	if err != nil {
		return nil, err
	}
	if err := in.HopParam.read(info); err != nil {
		return nil, err
	}
	by, err := in.StepParam.read(from, info.Settings)
	if err != nil {
		return nil, err
	}
	q := store.SchemaQuery{Stream: in.Stream, Hop: in.Hop, From: from, To: to, Top: namedVersions}
	out := api.Schemas{Versions: []api.SchemaVersion{}}
	if after == "" {
		if out.Versions, out.Hops, err = s.schemasWhole(ctx, q, now); err != nil {
			return nil, err
		}
	} else if q.From, err = startBehind(after, by); err != nil {
		return nil, err
	}
	q.Top, q.Origin, q.Step = namedReasons, by.origin, by.step
	starts, next, err := s.schemaStarts(ctx, q, by, min(limit, mostSchemas))
	if err != nil {
		return nil, err
	}
	out.Next = next
	out.Items, err = s.schemaWindows(ctx, info, q, by, starts, now)
	return reply(out), err
}

// schemasWhole tells of the whole range: which versions appeared when, and how many windows of each hop may still change.
func (s *Inspector) schemasWhole(ctx context.Context, q store.SchemaQuery, now time.Time) ([]api.SchemaVersion, []api.SchemaHop, error) {
	versions, err := s.Store.SchemaVersions(ctx, q)
	if err != nil {
		return nil, nil, err
	}
	all := newSums()
	err = s.eachWindow(ctx, q.Stream, q.From, q.To, now, func(_ time.Time, of []store.Verdict) { all.addWindow(of) })
	hops := []api.SchemaHop{}
	for _, hop := range slices.Sorted(maps.Keys(all.hops)) {
		if j := all.hops[hop]; q.Hop == "" || q.Hop == hop {
			hops = append(hops, api.SchemaHop{Hop: hop, Standing: standingOf(j)})
		}
	}
	return rows(versions, versionOf), hops, err
}

func standingOf(j judged) api.Standing {
	return api.Standing{Windows: j.windows, NotClosed: j.open + j.unknown, Unknown: j.unknown}
}

// startBehind reads a cursor: the start of the last window or stretch of the page before.
func startBehind(after string, by stretch) (time.Time, error) {
	last, err := time.Parse(time.RFC3339, after)
	if err != nil {
		return last, fault("query.cursor", "not a cursor of this list")
	}
	return last.Add(by.step).UTC(), nil
}

// schemaStarts returns the windows or stretches of one page, ascending, and the cursor of the next page.
func (s *Inspector) schemaStarts(ctx context.Context, q store.SchemaQuery, by stretch, limit int) ([]time.Time, string, error) {
	if !q.From.Before(q.To) {
		return nil, "", nil
	}
	starts, err := s.Store.SchemaWindows(ctx, q, limit+1)
	if err != nil || len(starts) == 0 {
		return nil, "", err
	}
	n := min(len(starts), limit)
	for !by.summed && starts[n-1].Sub(starts[0]) > schemaPage {
		n--
	}
	if n == len(starts) {
		return starts, "", nil
	}
	return starts[:n], cursor(starts[n-1].Format(time.RFC3339)), nil
}

// schemaWindows returns a row for each of the windows or stretches and each hop that checked schemas in it.
func (s *Inspector) schemaWindows(
	ctx context.Context, info store.StreamInfo, q store.SchemaQuery, by stretch, starts []time.Time, now time.Time,
) ([]api.SchemaWindow, error) {
	items := []api.SchemaWindow{}
	if len(starts) == 0 {
		return items, nil
	}
	q.From = starts[0]
	if last := starts[len(starts)-1].Add(by.step); last.Before(q.To) {
		q.To = last
	}
	figures, err := s.Store.SchemaFigures(ctx, q)
	if err != nil {
		return nil, err
	}
	at := map[time.Time]*sums{}
	err = s.eachWindow(ctx, info.Stream, q.From, q.To, now, func(start time.Time, of []store.Verdict) {
		k := by.of(start)
		if at[k] == nil {
			at[k] = newSums()
		}
		at[k].addWindow(of)
	})
	if err != nil {
		return nil, err
	}
	order := func(a, b store.SchemaKey) int { return cmp.Or(a.Start.Compare(b.Start), cmp.Compare(a.Hop, b.Hop)) }
	for _, k := range slices.SortedFunc(maps.Keys(figures), order) {
		if len(figures[k].Counts) == 0 {
			continue
		}
		seconds := info.Settings.Seconds(k.Start)
		if by.summed {
			seconds = uint32(by.step / time.Second)
		}
		items = append(items, schemaWindowOf(k, seconds, at[k.Start.UTC()], figures[k]))
	}
	return items, nil
}

func schemaWindowOf(k store.SchemaKey, seconds uint32, of *sums, f *store.SchemaFigures) api.SchemaWindow {
	if of == nil { // no window of it was judged
		of = newSums()
		of.hops[k.Hop] = judge(nil)
	}
	into := of.into(k.Hop)
	w := api.SchemaWindow{Start: k.Start, Seconds: seconds, Hop: k.Hop, Produced: of.produced, Standing: standingOf(of.hops[k.Hop])}
	w.Edges = rows(into, func(v store.Verdict) api.SchemaEdge {
		return api.SchemaEdge{Edge: v.Edge.String(), State: v.State.String(), Expected: v.Expected, Delivered: v.Delivered, Lost: v.Lost, Pending: v.Pending}
	})
	w.Sentence = sentence(into, w.Produced, f)
	sums, checked := outcomeSums(f.Counts)
	w.Checked, w.OK, w.Invalid, w.UnknownSchema = checked, sums["OK"], sums["INVALID"], sums["UNKNOWN_SCHEMA"]
	w.Undecodable, w.Deprecated = sums["UNDECODABLE"], sums["DEPRECATED"]
	if checked > 0 {
		w.InvalidShare = float64(w.Invalid) / float64(checked)
	}
	w.Counts, w.Sources, w.Emitters = rows(f.Counts, countOf), rows(f.Sources, hostOf), rows(f.Emitters, hostOf)
	return w
}

func versionOf(v store.SchemaVersion) api.SchemaVersion {
	return api.SchemaVersion{
		Hop: v.Hop, Schema: v.ID, Version: v.Version, First: v.First, Last: v.Last,
		Events: v.Events, OK: v.OK, Invalid: v.Invalid, Deprecated: v.Deprecated, Other: others(v.Other, v.Kinds),
	}
}

// sentenceOf says the same of one window and edge as the list of schemas does: of what the later hop checked, or, where that checked nothing, a
// first hop before it, of which no edge of its own could tell.
func (s *Inspector) sentenceOf(ctx context.Context, v store.Verdict) (string, error) {
	hop, by := v.Edge.To, ""
	if v.Checked == 0 && v.CheckedAtSource > 0 {
		hop, by = v.Edge.From, fmt.Sprintf(", as %s checked them", v.Edge.From)
	}
	q := store.SchemaQuery{Stream: v.Stream, Hop: hop, From: v.Start, To: v.Start.Add(time.Second), Top: namedReasons}
	figures, err := s.Store.SchemaFigures(ctx, q)
	f := figures[store.SchemaKey{Start: v.Start.UTC(), Hop: hop}]
	if f == nil {
		by = ""
	}
	return sentence([]store.Verdict{v}, v.Produced, f) + by, err
}

type samplesInput struct {
	StreamParam
	RangeParams
	PageParams
	HopParam
	Schema  string `query:"schema" doc:"only this schema"`
	Version string `query:"version" doc:"only this version of it"`
	Reason  string `query:"reason" doc:"only this reason, as the list of schemas has it"`
}

func (s *Inspector) listSamples(ctx context.Context, in *samplesInput) (*answer[api.Page[api.Sample]], error) {
	now := s.Now()
	limit, after, err := in.PageParams.read()
	if err != nil {
		return nil, err
	}
	from, to, err := in.RangeParams.readPast(now, windowRange)
	if err != nil {
		return nil, err
	}
	info, err := s.stream(ctx, in.Stream, now)
	if err != nil {
		return nil, err
	}
	if err := in.HopParam.read(info); err != nil {
		return nil, err
	}
	found, next, err := s.Store.Samples(ctx, store.SampleQuery{
		Stream: in.Stream, From: from, To: to, Now: now, Hop: in.Hop, Schema: in.Schema, Version: in.Version, Reason: in.Reason, After: after, Limit: min(limit, mostSamples),
	})
	if errors.Is(err, store.ErrCursor) {
		return nil, fault("query.cursor", "not a cursor of this list")
	}
	out := api.Page[api.Sample]{Items: rows(found, sampleOf)}
	if next != "" {
		out.Next = cursor(next)
	}
	return reply(out), err
}

func sampleOf(v wire.Sample) api.Sample {
	return api.Sample{
		Stream: v.Stream, Hop: v.Hop, Emitter: v.Emitter.String(), Host: v.Host, Window: v.Window.UTC(), Seconds: v.Seconds, At: v.At.UTC(), UID: v.UID,
		Schema: v.Schema, Version: v.Version, Outcome: v.Outcome, Reason: v.Reason, Path: v.Path, Payload: v.Payload, Cut: v.Cut,
	}
}
