package inspector

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/rollcallhq/rollcall/audit/wire"
	"github.com/rollcallhq/rollcall/inspector/api"
	"github.com/rollcallhq/rollcall/internal/access"
	"github.com/rollcallhq/rollcall/internal/store"
)

// Waivers keeps what people waived, for ever.
type Waivers interface {
	AddWaiver(ctx context.Context, waiver store.Waiver, names []store.WaivedName) error
	MarkWaived(ctx context.Context, waiver store.Waiver) error
	Waivers(ctx context.Context, stream string, from, to time.Time) ([]store.Waiver, error)
}

const (
	maxWaived    = 10_000 // UIDs of one waiver
	maxReason    = 1000   // characters
	maxTicket    = 200
	maxStrange   = 20      // UIDs named that cannot be waived
	maxWaiver    = 4 << 20 // bytes of a body
	maxUID       = 256     // bytes
	waiverForms  = "lost, corrupt, rejected, duplicated, unplaced, unknown, no-traffic"
	withoutNames = "unplaced, unknown, no-traffic"
)

func (s *Inspector) waiverRoutes() {
	body[api.WaiverRequest](s, call{id: "add-waiver", method: http.MethodPost, path: "/streams/{stream}/hours/{hour}/waivers", most: maxWaiver,
		summary: "Waive what is bad in an hour on an edge, by name: 201 with what is covered, 200 where it was already"}, s.addWaiver)
	get(s, "list-waivers-of-hour", "/streams/{stream}/hours/{hour}/waivers", "The waivers of an hour", s.listHourWaivers)
	get(s, "list-waivers", "/streams/{stream}/waivers", "The waivers of a stream, by hour", s.listWaivers)
}

// made is an answer that says whether something was made by the call.
type made[T any] struct {
	Status int
	Body   T
}

type waiverInput struct {
	StreamParam
	Hour    string `path:"hour" doc:"in UTC, as 2026-11-22T05"`
	RawBody []byte `contentType:"application/json"`
}

func (s *Inspector) addWaiver(ctx context.Context, in *waiverInput) (*made[api.Waiver], error) {
	hour, err := readKnownHour(in.Hour)
	if err != nil {
		return nil, err
	}
	var asked api.WaiverRequest
	if err := strictJSON(in.RawBody, &asked); err != nil {
		return nil, err
	}
	ask, err := readWaiver(asked)
	if err != nil {
		return nil, err
	}
	ask.Stream, ask.Hour = in.Stream, hour
	now := s.Now().UTC().Truncate(time.Millisecond)
	info, err := s.stream(ctx, in.Stream, now)
	if err != nil {
		return nil, err
	}
	if err := checkEnded(hour, now); err != nil {
		return nil, err
	}
	found, known, err := s.Auditor.ResolveWaiver(ctx, ask, now)
	if err != nil {
		return nil, err
	}
	if err := checkResolution(&ask, &found, known, info); err != nil {
		return nil, err
	}
	if len(found.Standing) > 0 {
		return s.standingWaiver(ctx, &ask, found.Standing)
	}
	w := store.Waiver{
		ID: randomID(), Stream: ask.Stream, Hour: hour, Edge: ask.Edge, Kind: ask.Kind, Scope: ask.Scope, Emitter: ask.Emitter,
		Reason: strings.TrimSpace(asked.Reason), Ticket: strings.TrimSpace(asked.Ticket), Who: access.From(ctx).Name, MadeAt: now, Windows: found.Windows,
	}
	if err := s.Store.AddWaiver(ctx, w, found.Names); err != nil {
		return nil, err
	}
	return &made[api.Waiver]{Status: http.StatusCreated, Body: waiverOf(w)}, nil
}

// checkEnded refuses hours in which more may yet come.
func checkEnded(hour, now time.Time) error {
	end := hour.Add(time.Hour)
	switch {
	case hour.After(now):
		return fault("path.hour", "hour %s lies in the future", hour.Format(hourForm))
	case end.After(now):
		p := newProblem(http.StatusTooEarly, "hour %s runs until %s; what is bad in it is not all known before", hour.Format(hourForm), stamp(end))
		p.retryAfter = fmt.Sprint(int(end.Sub(now)/time.Second) + 1)
		return p
	}
	return nil
}

// checkResolution refuses a waiver of something that is not so.
func checkResolution(ask *store.WaiverRequest, found *store.Resolution, known bool, info store.StreamInfo) error {
	hour := ask.Hour.Format(hourForm)
	switch {
	case !known && !slices.Contains(info.Edges, ask.Edge):
		return fault("body.edge", "stream %s has no edge %s; it has %s", ask.Stream, ask.Edge, strings.Join(rows(info.Edges, edgeText), ", "))
	case !known:
		return notFound("stream %s has no window in hour %s on edge %s", ask.Stream, hour, ask.Edge)
	case found.Settling:
		return newProblem(http.StatusTooEarly, "hour %s is settling on edge %s: a window of it is neither closed nor past its settle limit", hour, ask.Edge)
	case len(found.Strange) > 0:
		return strangeUIDs(ask, found.Strange)
	case len(found.Names) == 0 && ask.Scope == store.WaiveEmitter:
		return fault("body.emitter", "emitter %s holds no window of hour %s on edge %s", ask.Emitter, hour, ask.Edge)
	case len(found.Names) == 0 && ask.Kind == store.WaiveNoTraffic:
		return fault("body.kind", "hour %s has events, or the stream does not expect any (expectTraffic)", hour)
	case len(found.Names) == 0:
		return fault("body.kind", "nothing is %s in hour %s on edge %s", ask.Kind, hour, ask.Edge)
	}
	return nil
}

func strangeUIDs(ask *store.WaiverRequest, strange []int) error {
	p := newProblem(http.StatusUnprocessableEntity, "%d of %d UIDs are not %s in hour %s on edge %s; nothing was waived",
		len(strange), len(ask.UIDs), ask.Kind, ask.Hour.Format(hourForm), ask.Edge)
	for _, i := range strange[:min(len(strange), maxStrange)] {
		p.Errors = append(p.Errors, api.Fault{Path: fmt.Sprintf("body.uids[%d]", i), Message: fmt.Sprintf("%q is not %s there", ask.UIDs[i], ask.Kind)})
	}
	return p
}

// standingWaiver answers with the latest of the waivers that cover already what is asked for. Its windows are judged again, in case whoever made it
// did not live to ask for that.
func (s *Inspector) standingWaiver(ctx context.Context, ask *store.WaiverRequest, standing []wire.UID) (*made[api.Waiver], error) {
	all, err := s.Store.Waivers(ctx, ask.Stream, ask.Hour, ask.Hour.Add(time.Hour))
	if err != nil {
		return nil, err
	}
	for _, w := range slices.Backward(all) {
		if !slices.Contains(standing, w.ID) {
			continue
		}
		if err := s.Store.MarkWaived(ctx, w); err != nil {
			return nil, err
		}
		return &made[api.Waiver]{Status: http.StatusOK, Body: waiverOf(w)}, nil
	}
	return nil, fmt.Errorf("inspector: of the waivers %v of hour %s none is stored", standing, ask.Hour)
}

// readWaiver reads what a body says but for stream and hour.
func readWaiver(in api.WaiverRequest) (store.WaiverRequest, error) {
	ask := store.WaiverRequest{Kind: store.WaiverKind(in.Kind), Scope: store.WaiveAll, UIDs: in.UIDs}
	edge, err := readEdge("body.edge", in.Edge)
	switch {
	case err != nil:
		return ask, err
	case edge == nil:
		return ask, fault("body.edge", "missing: the edge, as app..agent")
	case !slices.Contains(strings.Split(waiverForms, ", "), in.Kind):
		return ask, fault("body.kind", "%q is not one of %s", in.Kind, waiverForms)
	}
	ask.Edge = *edge
	if err := checkScope(in); err != nil {
		return ask, err
	}
	if err := checkText("body.reason", in.Reason, maxReason, "say why, for those who ask later"); err != nil {
		return ask, err
	}
	if len([]rune(in.Ticket)) > maxTicket {
		return ask, fault("body.ticket", "longer than %d characters", maxTicket)
	}
	switch {
	case in.Emitter != "":
		ask.Scope = store.WaiveEmitter
		if ask.Emitter, err = wire.ParseUID(in.Emitter); err != nil {
			return ask, fault("body.emitter", "%q is %s", in.Emitter, err)
		}
	case len(in.UIDs) > 0:
		ask.Scope = store.WaiveUIDs
	}
	return ask, nil
}

// checkScope sees to it that one way of saying what is covered is used, which the kind has.
func checkScope(in api.WaiverRequest) error {
	ways := 0
	for _, used := range []bool{len(in.UIDs) > 0, in.All, in.Emitter != ""} {
		if used {
			ways++
		}
	}
	nameless := slices.Contains(strings.Split(withoutNames, ", "), in.Kind)
	switch {
	case ways == 0:
		return fault("body", "one of 'uids', 'all' and 'emitter' says what is covered; none is given")
	case ways > 1:
		return fault("body", "'uids', 'all' and 'emitter' exclude each other")
	case nameless && len(in.UIDs) > 0:
		return fault("body.uids", "what is %s has no UIDs; use 'all'", in.Kind)
	case in.Emitter != "" && in.Kind != string(store.WaiveUnknown):
		return fault("body.emitter", "only of the kind unknown; this one is %s", in.Kind)
	case len(in.UIDs) > maxWaived:
		return fault("body.uids", "%d UIDs; at most %d can be waived at once", len(in.UIDs), maxWaived)
	}
	for i, uid := range in.UIDs {
		if uid == "" || len(uid) > maxUID {
			return fault(fmt.Sprintf("body.uids[%d]", i), "a UID is 1 to %d bytes long; this one has %d", maxUID, len(uid))
		}
	}
	return nil
}

func checkText(path, text string, most int, why string) error {
	switch {
	case strings.TrimSpace(text) == "":
		return fault(path, "missing: %s", why)
	case len([]rune(text)) > most:
		return fault(path, "longer than %d characters", most)
	}
	return nil
}

func (s *Inspector) listHourWaivers(ctx context.Context, in *struct {
	StreamParam
	Hour string `path:"hour" doc:"in UTC, as 2026-11-22T05"`
	PageParams
}) (*answer[api.Page[api.Waiver]], error) {
	hour, err := readKnownHour(in.Hour)
	if err != nil {
		return nil, err
	}
	return s.waiversIn(ctx, in.Stream, in.PageParams, hour, hour.Add(time.Hour))
}

func (s *Inspector) listWaivers(ctx context.Context, in *struct {
	StreamParam
	PageParams
}) (*answer[api.Page[api.Waiver]], error) {
	return s.waiversIn(ctx, in.Stream, in.PageParams, time.Unix(0, 0).UTC(), s.Now().Add(time.Hour))
}

// readKnownHour reads an hour of which the store can know something.
func readKnownHour(text string) (time.Time, error) {
	hour, err := readHour(text)
	if err == nil && (hour.Year() < 1971 || hour.Year() > 2100) {
		err = fault("path.hour", "the year %d is not between 1971 and 2100", hour.Year())
	}
	return hour, err
}

func (s *Inspector) waiversIn(ctx context.Context, stream string, p PageParams, from, to time.Time) (*answer[api.Page[api.Waiver]], error) {
	limit, after, err := p.read()
	if err != nil {
		return nil, err
	}
	if _, err := s.stream(ctx, stream, s.Now()); err != nil {
		return nil, err
	}
	found, err := s.Store.Waivers(ctx, stream, from, to)
	if err != nil {
		return nil, err
	}
	out := rows(found, waiverOf)
	sortBy(out, waiverKey)
	return reply(page(out, limit, after, waiverKey)), nil
}

func waiverKey(w api.Waiver) string {
	return w.Hour + "|" + w.MadeAt.UTC().Format("2006-01-02T15:04:05.000") + "|" + w.ID
}

func waiverOf(w store.Waiver) api.Waiver {
	out := api.Waiver{
		ID: w.ID.String(), Stream: w.Stream, Hour: w.Hour.UTC().Format(hourForm), Edge: w.Edge.String(), Kind: string(w.Kind), Scope: string(w.Scope),
		Reason: w.Reason, Ticket: w.Ticket, Who: w.Who, MadeAt: w.MadeAt.UTC(), Count: w.Count(),
		Windows: rows(w.Windows, func(one store.WaivedWindow) api.WaivedWindow {
			return api.WaivedWindow{Start: one.Start.UTC(), Count: one.Count}
		}),
	}
	if w.Scope == store.WaiveEmitter {
		out.Emitter = w.Emitter.String()
	}
	return out
}

// waivedOf is nil where nothing is waived.
func waivedOf(w store.Waived) *api.Waived {
	if w == (store.Waived{}) {
		return nil
	}
	out := api.Waived(w)
	return &out
}
