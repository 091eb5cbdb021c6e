package inspector

import (
	"context"
	"crypto/rand"
	"slices"
	"strings"
	"time"

	"github.com/rollcallhq/rollcall/audit/wire"
	"github.com/rollcallhq/rollcall/inspector/api"
	"github.com/rollcallhq/rollcall/internal/access"
	"github.com/rollcallhq/rollcall/internal/store"
)

// Silences keeps when nobody is to be called.
type Silences interface {
	Silences(ctx context.Context, now time.Time) ([]store.Silence, error)
	PutSilence(ctx context.Context, silence store.Silence, now time.Time) error
}

// longestSilence bounds a silence: one that is forgotten must not mute for ever.
const longestSilence = 366 * 24 * time.Hour

func (s *Inspector) listSilences(ctx context.Context, in *PageParams) (*answer[api.Page[api.Silence]], error) {
	limit, after, err := in.read()
	if err != nil {
		return nil, err
	}
	found, err := s.Store.Silences(ctx, s.Now())
	if err != nil {
		return nil, err
	}
	out := rows(found, silenceOf)
	sortBy(out, silenceKey)
	return reply(page(out, limit, after, silenceKey)), nil
}

func silenceKey(v api.Silence) string {
	return v.Start.UTC().Format("2006-01-02T15:04:05.000") + "|" + v.ID
}

func silenceOf(v store.Silence) api.Silence {
	return api.Silence{
		ID: v.ID.String(), Stream: v.Stream, Edge: maybeEdge(v.Edge), Start: v.Starts.UTC(), End: v.Ends.UTC(), Author: v.Author, Reason: v.Reason,
		MadeAt: v.MadeAt.UTC(), EndedBy: v.EndedBy,
	}
}

func (s *Inspector) addSilence(ctx context.Context, in *struct {
	RawBody []byte `contentType:"application/json"`
}) (*answer[api.Silence], error) {
	var asked api.SilenceRequest
	if err := strictJSON(in.RawBody, &asked); err != nil {
		return nil, err
	}
	now := s.Now().UTC().Truncate(time.Millisecond)
	v, err := readSilence(asked, now)
	if err != nil {
		return nil, err
	}
	v.ID, v.Author, v.MadeAt = randomID(), access.From(ctx).Name, now
	if err := s.Store.PutSilence(ctx, v, now); err != nil {
		return nil, err
	}
	return reply(silenceOf(v)), nil
}

func readSilence(asked api.SilenceRequest, now time.Time) (store.Silence, error) {
	v := store.Silence{Stream: asked.Stream, Starts: now, Reason: strings.TrimSpace(asked.Reason)}
	if asked.Start != nil {
		v.Starts = asked.Start.UTC()
	}
	if asked.Stream != "" {
		if err := checkName("body.stream", asked.Stream); err != nil {
			return v, err
		}
	}
	edge, err := readEdge("body.edge", asked.Edge)
	if err != nil {
		return v, err
	}
	if edge != nil {
		v.Edge = *edge
	}
	switch {
	case v.Reason == "":
		return v, fault("body.reason", "missing: say why, for those who wonder that nobody was called")
	case len([]rune(v.Reason)) > 1000:
		return v, fault("body.reason", "longer than 1000 characters")
	case asked.End == nil:
		return v, fault("body.end", "missing: a silence ends")
	case v.Starts.Year() < 1970 || v.Starts.Year() > 2200:
		return v, fault("body.start", "the year %d is not between 1970 and 2200", v.Starts.Year())
	case !asked.End.After(now) || !asked.End.After(v.Starts):
		return v, fault("body.end", "%s is not after now and after 'start', %s", stamp(*asked.End), stamp(v.Starts))
	case asked.End.Sub(v.Starts) > longestSilence:
		return v, fault("body.end", "the silence is longer than 366 days")
	}
	v.Ends = asked.End.UTC()
	return v, nil
}

// randomID is a UUID of version 4.
func randomID() wire.UID {
	var id wire.UID
	_, _ = rand.Read(id[:]) // never fails
	id[6], id[8] = id[6]&0x0f|0x40, id[8]&0x3f|0x80
	return id
}

func (s *Inspector) endSilence(ctx context.Context, in *struct {
	ID string `path:"id" doc:"UUID of the silence"`
}) (*answer[api.Silence], error) {
	id, err := readID(in.ID)
	if err != nil {
		return nil, err
	}
	now := s.Now().UTC().Truncate(time.Millisecond)
	found, err := s.Store.Silences(ctx, now)
	if err != nil {
		return nil, err
	}
	n := slices.IndexFunc(found, func(v store.Silence) bool { return v.ID == id })
	if n < 0 {
		return nil, notFound("no silence %s that has not ended; GET /api/v1/silences lists them", id)
	}
	v := found[n]
	v.Ends, v.EndedBy = now, access.From(ctx).Name
	if err := s.Store.PutSilence(ctx, v, now.Add(time.Millisecond)); err != nil { // after the row that made it
		return nil, err
	}
	return reply(silenceOf(v)), nil
}
