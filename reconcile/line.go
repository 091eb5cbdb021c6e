package reconcile

import (
	"fmt"
	"strings"
	"time"

	"github.com/rollcallhq/rollcall/internal/store"
)

// lineOf is the one line that people read first: what, where, in which hours, how much, since when.
func lineOf(i *store.Incident, worst *store.Verdict) string {
	if i.Bad == 0 {
		return fmt.Sprintf("[RESOLVED] %s: %s", whereText(i), resolvedText(i))
	}
	return fmt.Sprintf("[%s] %s: %s", strings.ToUpper(string(i.Cause)), whereText(i), openText(i, worst))
}

func resolvedText(i *store.Incident) string {
	switch i.Cause {
	case store.CauseStopped:
		return "events again, or none expected any more"
	case store.CauseUnknown:
		return "known after all"
	case store.CauseDelayed:
		return "the backlog is worked off, or nobody can tell any more"
	case store.CauseInvalid, store.CauseCorrupt, store.CauseDuplicated:
		return fmt.Sprintf("none %s any more, or none expected", i.Cause)
	}
	return "nothing is missing any more"
}

func openText(i *store.Incident, worst *store.Verdict) string {
	switch i.Cause {
	case store.CauseStopped:
		return "no event for an hour"
	case store.CauseLoss:
		return fmt.Sprintf("%s of %s missing%s", number(i.Lost), about(i.Expected), sinceText(i))
	case store.CauseDelayed:
		return fmt.Sprintf("%s pending%s%s", number(i.Events), sinceText(i), heldText(worst))
	case store.CauseInvalid:
		return fmt.Sprintf("%s of %s break their schema%s%s", number(i.Events), about(i.Expected), brokenText(worst), sinceText(i))
	case store.CauseCorrupt, store.CauseDuplicated:
		return fmt.Sprintf("%s of %s %s%s", number(i.Events), about(i.Expected), i.Cause, sinceText(i))
	}
	why := ""
	if worst != nil && len(worst.Reasons) > 0 {
		why = ": " + worst.Reasons[0].Text
	}
	return fmt.Sprintf("%s not known%s%s", windowsAre(i.Bad), sinceText(i), why)
}

// brokenText says which hop found events that break their schema, where it is not the later one of the edge alone.
func brokenText(v *store.Verdict) string {
	switch {
	case v == nil || v.InvalidAtSource == 0:
		return ""
	case v.InvalidAtSource == v.NewlyInvalid():
		return " at " + v.Edge.From
	}
	return " at " + v.Edge.From + " and " + v.Edge.To
}

// heldText says who has not let the events go.
func heldText(v *store.Verdict) string {
	if v == nil {
		return ""
	}
	for _, r := range v.Reasons {
		switch {
		case r.Hop == "" || r.Code == "more":
		case r.Host != "":
			return fmt.Sprintf(", %s on %s holds them", r.Hop, r.Host)
		default:
			return fmt.Sprintf(", %s holds them", r.Hop)
		}
	}
	return ""
}

func windowsAre(n uint32) string {
	if n == 1 {
		return "the window is"
	}
	return fmt.Sprintf("%s windows are", number(uint64(n)))
}

// whereText is the stream, the edge and the hours that an incident touches.
func whereText(i *store.Incident) string {
	where := i.Stream
	if i.Edge != (store.Edge{}) {
		where += " " + i.Edge.From + "→" + i.Edge.To
	}
	first, last := i.First.UTC().Truncate(time.Hour), i.Last.UTC().Truncate(time.Hour)
	where += " " + first.Format("15:04Z")
	switch {
	case last.Equal(first):
	case last.Format(time.DateOnly) == first.Format(time.DateOnly):
		where += " to " + last.Format("15:04Z")
	default:
		where += " to " + last.Format("2006-01-02 15:04Z")
	}
	return where
}

// sinceText says when within the first hour it began, where it was not with the hour.
func sinceText(i *store.Incident) string {
	at := i.FirstBad.UTC()
	switch {
	case at.Equal(i.First.UTC().Truncate(time.Hour)):
		return ""
	case at.Second() != 0:
		return at.Format(" since 15:04:05")
	}
	return at.Format(" since 15:04")
}

// about writes a number for reading in passing: whole below a million, else to two digits.
func about(n uint64) string {
	const million = 1_000_000
	for _, unit := range []struct {
		size uint64
		name string
	}{{million * million, "T"}, {1000 * million, "G"}, {million, "M"}} {
		if n >= unit.size {
			tenths := n / (unit.size / 10)
			if tenths%10 == 0 || tenths >= 1000 {
				return fmt.Sprintf("%d %s", tenths/10, unit.name)
			}
			return fmt.Sprintf("%d.%d %s", tenths/10, tenths%10, unit.name)
		}
	}
	return number(n)
}
