package reconcile

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/rollcallhq/rollcall/audit/wire"
	"github.com/rollcallhq/rollcall/internal/certificate"
	"github.com/rollcallhq/rollcall/internal/latency"
	"github.com/rollcallhq/rollcall/internal/store"
)

// RuleVersion names the rules by which windows are judged, as docs/adr/003-closing-protocol.md has them. It changes with what they mean.
const RuleVersion = 1

const (
	mostNames  = 10_000  // lost events that a certificate names; of more it has the digest alone
	namesAPage = 100_000 // read at once
)

// contentsStore is where what is certified beside the verdicts is found.
type contentsStore interface {
	Waivers(ctx context.Context, stream string, from, to time.Time) ([]store.Waiver, error)
	Coverage(ctx context.Context, stream string, from, to time.Time) (store.Coverage, error)
	Latencies(ctx context.Context, stream string, from, to time.Time) (map[store.LatencyKey]latency.Histogram, error)
}

// contents is what is to be signed of an hour, but for its place in the chain and what is done with it.
func (i *Issuer) contents(ctx context.Context, a *appraisal) (*certificate.Content, error) {
	stream, hour := a.hour.Stream, certificate.HourOf(a.hour.Start)
	c := &certificate.Content{
		Stream: stream, Hour: hour, RuleVersion: RuleVersion,
		Policy: certificate.Policy{Auto: a.settings.Auto, Allow: a.settings.Allow},
		Edges:  edgesOf(a),
	}
	for n := range a.verdicts {
		c.Revision += uint64(a.verdicts[n].Revision)
	}
	hops := hopsOf(a)
	var err error
	if c.Hops, err = i.reader.Digests(ctx, stream, hour, hops...); err != nil {
		return nil, err
	}
	for n := range c.Edges {
		if c.Edges[n].Lost > 0 {
			if c.Edges[n].Names, err = i.names(ctx, a, c.Edges[n].Edge); err != nil {
				return nil, err
			}
		}
	}
	for _, add := range []func(context.Context, *appraisal, *certificate.Content) error{i.addWaivers, i.addCoverage, i.addLatency, i.addSchemas} {
		if err := add(ctx, a, c); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// hopsOf returns the hops of the edges that count, in order.
func hopsOf(a *appraisal) []string {
	hops := map[string]bool{}
	for _, e := range a.settings.Edges {
		hops[e.From], hops[e.To] = true, true
	}
	for i := range a.verdicts {
		hops[a.verdicts[i].Edge.From], hops[a.verdicts[i].Edge.To] = true, true
	}
	return slices.Sorted(maps.Keys(hops))
}

// edgesOf sums the verdicts by edge, in order.
func edgesOf(a *appraisal) []certificate.Edge {
	type sum struct {
		store.Counts
		state   store.State
		waived  uint64
		windows uint32
	}
	sums := map[string]*sum{}
	for i := range a.verdicts {
		v := &a.verdicts[i]
		s := sums[v.Edge.String()]
		if s == nil {
			s = &sum{}
			sums[v.Edge.String()] = s
		}
		addCounts(&s.Counts, &v.Counts)
		s.Produced += v.Produced
		s.state, s.waived, s.windows = s.state.Worse(v.State), s.waived+v.Waived.Lost, s.windows+1
	}
	var edges []certificate.Edge
	for _, name := range slices.Sorted(maps.Keys(sums)) {
		s := sums[name]
		edges = append(edges, certificate.Edge{
			Edge: name, State: s.state.String(), Windows: s.windows, Produced: s.Produced, Expected: s.Expected, Delivered: s.Delivered,
			Lost: s.Lost, Pending: s.Pending, Duplicated: s.Duplicated, Redelivered: s.Redelivered, Unexpected: s.Unexpected,
			Corrupt: s.Corrupt, Invalid: s.Invalid, Filtered: s.Filtered, Rejected: s.Rejected, Skewed: s.Skewed, Unplaced: s.Unplaced,
			Late: s.Late, Replayed: s.Replayed, Waived: s.waived,
		})
	}
	return edges
}

// names lists what an edge lost in the hour.
func (i *Issuer) names(ctx context.Context, a *appraisal, edge string) (*certificate.Names, error) {
	n := &certificate.Names{}
	digests := certificate.NewDigests(edge)
	for k := range a.verdicts {
		v := &a.verdicts[k]
		if v.Edge.String() != edge || v.Lost == 0 {
			continue
		}
		for after, more := "", true; more; more = after != "" {
			page, next, _, err := i.reader.Named(ctx, a.hour.Stream, v.Start, v.Edge, "lost", after, namesAPage, i.now())
			if err != nil {
				return nil, err
			}
			if err := addNames(n, digests, v.Start, edge, page); err != nil {
				return nil, err
			}
			after = next
		}
	}
	n.Digest = digests.Hops()[0].Digest
	if n.Events > mostNames {
		n.Sources, n.Foreign = nil, nil
	}
	return n, nil
}

// addNames adds a page of names. Names past the most that are kept are digested alone.
func addNames(n *certificate.Names, digests *certificate.Digests, start time.Time, hop string, page []store.Named) error {
	sources := map[wire.UID]*roaring.Bitmap{}
	var order []wire.UID
	for k := range page {
		one := &page[k]
		n.Events++
		if one.Foreign {
			if err := digests.Foreign(start, one.UID, hop, true, false, false); err != nil {
				return err
			}
			if n.Events <= mostNames {
				n.Foreign = append(n.Foreign, one.UID)
			}
			continue
		}
		if sources[one.Source] == nil {
			sources[one.Source] = roaring.New()
			order = append(order, one.Source)
		}
		sources[one.Source].Add(one.Sequence)
	}
	slices.SortFunc(order, func(a, b wire.UID) int { return slices.Compare(a[:], b[:]) })
	for _, source := range order {
		if err := digests.Roll(start, source, hop, wire.Seen, sources[source]); err != nil {
			return err
		}
		if n.Events <= mostNames {
			n.Sources = append(n.Sources, certificate.SourceNames{Start: start, Source: source, Ranges: runsOf(sources[source])})
		}
	}
	return nil
}

// runsOf are the maximal runs of a roll, both ends inclusive.
func runsOf(roll *roaring.Bitmap) [][2]uint32 {
	var runs [][2]uint32
	for it := roll.Iterator(); it.HasNext(); {
		n := it.Next()
		if last := len(runs) - 1; last >= 0 && runs[last][1]+1 == n {
			runs[last][1] = n
			continue
		}
		runs = append(runs, [2]uint32{n, n})
	}
	return runs
}

func (i *Issuer) addWaivers(ctx context.Context, a *appraisal, c *certificate.Content) error {
	waivers, err := i.store.Waivers(ctx, a.hour.Stream, a.hour.Start, a.hour.Start.Add(time.Hour))
	for k := range waivers {
		w := &waivers[k]
		c.Waivers = append(c.Waivers, certificate.Waiver{
			Edge: w.Edge.String(), Kind: string(w.Kind), Events: w.Count(), Who: w.Who, Why: w.Reason, Ticket: w.Ticket, At: w.MadeAt,
		})
	}
	return err
}

func (i *Issuer) addCoverage(ctx context.Context, a *appraisal, c *certificate.Content) error {
	said, err := i.store.Coverage(ctx, a.hour.Stream, a.hour.Start, a.hour.Start.Add(time.Hour))
	starts := map[int64]bool{}
	for k := range a.verdicts {
		starts[a.verdicts[k].Start.Unix()] = true
	}
	c.Coverage = certificate.Coverage{Windows: uint32(len(starts)), Emitters: uint32(said.Emitters), Lanes: uint32(said.Lanes)}
	return err
}

// addLatency tells of each hop how long its events took that arrived, and how many did not.
func (i *Issuer) addLatency(ctx context.Context, a *appraisal, c *certificate.Content) error {
	measured, err := i.store.Latencies(ctx, a.hour.Stream, a.hour.Start, a.hour.Start.Add(time.Hour))
	if err != nil {
		return err
	}
	hops := map[string]*latency.Histogram{}
	for key, part := range measured {
		if hops[key.Hop] == nil {
			hops[key.Hop] = &latency.Histogram{}
		}
		hops[key.Hop].Add(part)
	}
	for hop, h := range hops {
		if h.Measured() == 0 {
			continue
		}
		q := h.Quantiles(500, 950, 990, 1000)
		one := certificate.Latency{Hop: hop, P50: q[0].Upper, P95: q[1].Upper, P99: q[2].Upper, Max: q[3].Upper}
		for k := range a.verdicts {
			if a.verdicts[k].Edge.To == hop {
				one.NotArrived += a.verdicts[k].Lost
			}
		}
		c.Latency = append(c.Latency, one)
	}
	return nil
}

func (i *Issuer) addSchemas(ctx context.Context, a *appraisal, c *certificate.Content) error {
	for _, hop := range hopsOf(a) {
		outcomes, err := i.store.SchemaOutcomes(ctx, a.hour.Stream, hop, a.hour.Start, a.hour.Start.Add(time.Hour))
		if err != nil {
			return err
		}
		sums := map[string]uint64{}
		for o, n := range outcomes {
			sums[o.Outcome] += n
		}
		for outcome, n := range sums {
			c.Schemas = append(c.Schemas, certificate.Schema{Hop: hop, Outcome: outcome, Events: n})
		}
	}
	return nil
}
