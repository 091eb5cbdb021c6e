package inspector

import (
	"context"

	"github.com/rollcallhq/rollcall/audit/wire"
	"github.com/rollcallhq/rollcall/inspector/api"
	"github.com/rollcallhq/rollcall/internal/store"
)

const maxForeign = 512 // characters of a UID that we did not number

type traceInput struct {
	UID string `path:"uid" doc:"a UID, or any identity that a hop counted"`
}

func (s *Inspector) getTrace(ctx context.Context, in *traceInput) (*answer[api.Trace], error) {
	if len([]rune(in.UID)) > maxForeign {
		return nil, fault("path.uid", "longer than %d characters", maxForeign)
	}
	if uid, err := wire.ParseUID(in.UID); err == nil && uid.Numbered() {
		found, err := s.Auditor.Trace(ctx, uid)
		if err != nil {
			return nil, err
		}
		if len(found) > 0 {
			return reply(tracesOf(found, uid.String(), &uid)), nil
		}
	}
	found, err := s.Auditor.TraceForeign(ctx, in.UID)
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, notFound("no hop has reported %s", in.UID)
	}
	return reply(tracesOf(found, in.UID, nil)), nil
}

// tracesOf puts the other streams and windows of a UID beside the first.
func tracesOf(found []store.Trace, text string, uid *wire.UID) api.Trace {
	all := rows(found, func(t store.Trace) api.Trace { return traceOf(t, text, uid) })
	first := all[0]
	first.Also = all[1:]
	return first
}

func traceOf(t store.Trace, text string, uid *wire.UID) api.Trace {
	out := api.Trace{UID: text, Stream: t.Stream, Window: t.Start.UTC(), Hops: rows(t.Hops, traceHopOf)}
	for _, h := range t.Hops {
		if h.Seen {
			out.LastHop = h.Hop
		}
	}
	if uid == nil {
		return out
	}
	sequence := uid.Sequence()
	out.Source, out.Sequence = uid.Source().String(), &sequence
	if t.Before != nil {
		out.Neighbours.Before = uid.WithSequence(*t.Before).String()
	}
	if t.After != nil {
		out.Neighbours.After = uid.WithSequence(*t.After).String()
	}
	return out
}

func traceHopOf(h store.TraceHop) api.TraceHop {
	return api.TraceHop{
		Hop: h.Hop, Seen: h.Seen, Kinds: rows(h.Kinds, wire.Kind.String), Emitters: rows(h.Emitters, wire.UID.String),
		Host: h.Host,
	}
}
