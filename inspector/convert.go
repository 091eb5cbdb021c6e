package inspector

import (
	"time"

	"github.com/rollcallhq/rollcall/inspector/api"
	"github.com/rollcallhq/rollcall/internal/store"
)

// some returns nil for no instant.
func some(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

// rows converts a list; the answer is never null.
func rows[A, B any](list []A, convert func(A) B) []B {
	out := make([]B, len(list))
	for i, a := range list {
		out[i] = convert(a)
	}
	return out
}

func windowOf(v store.Verdict) api.Window {
	return api.Window{
		Stream: v.Stream, Start: v.Start.UTC(), Seconds: v.Seconds, Edge: v.Edge.String(),
		State: v.State.String(), Revision: v.Revision,
		Produced: v.Produced, Expected: v.Expected, Delivered: v.Delivered, Lost: v.Lost, Pending: v.Pending,
		Duplicated: v.Duplicated, Redelivered: v.Redelivered, Unexpected: v.Unexpected, Corrupt: v.Corrupt, Invalid: v.Invalid,
		Filtered: v.Filtered, Rejected: v.Rejected, Skewed: v.Skewed, Unplaced: v.Unplaced, Late: v.Late, Replayed: v.Replayed,
		InvalidAtSource: v.InvalidAtSource, InvalidBefore: v.InvalidBefore, Checked: v.Checked, CheckedAtSource: v.CheckedAtSource,
		Waived: waivedOf(v.Waived), Good: v.Good(),
		Reasons: rows(v.Reasons, reasonOf), Cause: v.Cause, DecidedAt: some(v.DecidedAt),
	}
}

func reasonOf(r store.Reason) api.Reason {
	return api.Reason{
		Code: r.Code, Text: r.Text, Hop: r.Hop, Lane: r.Lane, Emitter: r.Emitter, Source: r.Source, Host: r.Host,
		LastHeard: some(r.Last), AtRisk: r.AtRisk,
	}
}

func hourOf(h store.Hour) api.Hour {
	return api.Hour{
		Stream: h.Stream, Hour: h.Start.UTC().Format(hourForm), State: h.State.String(),
		Produced: h.Produced, Expected: h.Expected, Delivered: h.Delivered, Lost: h.Lost, Pending: h.Pending,
		Duplicated: h.Duplicated, Redelivered: h.Redelivered, Unexpected: h.Unexpected, Corrupt: h.Corrupt, Invalid: h.Invalid,
		Filtered: h.Filtered, Rejected: h.Rejected, Skewed: h.Skewed, Unplaced: h.Unplaced, Late: h.Late, Replayed: h.Replayed,
		InvalidAtSource: h.InvalidAtSource, InvalidBefore: h.InvalidBefore, Checked: h.Checked, CheckedAtSource: h.CheckedAtSource,
		Waived: waivedOf(h.Waived), Good: h.Good == store.Complete, Certifiable: len(h.Bars) == 0, Bars: h.Bars,
		NextCertifiableAt: some(h.Next),
	}
}

func uidOf(n store.Named) api.UID {
	u := api.UID{UID: n.UID, Host: n.Host, LastHop: n.LastHop, Times: n.Times}
	if !n.Foreign {
		u.Source, u.Sequence = n.Source.String(), &n.Sequence
	}
	return u
}

func hopEvidenceOf(h store.HopState) api.HopEvidence {
	return api.HopEvidence{
		Hop: h.Hop, Target: some(h.Target), K: some(h.K), Handed: some(h.Handed), Seen: h.Seen, Lanes: rows(h.Lanes, laneOf),
	}
}

func laneOf(l store.LaneState) api.LaneEvidence {
	e := api.LaneEvidence{
		Hop: l.Hop, Epoch: l.Epoch, Lane: l.Lane, Host: l.Host, Watermark: some(l.Watermark), Closed: l.Closed, PassedAt: some(l.PassedAt),
	}
	if !l.Emitter.IsZero() {
		e.Emitter = l.Emitter.String()
	}
	return e
}

func reportOf(r store.ReportState) api.ReportEvidence {
	return api.ReportEvidence{
		Hop: r.Hop, Emitter: r.Emitter.String(), Host: r.Host, Number: r.Number,
		SentAt: r.SentAt.UTC(), ReceivedAt: r.ReceivedAt.UTC(), Counted: r.Counted,
	}
}

func edgeText(e store.Edge) string { return e.String() }

func hopOf(h store.HopInfo) api.Hop {
	return api.Hop{Hop: h.Hop, After: h.After, Emitters: h.Alive, Dark: h.Dark}
}
