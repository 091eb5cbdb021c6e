package cli

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/rollcallhq/rollcall/inspector/api"
)

type windows struct {
	Stream string `arg:"" help:"The stream."`
	span
	Edge string `help:"Only this edge, as app..agent." placeholder:"A..B"`
}

// Run lists the windows; the answer is bad when one is incomplete or unknown, and not all of that waived.
func (w *windows) Run(s *session) error {
	query, err := w.query()
	if err != nil {
		return err
	}
	if w.Edge != "" {
		query.Set("edge", w.Edge)
	}
	raw, rows, err := all[api.Window](s, "/streams/"+url.PathEscape(w.Stream)+"/windows", query)
	if err != nil {
		return err
	}
	if s.asJSON {
		err = s.printList(raw)
	} else {
		err = s.printWindows(w.Stream, rows)
	}
	if err != nil {
		return err
	}
	return badWhen(slices.ContainsFunc(rows, badWindow))
}

func (s *session) printWindows(stream string, rows []api.Window) error {
	if len(rows) == 0 {
		return s.say("No window of %s in that time.", stream)
	}
	t := newTable("START", "EDGE", "STATE", ">EXPECTED", ">DELIVERED", ">LOST", ">PENDING", "BESIDE IT", ">P99 MS", "WHY")
	for _, r := range rows {
		t.add(instant(r.Start), r.Edge, r.State, r.Expected, r.Delivered, r.Lost, r.Pending,
			marks(markCounts(r.Counts)), p99(r.Latency), why(r.Reasons))
	}
	return t.print(s.env.Stdout)
}

// badState reports whether a state is one nobody should rely on.
func badState(state string) bool { return state == "incomplete" || state == "unknown" }

// badWindow is badState of a window; one whose losses are waived, or all that holds it, is relied on for what it is.
func badWindow(w api.Window) bool { return badState(w.State) && !w.Good }

// badHour is badWindow of an hour.
func badHour(h api.Hour) bool { return badState(h.State) && !h.Good }

var ranks = map[string]int{"complete": 1, "open": 2, "settling": 3, "unknown": 4, "incomplete": 5}

// worstOf returns the worst state among rows; empty when there is none.
func worstOf(rows []api.Window) string {
	worst := ""
	for _, r := range rows {
		if ranks[r.State] > ranks[worst] {
			worst = r.State
		}
	}
	return worst
}

// mark is a count beside the state.
type mark struct {
	name  string
	count uint64
}

func markCounts(w api.Counts) []mark {
	return []mark{
		{"duplicated", w.Duplicated}, {"redelivered", w.Redelivered}, {"unexpected", w.Unexpected},
		{"corrupt", w.Corrupt}, {"invalid", w.Invalid}, {"invalid at source", w.InvalidAtSource}, {"filtered", w.Filtered}, {"rejected", w.Rejected},
		{"skewed", w.Skewed}, {"unplaced", w.Unplaced}, {"late", w.Late},
		{"replayed", w.Replayed}, {"waived", waivedCount(w.Waived)},
	}
}

// waivedCount sums what is waived, of whichever kind.
func waivedCount(w *api.Waived) uint64 {
	if w == nil {
		return 0
	}
	return w.Lost + w.Corrupt + w.Rejected + w.Duplicated + w.Unplaced + w.Unknown
}

func marks(counts []mark) string {
	var said []string
	for _, m := range counts {
		if m.count > 0 {
			said = append(said, fmt.Sprintf("%s %d", m.name, m.count))
		}
	}
	return firstOf(strings.Join(said, ", "), "-")
}

// p99 is never a number where the event at 99 % has not arrived.
func p99(l *api.Latency) string {
	switch {
	case l == nil:
		return "-"
	case slices.Contains(l.Beyond, "p99"):
		return notArrived
	}
	return fmt.Sprintf("%.0f", l.P99)
}

func why(reasons []api.Reason) string {
	if len(reasons) == 0 {
		return "-"
	}
	said := firstOf(reasons[0].Text, reasons[0].Code)
	if more := len(reasons) - 1; more > 0 {
		said += fmt.Sprintf(" (and %d more)", more)
	}
	return said
}
