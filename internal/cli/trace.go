package cli

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/rollcallhq/rollcall/inspector/api"
)

type trace struct {
	UID string `arg:"" name:"uid" help:"The event's UID."`
}

// Run traces one event; the answer is bad when nobody knows it or a hop did not see it.
func (t *trace) Run(s *session) error {
	raw, found, err := one[api.Trace](s, "/uids/"+url.PathEscape(t.UID), nil)
	if status(err) == http.StatusNotFound {
		return badAnswer("no hop has seen %s: %w", t.UID, err)
	}
	if err != nil {
		return err
	}
	if s.asJSON {
		err = s.printJSON(raw)
	} else {
		err = s.printTrace(found)
	}
	if err != nil {
		return err
	}
	return badWhen(missed(found.Hops))
}

// missed reports whether a hop did not see the event though none before it dropped it on purpose.
func missed(hops []api.TraceHop) bool {
	for _, h := range hops {
		for _, kind := range h.Kinds {
			if kind == "filtered" || kind == "rejected" {
				return false
			}
		}
	}
	for _, h := range hops {
		if !h.Seen {
			return true
		}
	}
	return false
}

func (s *session) printTrace(found api.Trace) error {
	if err := s.say("%s of stream %s, window %s, last seen at %s", found.UID, found.Stream, instant(found.Window), firstOf(found.LastHop, "no hop")); err != nil {
		return err
	}
	t := newTable("HOP", "SEEN", "KINDS", "HOST", "EMITTERS")
	for _, h := range found.Hops {
		seen := "no"
		if h.Seen {
			seen = "yes"
		}
		t.add(h.Hop, seen, firstOf(strings.Join(h.Kinds, " "), "-"), firstOf(h.Host, "-"), firstOf(strings.Join(h.Emitters, " "), "-"))
	}
	if err := t.print(s.env.Stdout); err != nil {
		return err
	}
	return s.printNeighbours(found.Neighbours)
}

func (s *session) printNeighbours(n api.Neighbours) error {
	if n.Before == "" && n.After == "" {
		return nil
	}
	return s.say("Between %s and %s of the same source.", firstOf(n.Before, "nothing"), firstOf(n.After, "nothing"))
}
