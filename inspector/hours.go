package inspector

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/rollcallhq/rollcall/inspector/api"
	"github.com/rollcallhq/rollcall/internal/store"
)

const (
	hoursRange   = 92 * 24 * time.Hour // longest range of hours asked for at once
	usualRange   = 24 * time.Hour
	usualHourRow = 1000
	mostHourRows = 20_000 // a grid of streams × hours is one call
)

func (s *Inspector) hourRoutes() {
	get(s, "list-hours", "/hours", "Streams × hours, each rolled up over the required edges: the worst state wins", s.listHours)
	get(s, "get-hour", "/streams/{stream}/hours/{hour}", "One hour with its windows that are not complete", s.getHour)
	get(s, "get-trace", "/uids/{uid}", "What every hop says of one event", s.getTrace)
	get(s, "get-status", "/status", "The health of the auditor itself", s.getStatus)
	get(s, "list-quarantine", "/quarantine", "Reports that could not be read, with their bytes", s.listQuarantine)
}

type hoursInput struct {
	From   string  `query:"from" format:"date-time" doc:"first hour, inclusive; default: 24 hours before 'to'"`
	To     string  `query:"to" format:"date-time" doc:"last hour, exclusive; default: now. An hour that has begun before it is in"`
	Stream string  `query:"stream" doc:"only this stream"`
	Limit  integer `query:"limit" doc:"rows a page; default 1000, at most 20000"`
	Cursor string  `query:"cursor" doc:"'next' of the page before"`
}

func (s *Inspector) listHours(ctx context.Context, in *hoursInput) (*answer[api.Page[api.Hour]], error) {
	now := s.Now()
	limit, after, err := PageParams{Limit: in.Limit, Cursor: in.Cursor}.readUpTo(usualHourRow, mostHourRows)
	if err != nil {
		return nil, err
	}
	from, to, err := RangeParams{From: in.From, To: in.To}.read(now, usualRange, hoursRange)
	if err != nil {
		return nil, err
	}
	streams, err := oneStream(in.Stream)
	if err != nil {
		return nil, err
	}
	from, to = from.Truncate(time.Hour), to.Add(time.Hour-1).Truncate(time.Hour)
	if from, err = startAfter(from, after); err != nil {
		return nil, err
	}
	found, err := s.Auditor.Hours(ctx, streams, from, to, now)
	if err != nil {
		return nil, err
	}
	sortBy(found, hourKey)
	cut := page(found, limit, after, hourKey)
	items, err := s.withStanding(ctx, cut.Items)
	return reply(api.Page[api.Hour]{Items: items, Next: cut.Next}), err
}

// withStanding tells hours, which are in the order of their starts, with the certificates that they have.
func (s *Inspector) withStanding(ctx context.Context, hours []store.Hour) ([]api.Hour, error) {
	out := rows(hours, hourOf)
	if len(hours) == 0 {
		return out, nil
	}
	streams := rows(hours, func(h store.Hour) string { return h.Stream })
	slices.Sort(streams)
	entries, err := s.Store.LastEntries(ctx, slices.Compact(streams), hours[0].Start, hours[len(hours)-1].Start.Add(time.Hour))
	if err != nil {
		return nil, err
	}
	for i := range hours {
		if last, there := entries[store.WindowKey{Stream: hours[i].Stream, Start: hours[i].Start.UTC()}]; there {
			out[i].Certificate = &api.HourEntry{Number: last.Number, Standing: hourStanding(last.Action)}
			out[i].Certified = last.Action != actionRevoke
		}
	}
	return out, nil
}

// hourStanding is how an hour stands by the action of its last entry.
func hourStanding(action string) string {
	if action == actionRevoke {
		return "revoked"
	}
	return "certified"
}

func hourKey(h store.Hour) string { return fmt.Sprintf("%016x|%s", h.Start.UnixMilli(), h.Stream) }

func oneStream(name string) ([]string, error) {
	if name == "" {
		return nil, nil
	}
	return []string{name}, checkName("query.stream", name)
}

type hourInput struct {
	StreamParam
	Hour string `path:"hour" doc:"in UTC, as 2026-11-22T05"`
	EdgeParam
}

func (s *Inspector) getHour(ctx context.Context, in *hourInput) (*answer[api.HourDetail], error) {
	hour, err := readHour(in.Hour)
	if err != nil {
		return nil, err
	}
	edge, err := readEdge("query.edge", in.Edge)
	if err != nil {
		return nil, err
	}
	now := s.Now()
	if _, err := s.stream(ctx, in.Stream, now); err != nil {
		return nil, err
	}
	if hour.After(now) {
		return nil, notFound("hour %s lies in the future", in.Hour)
	}
	sum, bad, err := s.Auditor.HourOfEdge(ctx, in.Stream, hour, edge, now)
	if err != nil {
		return nil, err
	}
	if sum.State == 0 {
		return nil, notFound("stream %s has no window in hour %s", in.Stream, in.Hour)
	}
	windows, err := s.withLatency(ctx, in.Stream, bad)
	if err != nil {
		return nil, err
	}
	told, err := s.withStanding(ctx, []store.Hour{sum})
	if err != nil {
		return nil, err
	}
	return reply(api.HourDetail{Hour: told[0], Windows: windows}), nil
}
