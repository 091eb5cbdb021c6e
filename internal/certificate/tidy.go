package certificate

import (
	"cmp"
	"slices"
	"time"
)

// tidy brings content into the form in which it is written; what it shares with the caller stays as it is.
func (c *Content) tidy() {
	c.IssuedAt = whole(c.IssuedAt)
	c.Policy.Allow = list(c.Policy.Allow)
	c.Hops, c.Edges, c.Waivers = list(c.Hops), list(c.Edges), list(c.Waivers)
	c.Latency, c.Schemas = list(c.Latency), list(c.Schemas)
	slices.SortFunc(c.Hops, func(a, b Hop) int { return cmp.Compare(a.Hop, b.Hop) })
	slices.SortFunc(c.Edges, func(a, b Edge) int { return cmp.Compare(a.Edge, b.Edge) })
	slices.SortFunc(c.Latency, func(a, b Latency) int { return cmp.Compare(a.Hop, b.Hop) })
	slices.SortFunc(c.Schemas, func(a, b Schema) int { return cmp.Or(cmp.Compare(a.Hop, b.Hop), cmp.Compare(a.Outcome, b.Outcome)) })
	for i := range c.Waivers {
		c.Waivers[i].At = whole(c.Waivers[i].At)
	}
}

// list is a copy that is never nil: a list is written as one, be it empty.
func list[T any](all []T) []T { return append([]T{}, all...) }

func whole(t time.Time) time.Time { return t.UTC().Truncate(time.Millisecond) }
