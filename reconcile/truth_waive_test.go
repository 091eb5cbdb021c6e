package reconcile

import (
	"context"
	"slices"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcallhq/rollcall/internal/store"
	"github.com/rollcallhq/rollcall/reconcile/model"
)

// only is the store of which a pass finds due what is of some plays.
type only struct {
	Store
	plays []*play
}

func (o only) DueMarks(ctx context.Context, now time.Time, limit int) ([]store.Mark, error) {
	marks, err := o.Store.DueMarks(ctx, now, limit)
	return slices.DeleteFunc(marks, func(m store.Mark) bool {
		return !slices.ContainsFunc(o.plays, func(p *play) bool { return p.stream == m.Stream })
	}), err
}

func (st *stage) declare(ctx context.Context, p *play, d *model.Declare) {
	st.t.Helper()
	e := store.Epoch{Stream: p.stream, From: d.From, To: d.To, Why: "lost on the way", Who: "local", MadeAt: p.now}
	if _, err := st.store.AddEpoch(ctx, e); err != nil {
		st.t.Fatal(err)
	}
}

// waive makes the waivers that are the next steps of some plays, of what stands at that instant in the store and in the model.
func (st *stage) waive() {
	st.t.Helper()
	var waiving []*play
	for _, p := range st.plays {
		if st.next(p) && p.history.Steps[p.step].Waive != nil {
			waiving = append(waiving, p)
			st.clock[p.stream] = p.history.Steps[p.step].Now
		}
	}
	if len(waiving) == 0 {
		return
	}
	if _, err := st.pass(only{st.store, waiving}, farOff); err != nil {
		st.t.Fatal(err)
	}
	for _, p := range waiving {
		st.waiveOf(p, p.history.Steps[p.step])
	}
}

func (st *stage) waiveOf(p *play, step model.Step) {
	st.t.Helper()
	ask := store.WaiverRequest{
		Stream: p.stream, Hour: time.Date(2026, 11, 22, 5, 0, 0, 0, time.UTC), Edge: edgeOf(st.t, step.Waive.Edge), Kind: store.WaiverKind(step.Waive.Kind),
		Scope: store.WaiveAll,
	}
	if step.Waive.Half {
		ask.Scope = store.WaiveUIDs
		for _, names := range p.model.Waivable(*step.Waive, step.Now) {
			ask.UIDs = append(ask.UIDs, names...)
		}
	}
	got, known, err := NewReader(st.store).ResolveWaiver(st.t.Context(), ask, step.Now)
	if err != nil {
		st.t.Fatal(err)
	}
	if len(got.Strange) > 0 {
		st.t.Fatalf("history %s: %s of %s: %s is not that, says the service", p.stream, step.Waive.Kind, step.Waive.Edge, ask.UIDs[got.Strange[0]])
	}
	if !known || len(got.Names) == 0 || len(got.Standing) > 0 {
		return
	}
	w := store.Waiver{
		ID: id(byte(p.step)), Stream: p.stream, Hour: ask.Hour, Edge: ask.Edge, Kind: ask.Kind, Scope: ask.Scope, Reason: "known", Who: "local",
		MadeAt: step.Now, Windows: got.Windows,
	}
	copy(w.ID[1:6], p.stream[len(p.stream)-5:])
	if err := st.store.AddWaiver(st.t.Context(), w, got.Names); err != nil {
		st.t.Fatal(err)
	}
}

// sampled takes one history in eight, since its questions are asked one by one.
func (st *stage) sampled(p *play) bool { return slices.Index(st.plays, p)%8 == 0 }

// compareRollUps holds the watermark and the hour of a play against the model.
func (st *stage) compareRollUps(p *play) {
	st.t.Helper()
	r := NewReader(st.store)
	mark, _, _, err := r.Watermark(st.t.Context(), p.stream, "", p.now)
	if err != nil {
		st.t.Fatal(err)
	}
	hour, _, err := r.HourOfEdge(st.t.Context(), p.stream, five, nil, p.now)
	if err != nil {
		st.t.Fatal(err)
	}
	last, err := st.store.LastWatermarks(st.t.Context(), []string{p.stream}, p.now)
	if err != nil {
		st.t.Fatal(err)
	}
	type rollUp struct {
		Watermark, Stated time.Time
		State, Good       string
	}
	state, good := p.model.Hour(p.now)
	want := rollUp{p.model.Watermark(p.now), p.model.Watermark(p.now), state, good}
	got := rollUp{mark, last[p.stream].Watermark, hour.State.String(), hour.Good.String()}
	if diff := cmp.Diff(want, got); diff != "" {
		st.t.Fatalf("history %s at %s (-model +service):\n%s\n%s", p.stream, p.now.Format(time.RFC3339Nano), diff, describe(p))
	}
}
