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

// Incidents tells of incidents, and keeps what people said of them.
type Incidents interface {
	Incidents(ctx context.Context, filter store.IncidentFilter) ([]store.Incident, error)
	AddAck(ctx context.Context, ack store.Ack) error
	Acks(ctx context.Context, incidents []wire.UID) (map[wire.UID][]store.Ack, error)
	ToldOf(ctx context.Context, incident wire.UID) ([]store.Told, error)
	Silences
}

// maxIncidentWindows is how many verdicts an incident is shown with.
const maxIncidentWindows = 1000

func (s *Inspector) incidentRoutes() {
	get(s, "list-incidents", "/incidents", "Incidents, by first window", s.listIncidents)
	get(s, "get-incident", "/incidents/{id}", "One incident with its windows and what happened", s.getIncident)
	body[api.AckRequest](s, call{id: "ack-incident", method: http.MethodPost, path: "/incidents/{id}/ack", summary: "Say that you look after an incident"}, s.ackIncident)
	get(s, "list-silences", "/silences", "Silences that have not ended", s.listSilences)
	body[api.SilenceRequest](s, call{id: "add-silence", method: http.MethodPost, path: "/silences", summary: "Mute notifications until an instant"}, s.addSilence)
	register(s, call{id: "end-silence", method: http.MethodDelete, path: "/silences/{id}", summary: "End a silence now"}, s.endSilence)
}

// IncidentParam names an incident.
type IncidentParam struct {
	ID string `path:"id" doc:"UUID of the incident"`
}

func (s *Inspector) listIncidents(ctx context.Context, in *struct {
	PageParams
	State  string `query:"state" enum:"open,resolved" doc:"only those in this state"`
	Stream string `query:"stream" doc:"only those of this stream"`
}) (*answer[api.Page[api.Incident]], error) {
	limit, after, err := in.read()
	if err != nil {
		return nil, err
	}
	filter := store.IncidentFilter{Stream: in.Stream, State: in.State, Limit: limit + 1}
	if in.State != "" && in.State != store.IncidentOpen && in.State != store.IncidentResolved {
		return nil, fault("query.state", "%q is not one of open, resolved", in.State)
	}
	if in.Stream != "" {
		if err := checkName("query.stream", in.Stream); err != nil {
			return nil, err
		}
	}
	if filter.AfterFirst, filter.AfterID, err = incidentAfter(after); err != nil {
		return nil, err
	}
	found, err := s.Store.Incidents(ctx, filter)
	if err != nil {
		return nil, err
	}
	out := api.Page[api.Incident]{}
	if len(found) > limit {
		found = found[:limit]
		out.Next = cursor(stamp(found[limit-1].First) + "|" + found[limit-1].ID.String())
	}
	out.Items, err = s.incidentsOf(ctx, found)
	return reply(out), err
}

// incidentAfter reads the key of the last row of the page before.
func incidentAfter(key string) (time.Time, wire.UID, error) {
	if key == "" {
		return time.Time{}, wire.UID{}, nil
	}
	first, text, _ := strings.Cut(key, "|")
	at, err := time.Parse(time.RFC3339Nano, first)
	id, bad := wire.ParseUID(text)
	if err != nil || bad != nil {
		return at, id, fault("query.cursor", "not a cursor that this server gave: pass 'next' of the page before unchanged")
	}
	return at, id, nil
}

// incidentsOf tells incidents with who took notice and what is muted.
func (s *Inspector) incidentsOf(ctx context.Context, list []store.Incident) ([]api.Incident, error) {
	now := s.Now()
	silences, err := s.Store.Silences(ctx, now)
	if err != nil {
		return nil, err
	}
	acks, err := s.Store.Acks(ctx, rows(list, func(i store.Incident) wire.UID { return i.ID }))
	if err != nil {
		return nil, err
	}
	return rows(list, func(i store.Incident) api.Incident {
		out := incidentOf(i)
		out.Quiet = out.State == store.IncidentOpen && now.Sub(i.Since) < i.Hold
		out.Muted = slices.ContainsFunc(silences, func(v store.Silence) bool { return v.Mutes(&i, now) })
		if said := acks[i.ID]; len(said) > 0 {
			last := said[len(said)-1]
			out.AckedBy, out.AckedAt = last.Who, some(last.At)
		}
		return out
	}), nil
}

// describeLimit is how long the live streams wait for what people said of an incident.
const describeLimit = 10 * time.Second

// describe is incidentsOf for the live streams, which nobody's request bounds.
func (s *Inspector) describe(ctx context.Context, list []store.Incident) ([]api.Incident, error) {
	ctx, cancel := context.WithTimeout(ctx, describeLimit)
	defer cancel()
	told, err := s.incidentsOf(ctx, list)
	if err != nil {
		s.Log.Warn("changed incidents could not be told; live streams begin again", "incidents", len(list), "error", err)
	}
	return told, err
}

func incidentOf(i store.Incident) api.Incident {
	out := api.Incident{
		ID: i.ID.String(), Stream: i.Stream, Edge: maybeEdge(i.Edge), Cause: string(i.Cause), State: i.State(), First: i.First.UTC(), Last: i.Last.UTC(),
		Windows: i.Windows, Bad: i.Bad, FirstBad: i.FirstBad.UTC(), Lost: i.Lost, Expected: i.Expected, Events: i.Events,
		OpenedAt: i.OpenedAt.UTC(), Since: i.Since.UTC(), Text: i.Text,
	}
	if out.State == store.IncidentMerged {
		out.Into = i.Into.String()
	}
	return out
}

// maybeEdge is the edge, or nothing for none.
func maybeEdge(e store.Edge) string {
	if e == (store.Edge{}) {
		return ""
	}
	return edgeText(e)
}

// incident finds the incident of a path.
func (s *Inspector) incident(ctx context.Context, text string) (store.Incident, error) {
	id, err := readID(text)
	if err != nil {
		return store.Incident{}, err
	}
	found, err := s.Store.Incidents(ctx, store.IncidentFilter{IDs: []wire.UID{id}})
	if err == nil && len(found) == 0 {
		err = notFound("no incident %s; GET /api/v1/incidents lists those there are", id)
	}
	if err != nil {
		return store.Incident{}, err
	}
	return found[0], nil
}

func (s *Inspector) getIncident(ctx context.Context, in *IncidentParam) (*answer[api.IncidentDetail], error) {
	i, err := s.incident(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	told, err := s.incidentsOf(ctx, []store.Incident{i})
	if err != nil {
		return nil, err
	}
	out := api.IncidentDetail{Incident: told[0]}
	if out.Verdicts, err = s.incidentWindows(ctx, &i); err != nil {
		return nil, err
	}
	if out.Timeline, err = s.timeline(ctx, &i); err != nil {
		return nil, err
	}
	err = s.reach(ctx, &i, &out)
	return reply(out), err
}

// incidentWindows reads the verdicts of the windows of an incident, the last ones of a long one.
func (s *Inspector) incidentWindows(ctx context.Context, i *store.Incident) ([]api.Window, error) {
	if i.Cause == store.CauseStopped {
		return []api.Window{}, nil
	}
	if i.Cause == store.CauseRevoked { // it is of a whole hour, and tells what is bad in it
		_, bad, err := s.Auditor.HourOfEdge(ctx, i.Stream, i.First, nil, s.Now())
		return rows(bad, windowOf), err
	}
	length := time.Duration(i.Seconds) * time.Second
	from, to := i.First, i.Last.Add(length)
	if first := to.Add(-maxIncidentWindows * length); first.After(from) {
		from = first
	}
	found, err := s.Auditor.Windows(ctx, i.Stream, from, to, s.Now(), &i.Edge)
	return rows(found, windowOf), err
}

// timeline is what happened to an incident, oldest first.
func (s *Inspector) timeline(ctx context.Context, i *store.Incident) ([]api.IncidentStep, error) {
	acks, err := s.Store.Acks(ctx, []wire.UID{i.ID})
	if err != nil {
		return nil, err
	}
	told, err := s.Store.ToldOf(ctx, i.ID)
	if err != nil {
		return nil, err
	}
	silences, err := s.Store.Silences(ctx, i.OpenedAt)
	if err != nil {
		return nil, err
	}
	steps := []api.IncidentStep{{At: i.OpenedAt.UTC(), What: "opened"}}
	for _, a := range acks[i.ID] {
		steps = append(steps, api.IncidentStep{At: a.At.UTC(), What: "acked", Who: a.Who, Text: a.Note})
	}
	for n := range told {
		steps = append(steps, toldStep(&told[n]))
	}
	steps = append(steps, mutedSteps(i, silences, s.Now())...)
	if state := i.State(); state != store.IncidentOpen {
		steps = append(steps, api.IncidentStep{At: i.Since.UTC(), What: state, Text: i.Text})
	}
	slices.SortStableFunc(steps, func(a, b api.IncidentStep) int { return a.At.Compare(b.At) })
	return steps, nil
}

// toldStep is what a receiver was told, or why it was not.
func toldStep(t *store.Told) api.IncidentStep {
	step := api.IncidentStep{At: t.At.UTC(), What: "notified", Who: t.Receiver, Text: t.State, Attempts: t.Attempts}
	switch {
	case t.Outcome == "joined":
		step.What, step.Text = "joined", "not called again: it goes on what was told of incident "+t.Detail
	case t.Outcome != "sent":
		step.What, step.Text = "gave_up", t.Detail
	case t.State == store.IncidentEscalated:
		step.What, step.Text = store.IncidentEscalated, t.Detail
	}
	return step
}

// mutedSteps are the silences that have muted the incident while it was open, by when they did so first.
func mutedSteps(i *store.Incident, silences []store.Silence, now time.Time) []api.IncidentStep {
	var steps []api.IncidentStep
	for n := range silences {
		v := &silences[n]
		at := v.Starts
		if at.Before(i.OpenedAt) {
			at = i.OpenedAt
		}
		over := i.State() != store.IncidentOpen && at.After(i.Since)
		if v.Mutes(i, at) && !at.After(now) && !over {
			text := fmt.Sprintf("until %s: %s", stamp(v.Ends), v.Reason)
			steps = append(steps, api.IncidentStep{At: at.UTC(), What: "muted", Who: v.Author, Text: text})
		}
	}
	return steps
}

// hintsLimit is how long an incident waits for what its events have in common: who was called needs the rest at once.
const hintsLimit = 3 * time.Second

// hints adds what the events of an incident have in common, or why that is not told.
func (s *Inspector) hints(ctx context.Context, i *store.Incident, out *api.IncidentDetail) error {
	limited, cancel := context.WithTimeout(ctx, hintsLimit)
	defer cancel()
	found, err := s.Auditor.Hints(limited, i, s.Now())
	switch {
	case err == nil:
		out.Hints = rows(found, func(h store.Hint) api.Hint { return api.Hint(h) })
	case limited.Err() != nil && ctx.Err() == nil:
		out.HintsReason = "evidence is slow"
		err = nil
	}
	return err
}

// reach adds what an incident touches, and what its events have in common.
func (s *Inspector) reach(ctx context.Context, i *store.Incident, out *api.IncidentDetail) error {
	if err := s.hints(ctx, i, out); err != nil {
		return err
	}
	out.Hours, out.Hops = []string{}, []string{}
	for hour := i.First.UTC().Truncate(time.Hour); !hour.After(i.Last) && len(out.Hours) < maxIncidentWindows; hour = hour.Add(time.Hour) {
		out.Hours = append(out.Hours, hour.Format("2006-01-02T15"))
	}
	if i.Edge == (store.Edge{}) {
		return nil
	}
	info, known, err := s.Auditor.Stream(ctx, i.Stream, s.Now())
	if err == nil && known {
		out.Hops = laterHops(i.Edge.To, info.Edges)
	}
	return err
}

// laterHops are the hops that come after a hop, directly or not, in the order in which they are found.
func laterHops(hop string, edges []store.Edge) []string {
	later := []string{}
	for at := hop; ; {
		for _, e := range edges {
			if e.From == at && e.To != hop && !slices.Contains(later, e.To) {
				later = append(later, e.To)
			}
		}
		next := slices.Index(later, at) + 1
		if next >= len(later) {
			return later
		}
		at = later[next]
	}
}

func (s *Inspector) ackIncident(ctx context.Context, in *struct {
	IncidentParam
	RawBody []byte `contentType:"application/json"`
}) (*answer[api.Incident], error) {
	var asked api.AckRequest
	if err := strictJSON(in.RawBody, &asked); err != nil {
		return nil, err
	}
	if len([]rune(asked.Note)) > 1000 {
		return nil, fault("body.note", "longer than 1000 characters")
	}
	i, err := s.incident(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	ack := store.Ack{Incident: i.ID, Version: i.Version, At: s.Now().UTC(), Who: access.From(ctx).Name, Note: strings.TrimSpace(asked.Note)}
	if err := s.Store.AddAck(ctx, ack); err != nil {
		return nil, err
	}
	told, err := s.incidentsOf(ctx, []store.Incident{i})
	if err != nil {
		return nil, err
	}
	return reply(told[0]), nil
}
