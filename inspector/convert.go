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

func countsOf(c store.Counts, waived store.Waived) api.Counts {
	return api.Counts{
		Produced: c.Produced, Expected: c.Expected, Delivered: c.Delivered, Lost: c.Lost, Pending: c.Pending,
		Duplicated: c.Duplicated, Redelivered: c.Redelivered, Unexpected: c.Unexpected, Corrupt: c.Corrupt, Invalid: c.Invalid,
		Filtered: c.Filtered, Rejected: c.Rejected, Skewed: c.Skewed, Unplaced: c.Unplaced, Late: c.Late, Replayed: c.Replayed,
		InvalidAtSource: c.InvalidAtSource, InvalidBefore: c.InvalidBefore, Checked: c.Checked, CheckedAtSource: c.CheckedAtSource,
		Waived: waivedOf(waived),
	}
}

func windowOf(v store.Verdict) api.Window {
	return api.Window{
		Stream: v.Stream, Start: v.Start.UTC(), Seconds: v.Seconds, Edge: v.Edge.String(),
		State: v.State.String(), Revision: v.Revision,
		Counts: countsOf(v.Counts, v.Waived), Good: v.Good(),
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
		Counts: countsOf(h.Counts, h.Waived), Good: h.Good == store.Complete, Certifiable: len(h.Bars) == 0, Bars: h.Bars,
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
