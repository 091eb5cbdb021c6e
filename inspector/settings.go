package inspector

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rollcallhq/rollcall/inspector/api"
	"github.com/rollcallhq/rollcall/internal/access"
	"github.com/rollcallhq/rollcall/internal/store"
)

const (
	// changeAhead is how long before it a changed window length must be known: reports speak of windows up to
	// five minutes ahead, and every ingest must have read the change by then.
	changeAhead = 5 * time.Minute
	// usualAhead is the least notice where the person does not say from when.
	usualAhead = 10 * time.Minute
	maxEdges   = 1000
)

// settingsOf tells a stream's settings, defaults filled in. What only the API reads comes from the document.
func settingsOf(in store.Settings) (api.Settings, error) {
	var out api.Settings
	if len(in.Document) > 0 {
		if err := json.Unmarshal(in.Document, &out); err != nil {
			return out, fmt.Errorf("inspector: settings of stream %s as stored: %w", in.Stream, err)
		}
	}
	last := lastLength(in)
	out.WindowSeconds, out.WindowFrom = last.Seconds, some(last.From)
	out.GraceSeconds = whole(in.Grace, time.Second)
	out.SettleSeconds = whole(in.Settle, time.Second)
	out.SkewMillis = whole(in.Skew, time.Millisecond)
	out.Edges = rows(in.Edges, edgeText)
	out.ExpectTraffic, out.Owner = in.ExpectTraffic, in.Owner
	return out, nil
}

func whole(d, unit time.Duration) *uint32 {
	n := uint32(d / unit)
	return &n
}

func lastLength(in store.Settings) store.Length {
	if len(in.Lengths) == 0 {
		return store.DefaultSettings(in.Stream).Lengths[0]
	}
	return in.Lengths[len(in.Lengths)-1]
}

type putInput struct {
	StreamParam
	RawBody []byte `contentType:"application/json"`
}

func (s *Inspector) putStream(ctx context.Context, in *putInput) (*answer[api.Settings], error) {
	var asked api.Settings
	if err := strictJSON(in.RawBody, &asked); err != nil {
		return nil, err
	}
	next, err := s.putSettings(ctx, in.Stream, asked)
	if err != nil {
		return nil, err
	}
	out, err := settingsOf(next)
	if err != nil {
		return nil, err
	}
	return reply(out), nil
}

// PutSettings creates a stream or changes its settings, as PUT /api/v1/streams/{stream} does; who does it is said by
// access.With.
func (s *Inspector) PutSettings(ctx context.Context, stream string, asked api.Settings) error {
	_, err := s.putSettings(ctx, stream, asked)
	return err
}

func (s *Inspector) putSettings(ctx context.Context, stream string, asked api.Settings) (store.Settings, error) {
	if err := checkName("path.stream", stream); err != nil {
		return store.Settings{}, err
	}
	select { // what is read below must still hold when it is written
	case s.puts <- struct{}{}:
		defer func() { <-s.puts }()
	case <-ctx.Done():
		return store.Settings{}, ctx.Err()
	}
	next, err := s.nextSettings(ctx, stream, asked)
	if err != nil {
		return store.Settings{}, err
	}
	return next, s.Store.PutSettings(ctx, next, s.Now())
}

// nextSettings is what the stream's settings become: what is asked, defaults for what is absent, and the window lengths so far.
func (s *Inspector) nextSettings(ctx context.Context, stream string, asked api.Settings) (store.Settings, error) {
	edges, err := checkSettings(asked)
	if err != nil {
		return store.Settings{}, err
	}
	now := s.Now().UTC()
	all, err := s.Store.Settings(ctx, []string{stream})
	if err != nil {
		return store.Settings{}, err
	}
	used, err := s.Store.HasReports(ctx, stream)
	if err != nil {
		return store.Settings{}, err
	}
	next := store.DefaultSettings(stream)
	if next.Lengths, err = nextLengths(all[stream], asked, used, now); err != nil {
		return store.Settings{}, err
	}
	setDuration(&next.Grace, asked.GraceSeconds, time.Second)
	setDuration(&next.Settle, asked.SettleSeconds, time.Second)
	setDuration(&next.Skew, asked.SkewMillis, time.Millisecond)
	next.Edges, next.ExpectTraffic, next.Owner = edges, asked.ExpectTraffic, asked.Owner
	next.Who = access.From(ctx).Name
	if next.Document, err = json.Marshal(asked); err != nil {
		return store.Settings{}, fmt.Errorf("inspector: write settings of stream %s: %w", stream, err)
	}
	return next, nil
}

func setDuration(d *time.Duration, n *uint32, unit time.Duration) {
	if n != nil {
		*d = time.Duration(*n) * unit
	}
}

// nextLengths says which window length holds from when. A stream without reports takes the new one at once;
// windows that reports may already have named keep theirs. An absent length changes nothing.
func nextLengths(old store.Settings, asked api.Settings, used bool, now time.Time) ([]store.Length, error) {
	last := lastLength(old)
	seconds := asked.WindowSeconds
	if seconds == 0 {
		seconds = last.Seconds
	}
	if asked.WindowFrom != nil && asked.WindowFrom.Equal(last.From) && seconds == last.Seconds {
		return old.Lengths, nil
	}
	if asked.WindowFrom == nil {
		if !used {
			return []store.Length{{Seconds: seconds}}, nil
		}
		if seconds == last.Seconds {
			return old.Lengths, nil
		}
	}
	from, err := changeFrom(asked.WindowFrom, now)
	if err != nil {
		return nil, err
	}
	return changeLength(old.Lengths, store.Length{From: from, Seconds: seconds}, now), nil
}

// changeLength puts the new length in the place of changes that have not come yet.
func changeLength(old []store.Length, next store.Length, now time.Time) []store.Length {
	var kept []store.Length
	for i, l := range old {
		if i == 0 || !l.From.After(now.Add(changeAhead)) {
			kept = append(kept, l)
		}
	}
	if len(kept) > 0 && kept[len(kept)-1].Seconds == next.Seconds {
		return kept // back to what holds: nothing is left to change
	}
	if len(kept) == 0 {
		kept = []store.Length{{Seconds: 60}}
	}
	return append(kept, next)
}

func changeFrom(asked *time.Time, now time.Time) (time.Time, error) {
	if asked == nil {
		return now.Add(usualAhead + time.Hour - 1).Truncate(time.Hour), nil
	}
	from := asked.UTC()
	switch {
	case !from.Equal(from.Truncate(time.Hour)):
		return from, fault("body.windowFrom", "%s is not the start of an hour", stamp(from))
	case !from.After(now.Add(changeAhead)):
		return from, fault("body.windowFrom", "%s is too early: a changed length holds from a window at least %s ahead, as reports may already speak of the next ones",
			stamp(from), changeAhead)
	}
	return from, nil
}

// CheckSettings tells the first thing that is wrong with the settings of a stream, as far as that can be said without knowing the
// stream.
func CheckSettings(stream string, in api.Settings) error {
	err := checkName("name", stream)
	if err == nil {
		_, err = checkSettings(in)
	}
	var p *problem
	if errors.As(err, &p) && len(p.Errors) > 0 {
		return fmt.Errorf("%s: %s", strings.TrimPrefix(p.Errors[0].Path, "body."), p.Errors[0].Message)
	}
	return err
}

// checkSettings tells the first thing that is wrong, and returns the edges read.
func checkSettings(in api.Settings) ([]store.Edge, error) {
	if in.WindowSeconds != 0 && !slices.Contains([]uint32{10, 60, 300, 600, 3600}, in.WindowSeconds) {
		return nil, fault("body.windowSeconds", "%d is not one of 10, 60, 300, 600, 3600", in.WindowSeconds)
	}
	most := []struct {
		key   string
		value *uint32
		limit uint32
	}{{"graceSeconds", in.GraceSeconds, 86_400}, {"settleSeconds", in.SettleSeconds, 7 * 86_400}, {"skewMillis", in.SkewMillis, 3_600_000}}
	for _, m := range most {
		if m.value != nil && *m.value > m.limit {
			return nil, fault("body."+m.key, "%d is more than %d", *m.value, m.limit)
		}
	}
	if len([]rune(in.Owner)) > 200 {
		return nil, fault("body.owner", "longer than 200 characters")
	}
	if err := checkPolicy(in); err != nil {
		return nil, err
	}
	return readEdges(in.Edges)
}

func checkPolicy(in api.Settings) error {
	for name := range in.Hops {
		if err := checkName("body.hops", name); err != nil {
			return err
		}
	}
	if in.Certify != nil {
		kinds := []string{"lost", "corrupt", "rejected", "duplicated", "unplaced"}
		for i, kind := range in.Certify.Allow {
			if !slices.Contains(kinds, kind) {
				return fault(fmt.Sprintf("body.certify.allow[%d]", i), "%q is not one of %s", kind, strings.Join(kinds, ", "))
			}
		}
	}
	for i, cause := range in.AlertOn {
		if !slices.Contains(alertable, cause) {
			return fault(fmt.Sprintf("body.alertOn[%d]", i), "%q is not one of %s", cause, strings.Join(alertable, ", "))
		}
	}
	return checkObjectives(in.Objectives)
}

// alertable are the causes of incidents that a stream may ask for.
var alertable = []string{string(store.CauseInvalid), string(store.CauseCorrupt), string(store.CauseDuplicated)}

// longestTimely bounds what counts as in time: budgets are summed up to an hour back.
const longestTimely = 3600

// checkObjectives tells the first objective that cannot be. A target of 1 leaves no budget, so that any event burns it for ever.
func checkObjectives(o *api.Objectives) error {
	if o == nil {
		return nil
	}
	shares := []struct {
		key   string
		value float64
	}{{"completeness", o.Completeness}, {"timeliness", o.Timeliness}, {"validity", o.Validity}}
	for _, share := range shares {
		if share.value < 0 || share.value > 1 {
			return fault("body.objectives."+share.key, "%g is not a share from 0 to 1", share.value)
		}
	}
	switch {
	case o.LatencyP99Millis < 0:
		return fault("body.objectives.latencyP99Millis", "%d is negative", o.LatencyP99Millis)
	case o.TimelySeconds < 0 || o.TimelySeconds > longestTimely:
		return fault("body.objectives.timelySeconds", "%d is not from 0 to %d", o.TimelySeconds, longestTimely)
	}
	return nil
}

// readEdges reads the required edges. They must not form a cycle: a hop on one would never close.
func readEdges(texts []string) ([]store.Edge, error) {
	if len(texts) > maxEdges {
		return nil, fault("body.edges", "%d edges; at most %d", len(texts), maxEdges)
	}
	var edges []store.Edge
	for i, text := range texts {
		path := fmt.Sprintf("body.edges[%d]", i)
		e, err := readEdge(path, text)
		if err != nil {
			return nil, err
		}
		if e == nil {
			return nil, fault(path, "empty; expected two hops, as app..agent")
		}
		if slices.Contains(edges, *e) {
			return nil, fault(path, "%s is given twice", e)
		}
		edges = append(edges, *e)
	}
	if hop, found := onCycle(edges); found {
		return nil, fault("body.edges", "hop %q comes after itself: a hop on a cycle would never close", hop)
	}
	return edges, nil
}

// onCycle takes hops without an incoming edge away until none is left; what stays is a cycle or comes after one.
func onCycle(edges []store.Edge) (string, bool) {
	left := slices.Clone(edges)
	for len(left) > 0 {
		target := map[string]bool{}
		for _, e := range left {
			target[e.To] = true
		}
		rest := slices.DeleteFunc(slices.Clone(left), func(e store.Edge) bool { return !target[e.From] })
		if len(rest) == len(left) {
			return left[0].From, true
		}
		left = rest
	}
	return "", false
}
