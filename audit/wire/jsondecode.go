package wire

import (
	"strconv"
	"strings"
	"time"
)

// DecodeJSON reads a batch from its JSON form, normalised (see Normalise). Keys
// that are unknown or come twice, values of another type, integers written or
// sized otherwise, and required keys that are missing are refused, as is a body,
// a roll, or a sum of rolls beyond l. The error is of type Faults. What the values
// mean is Validate's matter.
func DecodeJSON(body []byte, l Limits) (Batch, error) {
	if f := bodyFault(body, l); f != nil {
		return Batch{}, f
	}
	d := &jsonDecoder{scanner: scanner{b: body, most: l.Entries}, l: l, memory: l.Memory}
	d.begin()
	var b Batch
	d.object([]string{"reports"}, func(key string) bool {
		if key != "reports" {
			return false
		}
		b.Reports = list(d, d.report)
		return true
	})
	d.end()
	if err := d.faults.err(); err != nil {
		return Batch{}, err
	}
	Normalise(b)
	return b, nil
}

// bodyFault refuses a body that need not be read.
func bodyFault(body []byte, l Limits) error {
	switch {
	case len(body) > l.Request:
		return Faults{{"", "the body has " + strconv.Itoa(len(body)) + " bytes; limit " + strconv.Itoa(l.Request)}}
	case len(body) == 0:
		return Faults{{"", "the body is empty"}}
	}
	return nil
}

type jsonDecoder struct {
	scanner
	l      Limits
	memory int // bytes that rolls may still take
}

// list reads an array of T.
func list[T any](d *jsonDecoder, read func(into *T)) []T {
	var all []T
	d.array(func(int) {
		var one T
		read(&one)
		if !d.dead {
			all = append(all, one)
		}
	})
	return all
}

func (d *jsonDecoder) string() string {
	text, _ := d.text()
	return text
}

func (d *jsonDecoder) uid() (u UID) {
	if text, ok := d.text(); ok {
		var err error
		if u, err = ParseUID(text); err != nil {
			d.fault("%v", err)
		}
	}
	return u
}

func (d *jsonDecoder) time() time.Time {
	text, ok := d.text()
	if !ok {
		return time.Time{}
	}
	return d.parseTime(text)
}

func (d *jsonDecoder) parseTime(text string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil || !strictTime(text) {
		d.fault("%q is no time; want RFC 3339, as 2026-11-22T05:10:07.120Z", clip(text))
	}
	return t.UTC()
}

// strictTime refuses what package time takes for RFC 3339 though it is not: hours
// of one digit, a decimal comma, and zones of more than 23:59.
func strictTime(text string) bool {
	if len(text) < len("2006-01-02T15:04:05Z") || text[13] != ':' || strings.Contains(text, ",") {
		return false
	}
	zone := text[len(text)-len("+00:00"):]
	return strings.HasSuffix(text, "Z") || zone[1:3] <= "23" && zone[4:6] <= "59"
}

func (d *jsonDecoder) report(r *Report) {
	d.object([]string{"stream", "hop", "emitter", "number", "sentAt", "state"}, func(key string) bool {
		return d.reportHead(r, key) || d.reportBody(r, key)
	})
}

func (d *jsonDecoder) reportHead(r *Report, key string) bool {
	switch key {
	case "stream":
		r.Stream = d.string()
	case "hop":
		r.Hop = d.string()
	case "after":
		r.After = list(d, func(s *string) { *s = d.string() })
	case "emitter":
		r.Emitter = d.uid()
	case "host":
		r.Host = d.string()
	case "container":
		r.Container = d.string()
	case "version":
		r.Version = d.string()
	case "epoch":
		r.Epoch = d.uint32()
	case "idempotent":
		r.Idempotent = d.boolean()
	case "heartbeatSeconds":
		r.Heartbeat = d.uint32()
	case "number":
		r.Number = d.uint64()
	default:
		return false
	}
	return true
}

func (d *jsonDecoder) reportBody(r *Report, key string) bool {
	switch key {
	case "sentAt":
		r.SentAt = d.time()
	case "state":
		r.State = oneOf[State](d, stateNames[:])
	case "laneCount":
		r.LaneCount = d.uint32()
	case "lanes":
		r.Lanes = mapOf(d, func(key string) string { return key }, d.time)
	case "windows":
		r.Windows = list(d, d.window)
	case "spool":
		d.object(nil, func(key string) bool {
			return d.counter(key, counters{{"events", &r.Spool.Events}, {"bytes", &r.Spool.Bytes}})
		})
	case "ended":
		r.Ended = list(d, d.ended)
	default:
		return false
	}
	return true
}

// oneOf reads a name and returns its index in names, whose first is no name.
func oneOf[T ~uint8](d *jsonDecoder, names []string) T {
	text, ok := d.text()
	if !ok {
		return 0
	}
	for i := 1; i < len(names); i++ {
		if names[i] == text {
			return T(i)
		}
	}
	d.fault("%q is none of %s", clip(text), strings.Join(names[1:], ", "))
	return 0
}

// mapOf reads an object whose keys are data.
func mapOf[K comparable, V any](d *jsonDecoder, parse func(string) K, value func() V) map[K]V {
	var all map[K]V
	d.entriesOf(func(text string) {
		key := parse(text)
		if _, twice := all[key]; twice {
			d.fault("the key comes twice")
		}
		if all == nil {
			all = make(map[K]V)
		}
		all[key] = value()
	})
	return all
}

// counters are the integer keys of an object.
type counters []struct {
	key  string
	into *uint64
}

func (d *jsonDecoder) counter(key string, all counters) bool {
	for _, c := range all {
		if c.key == key {
			*c.into = d.uint64()
			return true
		}
	}
	return false
}

// afford takes bytes from what rolls may take in memory.
func (d *jsonDecoder) afford(bytes int) bool {
	if d.memory -= bytes; d.memory < 0 {
		d.fail("the rolls of this request take too much memory when unpacked; limit %d bytes", d.l.Memory)
	}
	return !d.dead
}
