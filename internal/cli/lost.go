package cli

import (
	"encoding/json"
	"net/url"
	"time"

	"github.com/rollcallhq/rollcall/inspector/api"
)

type lost struct {
	Stream string `arg:"" help:"The stream."`
	Start  when   `arg:"" help:"Start of the window, as 2026-11-22T05:09:00Z."`
	Edge   string `help:"Only this edge, as app..agent; every edge of the window when not given." placeholder:"A..B"`
	Kind   string `default:"lost" enum:"lost,pending,duplicated,redelivered,unexpected,corrupt,invalid,filtered,rejected,skewed,late" help:"What to name instead of the lost: ${enum}." placeholder:"KIND"`
}

// named is a UID with the edge it is named on.
type named struct {
	Edge string `json:"edge"`
	api.UID
}

// Run names the UIDs; the answer is bad when there are any.
func (l *lost) Run(s *session) error {
	edges, err := l.edges(s)
	if err != nil {
		return err
	}
	raw, rows := []json.RawMessage{}, []named{}
	for _, edge := range edges {
		query := url.Values{"edge": {edge}, "kind": {l.Kind}}
		texts, uids, err := all[api.UID](s, l.window()+"/uids", query)
		if err != nil {
			return err
		}
		raw = append(raw, texts...)
		for _, u := range uids {
			rows = append(rows, named{Edge: edge, UID: u})
		}
	}
	if s.asJSON {
		err = l.printJSON(s, raw, rows)
	} else {
		err = l.print(s, rows)
	}
	if err != nil {
		return err
	}
	return badWhen(len(rows) > 0)
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

// edges returns the edge asked for, or every edge of the window.
func (l *lost) edges(s *session) ([]string, error) {
	if l.Edge != "" {
		return []string{l.Edge}, nil
	}
	query := url.Values{"from": {l.start()}, "to": {l.Start.Add(time.Second).Format(time.RFC3339Nano)}}
	_, rows, err := all[api.Window](s, "/streams/"+url.PathEscape(l.Stream)+"/windows", query)
	if err != nil {
		return nil, err
	}
	var edges []string
	for _, r := range rows {
		if r.Start.Equal(l.Start.Time) {
			edges = append(edges, r.Edge)
		}
	}
	if len(edges) == 0 {
		return nil, wrongUse("%s has no window that starts at %s; \"rollcall windows %s\" lists those it has", l.Stream, l.start(), l.Stream)
	}
	return edges, nil
}

func (l *lost) print(s *session, rows []named) error {
	if len(rows) == 0 {
		return s.say("None %s in %s, window %s.", l.Kind, l.Stream, instant(l.Start.Time))
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
