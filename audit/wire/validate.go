package wire

import "time"

// Validate says what is wrong with the meaning of a decoded batch at the time now:
// names, times, numbers, order and amounts. Its error is of type Faults, and each
// message names the limit. It never refuses a source for its start time.
func Validate(b Batch, l Limits, now time.Time) error {
	v := &validator{l: l, now: now}
	v.at.field("reports")
	if len(b.Reports) == 0 {
		v.fault("no report; want at least 1")
	}
	for i := range b.Reports {
		if v.faults.full() {
			break
		}
		v.at.item(i)
		v.report(&b.Reports[i])
		v.at.up()
	}
	return v.faults.err()
}

type validator struct {
	l      Limits
	now    time.Time
	at     path
	faults Faults
}

func (v *validator) fault(format string, args ...any) { v.faults.add(&v.at, format, args...) }

// faultAt tells of a fault of the field name of where v stands, unless message is empty.
func (v *validator) faultAt(name, message string) {
	if message != "" {
		v.at.field(name)
		v.fault("%s", message)
		v.at.up()
	}
}

func (v *validator) faultfAt(name, format string, args ...any) {
	v.at.field(name)
	v.fault(format, args...)
	v.at.up()
}

// each visits n elements of the list name until there are faults enough.
func (v *validator) each(name string, n int, visit func(i int)) {
	v.at.field(name)
	for i := 0; i < n && !v.faults.full(); i++ {
		v.at.item(i)
		visit(i)
		v.at.up()
	}
	v.at.up()
}

func (v *validator) atMost(name string, n, most int, what string) {
	if n > most {
		v.faultfAt(name, "%d %s; limit %d", n, what, most)
	}
}

// counter checks one cumulative number.
func (v *validator) counter(name string, n uint64) {
	if n > v.l.Count {
		v.faultfAt(name, "%d; limit %d", n, v.l.Count)
	}
}

// timeFault refuses instants that the store has no room for.
func timeFault(t time.Time) string {
	if y := t.UTC().Year(); y < 1970 || y > 2261 {
		return "the year is outside 1970 to 2261"
	}
	return ""
}

func (v *validator) report(r *Report) {
	v.faultAt("stream", nameFault(r.Stream, v.l.Name))
	v.faultAt("hop", nameFault(r.Hop, v.l.Name))
	v.after(r.After, r.Hop)
	if r.Emitter.IsZero() {
		v.faultfAt("emitter", "missing or all zero; want a UUID")
	}
	v.faultAt("host", textFault(r.Host, v.l.Text))
	v.faultAt("container", textFault(r.Container, v.l.Text))
	v.faultAt("version", textFault(r.Version, v.l.Text))
	if r.Heartbeat < 1 || r.Heartbeat > v.l.Heartbeat {
		v.faultfAt("heartbeatSeconds", "%d; want 1 to %d", r.Heartbeat, v.l.Heartbeat)
	}
	if r.Number < 1 || r.Number > v.l.Count {
		v.faultfAt("number", "%d; want 1 to %d", r.Number, v.l.Count)
	}
	v.faultAt("sentAt", timeFault(r.SentAt))
	if r.State != Running && r.State != Closed {
		v.faultfAt("state", "missing; want RUNNING or CLOSED")
	}
	v.lanes(r)
	v.at.field("spool")
	v.counter("events", r.Spool.Events)
	v.counter("bytes", r.Spool.Bytes)
	v.at.up()
	v.windows(r.Windows)
	v.ended(r.Ended)
}

func (v *validator) after(after []string, hop string) {
	v.atMost("after", len(after), v.l.After, "hops")
	known := make(map[string]struct{}, len(after))
	v.each("after", len(after), func(i int) {
		if message := nameFault(after[i], v.l.Name); message != "" {
			v.fault("%s", message)
		} else if _, twice := known[after[i]]; twice {
			v.fault("the hop comes twice")
		} else if after[i] == hop {
			v.fault("a hop cannot come after itself")
		}
		known[after[i]] = struct{}{}
	})
}

func (v *validator) lanes(r *Report) {
	if int64(r.LaneCount) > int64(v.l.Lanes) {
		v.faultfAt("laneCount", "%d lanes; limit %d", r.LaneCount, v.l.Lanes)
	}
	v.atMost("lanes", len(r.Lanes), v.l.Lanes, "lanes")
	v.at.field("lanes")
	for lane, watermark := range r.Lanes {
		v.at.entry(lane)
		if message := textFault(lane, v.l.Text); message != "" {
			v.fault("the lane's name has %s", message)
		} else if message := timeFault(watermark); message != "" {
			v.fault("%s", message)
		}
		v.at.up()
	}
	v.at.up()
}

func (v *validator) ended(ended []Ended) {
	v.atMost("ended", len(ended), v.l.Ended, "ended emitters")
	type pair struct{ emitter, source UID }
	known := make(map[pair]struct{}, len(ended))
	windows := 0
	v.each("ended", len(ended), func(i int) {
		e := &ended[i]
		if _, twice := known[pair{e.Emitter, e.Source}]; twice {
			v.fault("the emitter and source come twice")
		}
		known[pair{e.Emitter, e.Source}] = struct{}{}
		if e.Emitter.IsZero() {
			v.faultfAt("emitter", "missing or all zero; want a UUID")
		}
		switch {
		case !e.Source.IsZero():
			v.faultAt("source", sourceFault(e.Source))
		case len(e.Windows) > 0:
			v.faultfAt("source", "missing; windows say what a source had numbered")
		}
		v.faultAt("reason", textFault(e.Reason, v.l.Reason))
		if windows += len(e.Windows); windows > v.l.Windows {
			v.faultfAt("windows", "with those before %d windows; limit %d a report", windows, v.l.Windows)
			return
		}
		v.spans(e.Windows)
	})
}

// spans checks what an ended source had numbered. Their windows' length is not
// stated, so the longest is assumed where age is counted from the end.
func (v *validator) spans(windows map[time.Time][2]uint32) {
	lengths := WindowSeconds()
	longest := time.Duration(lengths[len(lengths)-1]) * time.Second
	v.at.field("windows")
	for start, span := range windows {
		v.at.entry(start.UTC().Format(time.RFC3339Nano))
		switch {
		case span[0] > span[1]:
			v.fault("the range %d to %d ends before it begins", span[0], span[1])
		case !Aligned(start, lengths[0]):
			v.fault("a start that is not aligned to %d s, the shortest window", lengths[0])
		default:
			if message := v.ageFault(start, start.Add(longest)); message != "" {
				v.fault("%s", message)
			}
		}
		v.at.up()
	}
	v.at.up()
}
