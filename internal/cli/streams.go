package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rollcallhq/rollcall/inspector/api"
)

type streams struct{}

// Run lists the streams; the answer is bad when the latest window of one is, and not all of that waived.
func (streams) Run(s *session) error {
	raw, rows, err := all[api.Stream](s, "/streams", nil)
	if err != nil {
		return err
	}
	if s.asJSON {
		err = s.printList(raw)
	} else {
		err = s.printStreams(rows)
	}
	if err != nil {
		return err
	}
	return badWhen(slices.ContainsFunc(rows, func(r api.Stream) bool { return slices.ContainsFunc(r.Last, badWindow) }))
}

func (s *session) printStreams(rows []api.Stream) error {
	if len(rows) == 0 {
		return s.say("No stream yet: nothing was reported and none was set up.")
	}
	t := newTable("STREAM", "STATE", "COMPLETE UNTIL", "HOPS", "EDGES", "OWNER")
	for _, r := range rows {
		t.add(r.Stream, firstOf(worstOf(r.Last), "-"), maybeInstant(r.Watermark), hopList(r.Hops),
			firstOf(strings.Join(r.Edges, " "), "-"), firstOf(r.Settings.Owner, "-"))
	}
	return t.print(s.env.Stdout)
}

func hopList(hops []api.Hop) string {
	if len(hops) == 0 {
		return "-"
	}
	said := make([]string, len(hops))
	for i, h := range hops {
		said[i] = fmt.Sprintf("%s (%d)", h.Hop, h.Emitters)
		if h.Dark > 0 {
			said[i] = fmt.Sprintf("%s (%d, %d dark)", h.Hop, h.Emitters, h.Dark)
		}
	}
	return strings.Join(said, ", ")
}
