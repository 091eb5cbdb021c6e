package inspector

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/rollcallhq/rollcall/audit/wire"
	"github.com/rollcallhq/rollcall/inspector/api"
	"github.com/rollcallhq/rollcall/internal/access"
	"github.com/rollcallhq/rollcall/internal/store"
)

// darkAfter heartbeats without a report, an emitter is dark.
const darkAfter = 3

func (s *Inspector) emitterRoutes() {
	get(s, "list-emitters", "/streams/{stream}/emitters", "Instances of the stream's hops: alive, dark or closed", s.listEmitters)
	post := func(id, path, summary string, handle func(context.Context, *closeInput) (*answer[api.Closing], error)) {
		body[api.CloseRequest](s, call{id: id, method: http.MethodPost, path: path, summary: summary}, handle)
	}
	post("close-emitter", "/streams/{stream}/emitters/{id}/close", "Close a dead instance: windows from 'at' on are not held by it", s.closeEmitter)
	post("close-source", "/streams/{stream}/sources/{id}/close", "Close a source that the first hop never reported", s.closeSource)
	body[api.CloseRequest](s, call{id: "close-lane", method: http.MethodPost, path: "/streams/{stream}/lanes/close",
		summary: "Close a lane of a hop, as a partition that is gone"}, s.closeLane)
}

func (s *Inspector) listEmitters(ctx context.Context, in *struct {
	StreamParam
	PageParams
}) (*answer[api.Page[api.Emitter]], error) {
	limit, after, err := in.read()
	if err != nil {
		return nil, err
	}
	if _, err := s.stream(ctx, in.Stream, s.Now()); err != nil {
		return nil, err
	}
	list, err := s.Store.Emitters(ctx, in.Stream)
	if err != nil {
		return nil, err
	}
	closings, err := s.Store.Closings(ctx, in.Stream)
	if err != nil {
		return nil, err
	}
	now := s.Now()
	clocks, err := s.recentClocks(ctx, in.Stream, now)
	if err != nil {
		return nil, err
	}
	out := rows(list, func(e store.Emitter) api.Emitter { return skewed(emitterOf(e, closings, now), clocks[e.Host]) })
	sortBy(out, emitterKey)
	return reply(page(out, limit, after, emitterKey)), nil
}

// skewRange is how far back the reports of a host are looked at for its clock.
const skewRange = 10 * time.Minute

// recentClocks returns what the latest reports of each host say of its clock.
func (s *Inspector) recentClocks(ctx context.Context, stream string, now time.Time) (map[string]store.HostClock, error) {
	found, err := s.Store.HostClocks(ctx, stream, now.Add(-skewRange), now)
	if err != nil {
		return nil, err
	}
	clocks := map[string]store.HostClock{}
	for _, c := range found {
		clocks[c.Host] = c
	}
	return clocks, nil
}

// skewed tells of the emitter what all reports of its host say of their clock: the quickest of many says more than the last of one. Emitters
// whose hosts have no name may be on several.
func skewed(e api.Emitter, clock store.HostClock) api.Emitter {
	if e.Host != "" && clock.Reports > 1 {
		e.SkewMillis = clock.Ahead.Milliseconds()
		transit := clock.Transit.Milliseconds()
		e.SkewError = &transit
	}
	return e
}

func emitterKey(e api.Emitter) string { return e.Hop + "|" + e.Emitter }

func sortBy[T any](list []T, key func(T) string) {
	slices.SortFunc(list, func(a, b T) int { return cmp.Compare(key(a), key(b)) })
}

func emitterOf(e store.Emitter, closings []store.Closing, now time.Time) api.Emitter {
	out := api.Emitter{
		Emitter: e.ID.String(), Hop: e.Hop, Epoch: e.Epoch, Host: e.Host, Container: e.Container, Version: e.Version,
		State: "alive", Reports: e.Highest, Missing: e.Highest - min(e.Stored, e.Highest),
		FirstSent: e.FirstSent.UTC(), LastSent: e.LastSent.UTC(), LastReport: e.LastReceived.UTC(),
		SkewMillis: e.LastSent.Sub(e.LastReceived).Milliseconds(), SpoolEvents: e.SpoolEvents, SpoolBytes: e.SpoolBytes,
	}
	for _, c := range closings {
		if c.Kind == store.CloseEmitter && c.ID == e.ID {
			out.ClosedBy = c.Who
		}
	}
	switch {
	case out.ClosedBy != "" || !e.ClosedAt.IsZero() || !e.EndedAt.IsZero():
		out.State = "closed"
	case now.Sub(e.LastReceived) > darkAfter*e.Heartbeat:
		out.State = "dark"
	}
	return out
}

type closeInput struct {
	StreamParam
	ID      string `path:"id" doc:"UUID"`
	RawBody []byte `contentType:"application/json"`
}

type closeLaneInput struct {
	StreamParam
	RawBody []byte `contentType:"application/json"`
}

func (s *Inspector) closeEmitter(ctx context.Context, in *closeInput) (*answer[api.Closing], error) {
	c, err := s.closing(ctx, in.Stream, store.CloseEmitter, in.RawBody)
	if err != nil {
		return nil, err
	}
	if c.ID, err = readID(in.ID); err != nil {
		return nil, err
	}
	list, err := s.Store.Emitters(ctx, in.Stream)
	if err != nil {
		return nil, err
	}
	if !slices.ContainsFunc(list, func(e store.Emitter) bool { return e.ID == c.ID }) {
		return nil, notFound("stream %s has no emitter %s; GET /api/v1/streams/%s/emitters lists those it has", in.Stream, c.ID, in.Stream)
	}
	return s.addClosing(ctx, c)
}

func (s *Inspector) closeSource(ctx context.Context, in *closeInput) (*answer[api.Closing], error) {
	c, err := s.closing(ctx, in.Stream, store.CloseSource, in.RawBody)
	if err != nil {
		return nil, err
	}
	if c.ID, err = readID(in.ID); err != nil {
		return nil, err
	}
	if !c.ID.Numbered() || c.ID.Sequence() != 0 {
		return nil, fault("path.id", "%s is not the id of a source: a UUIDv8 whose last eight digits are zero; the source of this UID is %s", c.ID, c.ID.Source())
	}
	seen, err := s.Store.HasSource(ctx, in.Stream, c.ID)
	if err != nil {
		return nil, err
	}
	if !seen {
		return nil, notFound("no hop of stream %s has reported an event of source %s, so it holds no window", in.Stream, c.ID)
	}
	return s.addClosing(ctx, c)
}

func (s *Inspector) closeLane(ctx context.Context, in *closeLaneInput) (*answer[api.Closing], error) {
	c, err := s.closing(ctx, in.Stream, store.CloseLane, in.RawBody)
	if err != nil {
		return nil, err
	}
	if c.Hop == "" || c.Lane == "" {
		return nil, fault("body", "'hop' and 'lane' say which lane; one of them is missing")
	}
	info, err := s.stream(ctx, in.Stream, s.Now())
	if err != nil {
		return nil, err
	}
	if !slices.ContainsFunc(info.Hops, func(h store.HopInfo) bool { return h.Hop == c.Hop }) {
		return nil, notFound("stream %s has no hop %q; it has %s", in.Stream, c.Hop,
			strings.Join(rows(info.Hops, func(h store.HopInfo) string { return h.Hop }), ", "))
	}
	hops, err := s.Store.Hops(ctx, []string{in.Stream})
	if err != nil {
		return nil, err
	}
	if !slices.ContainsFunc(hops[in.Stream], func(h store.HopSummary) bool { return h.Hop == c.Hop && hasLanes(h) }) {
		return nil, notFound("hop %s of stream %s has never stated a lane nor how many it has, so no lane of it holds a window", c.Hop, in.Stream)
	}
	return s.addClosing(ctx, c)
}

// hasLanes says whether the hop has lanes other than its emitters. One that nobody ever stated may be among them: it holds windows where the
// hop says that it has more lanes than were heard of.
func hasLanes(h store.HopSummary) bool {
	for lane := range h.LaneFirst {
		if lane != "" {
			return true
		}
	}
	return len(h.LaneCounts) > 0
}

// closing reads the body of a close call of a stream that is known.
func (s *Inspector) closing(ctx context.Context, stream string, kind store.ClosingKind, raw []byte) (store.Closing, error) {
	var in api.CloseRequest
	if err := strictJSON(raw, &in); err != nil {
		return store.Closing{}, err
	}
	if err := checkClose(in, kind); err != nil {
		return store.Closing{}, err
	}
	now := s.Now().UTC()
	if _, err := s.stream(ctx, stream, now); err != nil {
		return store.Closing{}, err
	}
	return store.Closing{
		Stream: stream, Kind: kind, Hop: in.Hop, Lane: in.Lane, At: in.At.UTC(), Why: strings.TrimSpace(in.Why), Who: access.From(ctx).Name, MadeAt: now,
	}, nil
}

func checkClose(in api.CloseRequest, kind store.ClosingKind) error {
	switch {
	case in.At.IsZero():
		return fault("body.at", "missing: the instant from which on windows are not held")
	case in.At.Year() < 1970 || in.At.Year() > 2200:
		return fault("body.at", "the year %d is not between 1970 and 2200", in.At.Year())
	case strings.TrimSpace(in.Why) == "":
		return fault("body.why", "missing: say why, for those who read the verdicts later")
	case len([]rune(in.Why)) > 1000:
		return fault("body.why", "longer than 1000 characters")
	case kind != store.CloseLane && (in.Hop != "" || in.Lane != ""):
		return fault("body", "'hop' and 'lane' belong to POST …/lanes/close only")
	case len([]rune(in.Lane)) > 200 || strings.ContainsFunc(in.Lane, func(r rune) bool { return !unicode.IsPrint(r) }):
		return fault("body.lane", "not 1 to 200 printable characters")
	}
	return nil
}

func readID(text string) (wire.UID, error) {
	id, err := wire.ParseUID(text)
	if err != nil {
		return id, fault("path.id", "%q is %s", text, err)
	}
	return id, nil
}

func (s *Inspector) addClosing(ctx context.Context, c store.Closing) (*answer[api.Closing], error) {
	if err := s.Store.AddClosing(ctx, c); err != nil {
		return nil, err
	}
	out := api.Closing{Stream: c.Stream, Kind: string(c.Kind), Hop: c.Hop, Lane: c.Lane, At: c.At, Why: c.Why, Who: c.Who, MadeAt: c.MadeAt}
	if c.Kind != store.CloseLane {
		out.ID = c.ID.String()
	}
	return reply(out), nil
}
