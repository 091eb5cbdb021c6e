package inspector

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/rollcallhq/rollcall/inspector/api"
	"github.com/rollcallhq/rollcall/internal/access"
	"github.com/rollcallhq/rollcall/internal/store"
)

// Epochs keeps which replays people declared, for ever.
type Epochs interface {
	AddEpoch(ctx context.Context, epoch store.Epoch) (store.Epoch, error)
	EpochsOf(ctx context.Context, streams []string) (map[string][]store.Epoch, error)
}

func (s *Inspector) epochRoutes() {
	body[api.EpochRequest](s, call{id: "declare-epoch", method: http.MethodPost, path: "/streams/{stream}/epochs",
		summary: "Declare a replay: 201 with the epoch its emitters report under"}, s.declareEpoch)
	get(s, "list-epochs", "/streams/{stream}/epochs", "The declared replays of a stream", s.listEpochs)
}

func (s *Inspector) declareEpoch(ctx context.Context, in *struct {
	StreamParam
	RawBody []byte `contentType:"application/json"`
}) (*made[api.Epoch], error) {
	var asked api.EpochRequest
	if err := strictJSON(in.RawBody, &asked); err != nil {
		return nil, err
	}
	now := s.Now().UTC().Truncate(time.Millisecond)
	if err := checkEpoch(asked, now); err != nil {
		return nil, err
	}
	if _, err := s.stream(ctx, in.Stream, now); err != nil {
		return nil, err
	}
	e, err := s.Store.AddEpoch(ctx, store.Epoch{
		Stream: in.Stream, From: asked.From.UTC(), To: asked.To.UTC(), Why: strings.TrimSpace(asked.Why), Who: access.From(ctx).Name, MadeAt: now,
	})
	if err != nil {
		return nil, err
	}
	return &made[api.Epoch]{Status: http.StatusCreated, Body: epochOf(e)}, nil
}

func checkEpoch(in api.EpochRequest, now time.Time) error {
	for path, t := range map[string]time.Time{"body.from": in.From, "body.to": in.To} {
		switch {
		case t.IsZero():
			return fault(path, "missing: windows that start from 'from' on and before 'to' are delivered again")
		case t.Year() < 1970 || t.Year() > 2200:
			return fault(path, "the year %d is not between 1970 and 2200", t.Year())
		}
	}
	switch {
	case !in.From.Before(in.To):
		return fault("body.from", "%s is not before 'to', %s", stamp(in.From), stamp(in.To))
	case in.From.After(now):
		return fault("body.from", "%s lies in the future: nothing of it can be delivered again", stamp(in.From))
	}
	return checkText("body.why", in.Why, maxReason, "say why, for those who ask later")
}

func (s *Inspector) listEpochs(ctx context.Context, in *struct {
	StreamParam
	PageParams
}) (*answer[api.Page[api.Epoch]], error) {
	limit, after, err := in.read()
	if err != nil {
		return nil, err
	}
	if _, err := s.stream(ctx, in.Stream, s.Now()); err != nil {
		return nil, err
	}
	found, err := s.Store.EpochsOf(ctx, []string{in.Stream})
	if err != nil {
		return nil, err
	}
	return reply(page(rows(found[in.Stream], epochOf), limit, after, epochKey)), nil
}

func epochKey(e api.Epoch) string { return fmt.Sprintf("%010d", e.Epoch) }

func epochOf(e store.Epoch) api.Epoch {
	return api.Epoch{Epoch: e.Number, From: e.From.UTC(), To: e.To.UTC(), Why: e.Why, Who: e.Who, MadeAt: e.MadeAt.UTC()}
}
