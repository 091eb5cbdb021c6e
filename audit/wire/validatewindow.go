package wire

import (
	"fmt"
	"slices"
	"time"
)

// windows checks the windows of one report, whose amounts count over all of them.
func (v *validator) windows(windows []Window) {
	v.atMost("windows", len(windows), v.l.Windows, "windows")
	known := make(map[int64]struct{}, len(windows))
	var sources, foreign, tallies int
	v.each("windows", len(windows), func(i int) {
		w := &windows[i]
		if _, twice := known[w.Start.UnixNano()]; twice {
			v.faultfAt("start", "the window comes twice in the report")
		}
		known[w.Start.UnixNano()] = struct{}{}
		before := [3]int{sources, foreign, tallies}
		sources, foreign, tallies = sources+len(w.Sources), foreign+len(w.Foreign), tallies+len(w.Schemas)+len(w.Reasons)
		v.crossed("sources", before[0], sources, v.l.Sources, "sources")
		v.crossed("foreign", before[1], foreign, v.l.Foreign, "foreign UIDs")
		v.crossed("schemas", before[2], tallies, v.l.Tallies, "schema and reason tallies")
		v.window(w)
	})
}

// crossed tells once that a sum over the windows of a report went past its limit.
func (v *validator) crossed(name string, before, sum, most int, what string) {
	if before <= most && sum > most {
		v.faultfAt(name, "with those of the windows before %d %s; limit %d a report", sum, what, most)
	}
}

func (v *validator) window(w *Window) {
	switch {
	case !slices.Contains(WindowSeconds(), w.Seconds):
		v.faultfAt("seconds", "%d; want one of 10, 60, 300, 600, 3600", w.Seconds)
	case !Aligned(w.Start, w.Seconds):
		v.faultfAt("start", "a start that is not aligned to its %d s", w.Seconds)
	default:
		v.faultAt("start", v.ageFault(w.Start, w.Start.Add(time.Duration(w.Seconds)*time.Second)))
	}
	v.sources(w.Sources)
	v.foreign(w.Foreign)
	v.latency(w.Latency)
	v.schemas(w.Schemas)
	v.reasons(w.Reasons)
	v.at.field("unplaced")
	v.counter("tooOld", w.Unplaced.TooOld)
	v.counter("tooNew", w.Unplaced.TooNew)
	v.counter("unreadable", w.Unplaced.Unreadable)
	v.counter("noUid", w.Unplaced.NoUID)
	v.at.up()
}

// ageFault refuses a window that ended too long ago or starts too far ahead.
func (v *validator) ageFault(start, end time.Time) string {
	if age := v.now.Sub(end); age > v.l.MaxAge {
		return fmt.Sprintf("a window that ended %v ago; limit %v", age.Round(time.Second), v.l.MaxAge)
	}
	if ahead := start.Sub(v.now); ahead > v.l.MaxFuture {
		return fmt.Sprintf("a window that starts in %v; limit %v ahead", ahead.Round(time.Second), v.l.MaxFuture)
	}
	return ""
}

// sourceFault refuses what is no source id. Any start time is good.
func sourceFault(id UID) string {
	switch {
	case !id.Numbered():
		return "not a source id: no UUIDv8 of RFC 9562 (version 8, variant 10)"
	case id.Sequence() != 0:
		return "not a source id: bytes 12 to 15, the sequence, are not zero"
	}
	return ""
}

func (v *validator) sources(sources []Source) {
	known := make(map[UID]struct{}, len(sources))
	v.each("sources", len(sources), func(i int) {
		s := &sources[i]
		v.faultAt("source", sourceFault(s.ID))
		if _, twice := known[s.ID]; twice {
			v.faultfAt("source", "the source comes twice in the window")
		}
		known[s.ID] = struct{}{}
		if s.Rolls[Seen] == nil {
			v.faultfAt("seen", "missing; it is required")
		}
		v.counter("observations", s.Observations)
		v.counter("bytes", s.Bytes)
	})
}

func (v *validator) foreign(foreign []Foreign) {
	known := make(map[string]struct{}, len(foreign))
	v.each("foreign", len(foreign), func(i int) {
		f := &foreign[i]
		v.faultAt("uid", uidFault(f.UID, v.l.UID))
		if _, twice := known[f.UID]; twice {
			v.faultfAt("uid", "the UID comes twice in the window")
		}
		known[f.UID] = struct{}{}
		v.counter("count", f.Count)
		v.counter("filtered", f.Filtered)
		v.counter("rejected", f.Rejected)
		v.counter("corrupt", f.Corrupt)
		v.counter("invalid", f.Invalid)
		v.counter("skewed", f.Skewed)
	})
}

// The scales an OpenTelemetry exponential histogram may have.
const (
	scaleMin = -10
	scaleMax = 20
)

func (v *validator) latency(l *Latency) {
	if l == nil {
		return
	}
	v.at.field("latency")
	defer v.at.up()
	if l.Scale < scaleMin || l.Scale > scaleMax {
		v.faultfAt("scale", "%d; want %d to %d", l.Scale, scaleMin, scaleMax)
		return
	}
	v.counter("zero", l.Zero)
	v.counter("negative", l.Negative)
	v.atMost("counts", len(l.Counts), v.l.Buckets, "buckets")
	v.at.field("counts")
	furthest := bucketLimit(l.Scale)
	for bucket, n := range l.Counts {
		v.at.entry(fmt.Sprint(bucket))
		if int64(bucket) >= furthest || int64(bucket) < -furthest {
			v.fault("the bucket is outside 2^-64 to 2^64 ms: at scale %d want %d to %d", l.Scale, -furthest, furthest-1)
		}
		if n > v.l.Count {
			v.fault("%d; limit %d", n, v.l.Count)
		}
		v.at.up()
	}
	v.at.up()
}

// bucketLimit returns the number of buckets from 1 ms to 2^64 ms, at least 1.
func bucketLimit(scale int32) int64 {
	if scale < 0 {
		return max(1, int64(64)>>-scale)
	}
	return 64 << scale
}

func (v *validator) schemas(tallies []SchemaTally) {
	known := make(map[SchemaTally]struct{}, len(tallies))
	v.each("schemas", len(tallies), func(i int) {
		t := tallies[i]
		v.faultAt("id", textFault(t.ID, v.l.Text))
		v.faultAt("version", textFault(t.Version, v.l.Text))
		v.faultAt("reason", textFault(t.Reason, v.l.Reason))
		if indexOf(outcomeNames[1:], t.Outcome) < 0 {
			v.faultfAt("outcome", "%q; want one of OK, INVALID, UNKNOWN_SCHEMA, UNDECODABLE, DEPRECATED", clip(t.Outcome))
		}
		v.counter("count", t.Count)
		t.Count = 0
		if _, twice := known[t]; twice {
			v.fault("id, version, outcome and reason come twice in the window")
		}
		known[t] = struct{}{}
	})
}

func (v *validator) reasons(tallies []ReasonTally) {
	known := make(map[ReasonTally]struct{}, len(tallies))
	v.each("reasons", len(tallies), func(i int) {
		t := tallies[i]
		if t.Kind != Filtered && t.Kind != Rejected {
			v.faultfAt("kind", "%q; want filtered or rejected", t.Kind)
		}
		v.faultAt("reason", textFault(t.Reason, v.l.Reason))
		v.counter("count", t.Count)
		t.Count = 0
		if _, twice := known[t]; twice {
			v.fault("kind and reason come twice in the window")
		}
		known[t] = struct{}{}
	})
}
