package inspector

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rollcallhq/rollcall/internal/store"
)

// StepParam asks for windows to be summed, several in a row.
type StepParam struct {
	Step integer `query:"step" doc:"seconds: windows are summed over as long, rounded up to whole windows, so that a long range has few rows; absent: a row for each window"`
}

// stretch is how windows are told: one by one, or as many as begin within each step from an origin on.
type stretch struct {
	origin time.Time // the first window of the range
	step   time.Duration
	summed bool
}

// read returns the stretches of a range whose windows are of the length that the stream has at its beginning.
func (p StepParam) read(from time.Time, settings store.Settings) (stretch, error) {
	length := time.Duration(settings.Seconds(from)) * time.Second
	origin := from.Truncate(length)
	if origin.Before(from) {
		origin = origin.Add(length)
	}
	if p.Step == "" {
		return stretch{origin: origin, step: time.Second}, nil
	}
	most := int(schemaRange / time.Second)
	n, err := strconv.Atoi(string(p.Step))
	if err != nil || n < 1 || n > most {
		return stretch{}, fault("query.step", "%q is not a number of seconds from 1 to %d", string(p.Step), most)
	}
	step := (time.Duration(n)*time.Second + length - 1).Truncate(length)
	return stretch{origin: origin, step: step, summed: step > length}, nil
}

// of is the start of the stretch in which a window begins.
func (s stretch) of(start time.Time) time.Time {
	if !s.summed {
		return start.UTC()
	}
	return s.origin.Add(start.Sub(s.origin) / s.step * s.step).UTC()
}

// sums is what the verdicts of the windows of a stretch come to.
type sums struct {
	produced uint64
	edges    map[store.Edge]*store.Verdict // counts added, the worst state
	hops     map[string]judged
}

func newSums() *sums { return &sums{edges: map[store.Edge]*store.Verdict{}, hops: map[string]judged{}} }

// addWindow adds the verdicts of one window.
func (s *sums) addWindow(verdicts []store.Verdict) {
	produced := uint64(0)
	for i := range verdicts {
		v := &verdicts[i]
		produced = max(produced, v.Produced)
		if sum := s.edges[v.Edge]; sum == nil {
			one := *v
			s.edges[v.Edge] = &one
		} else {
			sum.State = sum.State.Worse(v.State)
			sum.Expected, sum.Delivered, sum.Lost, sum.Pending = sum.Expected+v.Expected, sum.Delivered+v.Delivered, sum.Lost+v.Lost, sum.Pending+v.Pending
		}
	}
	s.produced += produced
	for hop, of := range beside(verdicts) {
		s.hops[hop] = s.hops[hop].plus(judge(of))
	}
}

// beside returns for each hop the verdicts that say how complete its events are: those of the edges into it, or, of a first hop, out of it.
func beside(verdicts []store.Verdict) map[string][]store.Verdict {
	into, from := map[string][]store.Verdict{}, map[string][]store.Verdict{}
	for i := range verdicts {
		v := verdicts[i]
		into[v.Edge.To], from[v.Edge.From] = append(into[v.Edge.To], v), append(from[v.Edge.From], v)
	}
	for hop, of := range from {
		if into[hop] == nil {
			into[hop] = of
		}
	}
	return into
}

// into lists the sums of the edges into a hop.
func (s *sums) into(hop string) []store.Verdict {
	var found []store.Verdict
	for _, v := range s.edges {
		if v.Edge.To == hop {
			found = append(found, *v)
		}
	}
	slices.SortFunc(found, func(a, b store.Verdict) int { return strings.Compare(a.Edge.String(), b.Edge.String()) })
	return found
}

// eachWindow reads the verdicts of the windows that start in [from, to), a day at a time, and tells them window by window.
func (s *Inspector) eachWindow(ctx context.Context, stream string, from, to, now time.Time, tell func(start time.Time, of []store.Verdict)) error {
	for ; from.Before(to); from = from.Add(latencyPiece) {
		end := from.Add(latencyPiece)
		if end.After(to) {
			end = to
		}
		found, err := s.Auditor.Windows(ctx, stream, from, end, now, nil)
		if err != nil {
			return err
		}
		for len(found) > 0 {
			n := 1
			for n < len(found) && found[n].Start.Equal(found[0].Start) {
				n++
			}
			tell(found[0].Start, found[:n])
			found = found[n:]
		}
	}
	return nil
}
