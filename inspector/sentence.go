package inspector

import (
	"fmt"
	"math/bits"
	"strconv"
	"strings"

	"github.com/rollcallhq/rollcall/inspector/api"
	"github.com/rollcallhq/rollcall/internal/store"
)

// sentence says of one hop in one window what arrived and what of it breaks a schema. The figures may be nil: nothing was checked then.
func sentence(edges []store.Verdict, produced uint64, f *store.SchemaFigures) string {
	var parts []string
	for _, v := range edges {
		text := deliveredText(v)
		if len(edges) > 1 {
			text = v.Edge.String() + " " + text
		}
		parts = append(parts, text)
	}
	if len(edges) == 0 {
		parts = append(parts, plural(produced, "event", "events")+" produced")
	}
	if f != nil {
		parts = append(parts, schemaText(f)...)
	}
	return strings.Join(parts, ", ")
}

func deliveredText(v store.Verdict) string {
	switch {
	case v.Expected == 0 && v.State == store.Unknown:
		return "not known whether any event was expected"
	case v.Expected == 0:
		return "no event expected"
	}
	of := fmt.Sprintf("%s of %s", grouped(v.Delivered), grouped(v.Expected))
	soFar := ""
	switch {
	case v.State == store.Unknown:
		soFar = " of what is known"
	case !v.Closed():
		soFar = " so far"
	}
	for _, n := range []struct {
		events uint64
		word   string
	}{{v.Lost, "missing"}, {v.Pending, "pending"}} {
		if n.events > 0 {
			of += fmt.Sprintf(", %s %s", grouped(n.events), n.word)
		}
	}
	return fmt.Sprintf("%s delivered%s (%s)", atLeast(v.Delivered, v.Expected), soFar, of)
}

func schemaText(f *store.SchemaFigures) []string {
	sums, checked := outcomeSums(f.Counts)
	if checked == 0 {
		return nil
	}
	var parts []string
	add := func(outcome, words string) {
		if n := sums[outcome]; n > 0 {
			parts = append(parts, fmt.Sprintf("%s %s (%s of %s)", atMost(n, checked), words, grouped(n), grouped(checked)))
		}
	}
	add("INVALID", "break "+broken(f.Counts))
	add("UNDECODABLE", "cannot be decoded")
	add("UNKNOWN_SCHEMA", "are of an unknown schema")
	from := originText(f, sums["INVALID"]+sums["UNDECODABLE"])
	if len(parts) == 0 {
		from = ""
		parts = append(parts, fmt.Sprintf("none of %s checked breaks its schema", grouped(checked)))
	}
	add("DEPRECATED", "use a deprecated version")
	if from != "" {
		parts = append(parts, from)
	}
	return parts
}

func outcomeSums(counts []store.SchemaCount) (sums map[string]uint64, checked uint64) {
	sums = map[string]uint64{}
	for _, c := range counts {
		sums[c.Outcome] += c.Events
		checked += c.Events
	}
	return sums, checked
}

// broken names the version that events break, where it is one.
func broken(counts []store.SchemaCount) string {
	type version struct{ id, version string }
	broken, ids := map[version]bool{}, map[string]bool{}
	for _, c := range counts {
		if !c.Other {
			ids[c.ID] = true
		}
		if c.Outcome == "INVALID" {
			broken[version{c.ID, c.Version}] = true
			if c.Other {
				return "their schema"
			}
		}
	}
	if len(broken) != 1 {
		return "their schema"
	}
	for v := range broken {
		switch {
		case v.version == "" && v.id == "":
			return "their schema"
		case v.version == "":
			return "schema " + v.id
		case len(ids) > 1:
			return fmt.Sprintf("version %s of %s", v.version, v.id)
		default:
			return "version " + v.version
		}
	}
	return ""
}

// originText says where the events come from that the invalid rolls name, of so many that were counted: by their sources, or, where nobody knows
// those, by who found them.
func originText(f *store.SchemaFigures, counted uint64) string {
	if text := mostly(f.Sources, counted, "from"); text != "" {
		return text
	}
	return mostly(f.Emitters, counted, "taken over by")
}

func mostly(hosts []store.HostCount, counted uint64, words string) string {
	var total, kinds uint64
	for _, h := range hosts {
		total += h.Events
		kinds += h.Kinds
	}
	switch {
	case len(hosts) == 0 || hosts[0].Host == "":
		return ""
	case kinds == 1 && total < counted:
		return fmt.Sprintf("the %s that are named %s %s", grouped(total), words, hosts[0].Host)
	case kinds == 1:
		return fmt.Sprintf("all %s %s", words, hosts[0].Host)
	case 2*hosts[0].Events > total:
		return fmt.Sprintf("most %s %s (%s of %s)", words, hosts[0].Host, grouped(hosts[0].Events), grouped(total))
	}
	return fmt.Sprintf("%s %d hosts", words, kinds)
}

// atLeast is a share of what is good, in percent: never more than it is, so that 100 % is never said while one is missing.
func atLeast(n, of uint64) string { return percent(hundredths(n, of)) }

// atMost is a share of what is bad, in percent: never less than it is, and all only where it is all.
func atMost(n, of uint64) string {
	floor := hundredths(n, of)
	high, low := bits.Mul64(n, 10_000)
	_, rest := bits.Div64(high%of, low, of)
	switch {
	case rest == 0:
		return percent(floor)
	case floor == 0:
		return "less than 0.01 %"
	}
	return percent(min(floor+1, 9_999))
}

// hundredths of a percent, rounded down. Both numbers are counts of events, and n is at most of.
func hundredths(n, of uint64) uint64 {
	if of == 0 || n >= of {
		return 10_000
	}
	high, low := bits.Mul64(n, 10_000)
	q, _ := bits.Div64(high, low, of)
	return q
}

func percent(hundredths uint64) string {
	text := strconv.FormatFloat(float64(hundredths)/100, 'f', -1, 64)
	return text + " %"
}

// grouped writes a number with a space between thousands.
func grouped(n uint64) string {
	text := strconv.FormatUint(n, 10)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + " " + text[i:]
	}
	return text
}

func plural(n uint64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return grouped(n) + " " + many
}

func hostOf(c store.HostCount) api.HostCount {
	return api.HostCount{Host: c.Host, Events: c.Events, Other: others(c.Other, c.Kinds)}
}

func countOf(c store.SchemaCount) api.SchemaCount {
	return api.SchemaCount{Outcome: c.Outcome, Schema: c.ID, Version: c.Version, Reason: c.Reason, Events: c.Events, Other: others(c.Other, c.Kinds)}
}

func others(other bool, kinds uint64) uint64 {
	if other {
		return kinds
	}
	return 0
}
