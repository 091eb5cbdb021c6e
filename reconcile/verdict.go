package reconcile

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rollcallhq/rollcall/internal/store"
)

// Why a revision was made.
const (
	causeFirst       = "first"          // the first verdict of the window
	causeLateData    = "late-data"      // reports about the window came after it had settled
	causeSettleLimit = "settle-limit"   // the settle limit passed and a lane is not covered
	causeRecovered   = "recovered"      // an unknown window's lanes were covered after all
	causeSettings    = "settings"       // an edge came or went with the settings
	causeReopened    = "reopened"       // an event was taken over late and later hops have to pass it
	causeByHand      = "closed-by-hand" // a person closed what held the window
	causeReplay      = "replay"         // a declared replay delivered something, or was declared
	causeWaiver      = "waiver"         // a person waived something
)

// window is one window being judged.
type window struct {
	h       *history
	start   int64
	seconds uint32
	now     time.Time
	closing *closing
	content content
	past    bool // it is judged no more: see expired.go
	torn    bool // rolls are stored of a report that was not read: see holdTorn
}

// judgeWindow applies the closing protocol at now to the window that starts at start.
func (h *history) judgeWindow(start, now time.Time) *window {
	seconds := h.Settings.Seconds(start)
	from := start.UnixMilli()
	return &window{
		h: h, start: from, seconds: seconds, now: now, content: newContent(),
		closing: h.judge(from, from+int64(seconds)*1000, now.UnixMilli()),
	}
}

// idempotent says whether every report of the hop that mentions the window says so.
func (w *window) idempotent(hop string) bool {
	said := false
	for _, r := range w.h.mentions[w.start] {
		if r.Hop == hop {
			if !r.Idempotent {
				return false
			}
			said = true
		}
	}
	return said
}

// state is section 4 of the closing protocol.
func (w *window) state(edge store.Edge, lost uint64) store.State {
	now := w.now.UnixMilli()
	switch {
	case w.closing.hops[edge.To].closed() && lost == 0:
		return store.Complete
	case w.closing.hops[edge.To].closed():
		return store.Incomplete
	case now < w.closing.end:
		return store.Open
	case now < w.settleLimit():
		return store.Settling
	}
	return store.Unknown
}

func (w *window) settleLimit() int64 { return w.closing.base + w.h.Settings.Settle.Milliseconds() }

// due is when a verdict of this state must be looked at again though no report came; zero for a closed one.
func (w *window) due(s store.State) time.Time {
	grace := w.closing.end + w.h.Settings.Grace.Milliseconds()
	now := w.now.UnixMilli()
	switch {
	case s == store.Complete || s == store.Incomplete:
		return time.Time{}
	case now < w.closing.end:
		return time.UnixMilli(w.closing.end).UTC()
	case now < grace:
		return time.UnixMilli(grace).UTC()
	case s == store.Settling:
		return time.UnixMilli(w.settleLimit()).UTC()
	}
	return store.Never
}

// bound is the instant before which a report must have been sent to change the closing of the edge's hops.
func (w *window) bound(edge store.Edge) time.Time {
	latest := w.closing.end + w.h.Settings.Grace.Milliseconds()
	for _, hop := range w.closing.graph.upTo(edge.To) {
		c := w.closing.hops[hop]
		for _, at := range []int64{c.target, c.k, c.late, c.handed} {
			if at != notYet {
				latest = max(latest, at)
			}
		}
	}
	return time.UnixMilli(latest + 1).UTC()
}

// verdicts says what is to be said of each edge now, given what was said before.
func (w *window) verdicts(before []store.Verdict) []store.Verdict {
	var said []store.Verdict
	for _, edge := range w.closing.graph.edges() {
		var old *store.Verdict
		if i := slices.IndexFunc(before, func(v store.Verdict) bool { return v.Edge == edge }); i >= 0 {
			old = &before[i]
		}
		said = append(said, w.verdict(edge, old))
	}
	for _, old := range before {
		if old.State != store.Withdrawn && !slices.Contains(w.closing.graph.edges(), old.Edge) {
			said = append(said, w.withdraw(old))
		}
	}
	return said
}

// withdraw takes back a verdict on an edge that the window no longer has, since settings changed.
func (w *window) withdraw(old store.Verdict) store.Verdict {
	v := old
	v.State, v.Counts, v.Reasons, v.Cause = store.Withdrawn, store.Counts{}, nil, causeSettings
	v.Revision++
	v.Due, v.DecidedAt = time.Time{}, after(w.now, old.DecidedAt)
	return v
}

// after is now, or the next instant after before where the clock stepped back: what is decided later must overrule what was said earlier.
func after(now, before time.Time) time.Time {
	if next := before.Add(time.Millisecond); now.Before(next) {
		return next
	}
	return now.UTC()
}

// how decides which names the sets of an edge have.
func (w *window) how(edge store.Edge, wasClosed bool) how {
	return how{closed: w.closing.hops[edge.To].closed(), wasClosed: wasClosed, idempotent: w.idempotent(edge.To), first: len(w.closing.graph.before[edge.From]) == 0}
}

func (w *window) verdict(edge store.Edge, old *store.Verdict) store.Verdict {
	how := w.how(edge, old != nil && !old.FirstClosed.IsZero())
	counts := w.content.counts(edge, how)
	v := store.Verdict{
		Stream: w.h.Settings.Stream, Start: time.UnixMilli(w.start).UTC(), Seconds: w.seconds, Edge: edge,
		State: w.state(edge, counts.Lost), Counts: counts, DecidedAt: w.now.UTC(), Bound: w.bound(edge),
	}
	v.Due = w.due(v.State)
	held := w.held(edge, &counts, v.State)
	v.Reasons = w.reasons(edge, &counts, v.State, held)
	v.Waived = w.content.waivedOf(edge, how, held)
	v.Excused = excused(&v, len(held))
	v.ByHand, v.Replays = uint32(len(w.closing.byHand)), w.replays(edge)
	if how.closed {
		v.K = time.UnixMilli(w.closing.hops[edge.To].k).UTC()
		v.FirstClosed = v.DecidedAt
	}
	revise(&v, old)
	return v
}

// revise numbers the verdict and names the cause of its revision. A provisional verdict is overwritten at its revision; a settled
// one stays, and what is said after it is a new revision.
func revise(v *store.Verdict, old *store.Verdict) {
	if old == nil {
		v.Revision, v.Cause = 1, causeFirst
		return
	}
	if !old.FirstClosed.IsZero() {
		v.FirstClosed = old.FirstClosed
	}
	v.DecidedAt = after(v.DecidedAt, old.DecidedAt)
	v.Revision, v.Cause = old.Revision, old.Cause
	if old.State == store.Withdrawn {
		v.Revision, v.Cause = old.Revision+1, causeSettings
		return
	}
	if !old.Settled() || same(v, old) {
		return
	}
	v.Revision++
	v.Cause = causeOf(v, old)
}

// causeOf says why a settled verdict is followed by another one.
func causeOf(v, old *store.Verdict) string {
	switch {
	case sameButWaived(v, old):
		return causeWaiver
	case old.Closed() && !v.Closed():
		return causeReopened
	case v.ByHand > old.ByHand:
		return causeByHand
	case v.Replays > old.Replays:
		return causeReplay
	case old.State == store.Unknown && v.Closed():
		return causeRecovered
	case v.State == store.Unknown && old.State != store.Unknown:
		return causeSettleLimit
	}
	return causeLateData
}

// same says whether two verdicts say the same to a person.
func same(a, b *store.Verdict) bool {
	return sameButWaived(a, b) && a.Waived == b.Waived && a.Excused == b.Excused
}

func sameButWaived(a, b *store.Verdict) bool {
	if a.State != b.State || a.Counts != b.Counts || len(a.Reasons) != len(b.Reasons) {
		return false
	}
	for i := range a.Reasons {
		x, y := a.Reasons[i], b.Reasons[i]
		if x.Code != y.Code || x.Hop != y.Hop || x.Lane != y.Lane || x.Emitter != y.Emitter || x.Source != y.Source {
			return false
		}
	}
	return true
}

// maxReasons bounds the reasons of one verdict; the last then says how many more there are.
const maxReasons = 20

// held is all that holds an edge that is not closed.
func (w *window) held(edge store.Edge, counts *store.Counts, state store.State) []store.Reason {
	if state != store.Settling && state != store.Unknown {
		return nil
	}
	var all []store.Reason
	if w.torn {
		all = append(all, store.Reason{Code: "report-half-stored", Text: "a report that speaks of this window is stored only in part", AtRisk: counts.Pending})
	}
	for _, hop := range w.closing.graph.upTo(edge.To) {
		all = append(all, w.holding(hop, counts.Pending)...)
	}
	return all
}

// reasons names what the state rests on: the losses of a closed edge, or what holds an open one.
func (w *window) reasons(edge store.Edge, counts *store.Counts, state store.State, all []store.Reason) []store.Reason {
	switch state {
	case store.Complete, store.Open:
		return nil
	case store.Incomplete:
		text := fmt.Sprintf("%s of %s events that %s handed on never reached %s", number(counts.Lost), number(counts.Expected), edge.From, edge.To)
		return []store.Reason{{Code: "lost", Text: text, Hop: edge.To, AtRisk: counts.Lost}}
	}
	if len(all) == 0 && w.now.UnixMilli() < w.closing.end+w.h.Settings.Grace.Milliseconds() {
		return []store.Reason{{Code: "grace", Text: "the grace period after the window's end has not passed"}}
	}
	if len(all) > maxReasons {
		more := store.Reason{Code: "more", Text: fmt.Sprintf("%d more lanes hold the window", len(all)-maxReasons+1)}
		all = append(slices.Clone(all[:maxReasons-1]), more)
	}
	return all
}

// holding says what of one hop holds the window.
func (w *window) holding(hop string, atRisk uint64) []store.Reason {
	c := w.closing.hops[hop]
	if w.closing.graph.cyclic[hop] {
		return []store.Reason{{Code: "cycle", Hop: hop, Text: "hop " + hop + " comes, directly or not, after itself", AtRisk: atRisk}}
	}
	var all []store.Reason
	if len(w.closing.graph.before[hop]) == 0 {
		for _, source := range w.closing.uncovered {
			text := fmt.Sprintf("source %s was seen downstream but never reported by %s", source, hop)
			all = append(all, store.Reason{Code: "source-uncovered", Hop: hop, Source: source.String(), Text: text, AtRisk: atRisk})
		}
	}
	if c.closed() && c.handed != notYet {
		return all
	}
	if c.target == notYet {
		return all // what holds it is named of the hops before
	}
	if c.closed() {
		return append(all, store.Reason{
			Code: "late-entry", Hop: hop, AtRisk: atRisk,
			Text: fmt.Sprintf("%s took over an event late, at %s, and has not got past that yet", hop, clock(c.late)),
		})
	}
	lanes := 0
	for _, e := range c.epochs {
		lanes += len(e.lanes)
		if e.missing > 0 {
			all = append(all, store.Reason{
				Code: "partitions-silent", Hop: hop, AtRisk: atRisk,
				Text: fmt.Sprintf("%d of the partitions of %s were never heard of", e.missing, hop),
			})
		}
		for i := range e.lanes {
			if e.lanes[i].passedAt == notYet {
				all = append(all, w.laneReason(&e.lanes[i], c.target, atRisk))
			}
		}
	}
	if lanes == 0 && len(all) == 0 {
		all = append(all, store.Reason{Code: "hop-silent", Hop: hop, AtRisk: atRisk, Text: hop + " has reported no lane for this window"})
	}
	return all
}

func (w *window) laneReason(l *lane, target int64, atRisk uint64) store.Reason {
	r := store.Reason{Code: "lane-behind", Hop: l.hop, Lane: l.name, AtRisk: atRisk}
	what := "partition " + l.name + " of " + l.hop
	if l.emitter != nil {
		r.Emitter, r.Host = l.emitter.id.String(), l.emitter.host
		r.Last = w.lastHeard(l.emitter)
		what = "emitter " + r.Emitter + " of " + l.hop
		if l.emitter.host != "" {
			what += " on " + l.emitter.host
		}
		switch {
		case l.emitter.gap > 0:
			r.Code = "report-missing"
			r.Text = fmt.Sprintf("%s: report %d never arrived, so its later watermarks do not count", what, l.emitter.gap)
			return r
		case w.dark(l.emitter):
			r.Code = "emitter-dark"
			r.Text = fmt.Sprintf("%s went dark: last heard of at %s", what, clock(r.Last.UnixMilli()))
			return r
		}
	}
	if l.emitter == nil && w.now.UnixMilli()-l.heard > 3*max(l.heartbeat, 1000) {
		r.Code, r.Last = "lane-dark", instant(l.heard)
		r.Text = what + " is spoken for by nobody" + lastSpoken(l.heard)
		return r
	}
	r.Text = what + " has " + reached(l.watermark) + ", and must pass " + clock(target)
	return r
}

// lastSpoken says when a partition was last stated; reports of long ago are not at hand.
func lastSpoken(heard int64) string {
	if heard == 0 {
		return ""
	}
	return " since " + clock(heard)
}

// dark says whether nothing was heard of the emitter for three heartbeats.
func (w *window) dark(e *emitter) bool {
	last := w.lastHeard(e)
	return !last.IsZero() && w.now.UnixMilli()-last.UnixMilli() > 3*max(e.heartbeat, 1000)
}

func (w *window) lastHeard(e *emitter) time.Time {
	last := e.lastReceived
	for _, r := range e.reports {
		if !r.Ended {
			last = max(last, r.ReceivedAt)
		}
	}
	if last == 0 {
		return time.Time{}
	}
	return time.UnixMilli(last).UTC()
}

func reached(watermark int64) string {
	if watermark < 0 {
		return "stated no watermark"
	}
	return "reached " + clock(watermark)
}

func clock(ms int64) string { return time.UnixMilli(ms).UTC().Format("2006-01-02T15:04:05.000Z") }

// number writes n with thin spaces between thousands.
func number(n uint64) string {
	digits := fmt.Sprint(n)
	var groups []string
	for len(digits) > 3 {
		groups = append([]string{digits[len(digits)-3:]}, groups...)
		digits = digits[:len(digits)-3]
	}
	return strings.Join(append([]string{digits}, groups...), "\u2009")
}
