package cli

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"time"

	"github.com/rollcallhq/rollcall/inspector/api"
)

type lost struct {
	Stream string `arg:"" help:"The stream."`
	Start  when   `arg:"" help:"Start of the window, as 2026-11-22T05:09:00Z."`
	Edge   string `help:"Only this edge, as app..agent; every edge of the window when not given." placeholder:"A..B"`
	Kind   string `default:"lost" enum:"lost,pending,duplicated,redelivered,unexpected,corrupt,invalid,filtered,rejected,skewed,late,invalidAtSource,replayed" help:"What to name instead of the lost: ${enum}." placeholder:"KIND"`
}

// named is a UID with the edge it is named on.
type named struct {
	Edge string `json:"edge"`
	api.UID
}

// Run names the UIDs; the answer is bad when there are any, and when none are named only because a window is unknown.
func (l *lost) Run(s *session) error {
	verdicts, err := l.verdicts(s)
	if err != nil {
		return err
	}
	raw, rows := []json.RawMessage{}, []named{}
	for _, v := range verdicts {
		query := url.Values{"edge": {v.Edge}, "kind": {l.Kind}}
		texts, uids, err := all[api.UID](s, l.window()+"/uids", query)
		if err != nil {
			return err
		}
		raw = append(raw, texts...)
		for _, u := range uids {
			rows = append(rows, named{Edge: v.Edge, UID: u})
		}
	}
	if s.asJSON {
		err = l.printJSON(s, raw, rows)
	} else {
		err = l.print(s, rows, verdicts)
	}
	if err != nil {
		return err
	}
	return badWhen(len(rows) > 0 || l.Kind == "lost" && worstOf(verdicts) == "unknown")
}

// printJSON prints the API's own list where one edge was asked for, and else says the edge of each row.
func (l *lost) printJSON(s *session, raw []json.RawMessage, rows []named) error {
	if l.Edge != "" {
		return s.printList(raw)
	}
	return s.printJSON(api.Page[named]{Items: rows})
}

func (l *lost) start() string { return l.Start.Format(time.RFC3339Nano) }

func (l *lost) window() string {
	return "/streams/" + url.PathEscape(l.Stream) + "/windows/" + url.PathEscape(l.start())
}

// verdicts returns those of the window: of the edge asked for, or of every edge.
func (l *lost) verdicts(s *session) ([]api.Window, error) {
	query := url.Values{"from": {l.start()}, "to": {l.Start.Add(time.Second).Format(time.RFC3339Nano)}}
	if l.Edge != "" {
		query.Set("edge", l.Edge)
	}
	_, rows, err := all[api.Window](s, "/streams/"+url.PathEscape(l.Stream)+"/windows", query)
	if err != nil {
		return nil, err
	}
	rows = slices.DeleteFunc(rows, func(r api.Window) bool {
		return !r.Start.Equal(l.Start.Time) || l.Edge != "" && r.Edge != l.Edge
	})
	switch {
	case len(rows) > 0:
		return rows, nil
	case l.Edge != "":
		return nil, wrongUse("%s has no window that starts at %s on edge %s; \"rollcall windows %s\" lists those it has", l.Stream, l.start(), l.Edge, l.Stream)
	}
	return nil, wrongUse("%s has no window that starts at %s; \"rollcall windows %s\" lists those it has", l.Stream, l.start(), l.Stream)
}

func (l *lost) print(s *session, rows []named, verdicts []api.Window) error {
	if len(rows) == 0 {
		return s.say("None %s in %s, window %s%s.", l.Kind, l.Stream, instant(l.Start.Time), l.unsettled(verdicts))
	}
	t := newTable("UID", "EDGE", "LAST HOP", "HOST", ">TIMES")
	for _, r := range rows {
		t.add(r.UID.UID, r.Edge, firstOf(r.LastHop, "-"), firstOf(r.Host, "-"), r.Times)
	}
	if err := t.print(s.env.Stdout); err != nil {
		return err
	}
	return s.say("%s %s.", plural(uint64(len(rows)), "event", "events"), l.Kind)
}

// unsettled says what may still turn out lost, so that "none" is not read as "all arrived".
func (l *lost) unsettled(verdicts []api.Window) string {
	text := ""
	for _, v := range verdicts {
		if l.Kind == "lost" && v.State != "complete" {
			text += fmt.Sprintf("; %s is %s with %d pending", v.Edge, v.State, v.Pending)
		}
	}
	if text == "" {
		return ""
	}
	return " so far" + text
}
