package cli

import (
	"slices"

	"github.com/rollcallhq/rollcall/inspector/api"
)

type hours struct{ span }

// Run lists streams by hour; the answer is bad when an hour is incomplete or unknown, and not all of that waived.
func (h *hours) Run(s *session) error {
	query, err := h.query()
	if err != nil {
		return err
	}
	raw, rows, err := all[api.Hour](s, "/hours", query)
	if err != nil {
		return err
	}
	if s.asJSON {
		err = s.printList(raw)
	} else {
		err = s.printHours(rows)
	}
	if err != nil {
		return err
	}
	return badWhen(slices.ContainsFunc(rows, badHour))
}

func (s *session) printHours(rows []api.Hour) error {
	if len(rows) == 0 {
		return s.say("No hour of any stream in that time.")
	}
	t := newTable("STREAM", "HOUR", "STATE", ">PRODUCED", ">EXPECTED", ">DELIVERED", ">LOST", ">PENDING", "BESIDE IT")
	for _, r := range rows {
		t.add(r.Stream, r.Hour, r.State, r.Produced, r.Expected, r.Delivered, r.Lost, r.Pending, marks(markCounts(r.Counts)))
	}
	return t.print(s.env.Stdout)
}
