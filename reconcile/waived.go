package reconcile

import (
	"context"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/rollcallhq/rollcall/audit/wire"
	"github.com/rollcallhq/rollcall/internal/store"
)

// waived is what people waived of one window and edge.
type waived struct {
	numbers  [lists]map[wire.UID]*roaring.Bitmap // by source
	foreign  [lists]map[string]bool
	holders  map[string]bool // what holds the window, see holderOf
	unplaced uint64
}

// waivable are the sets whose events can be waived by name.
var waivable = map[store.WaiverKind]list{
	store.WaiveLost: missing, store.WaiveCorrupt: corrupt, store.WaiveRejected: rejected, store.WaiveDuplicated: twice,
}

// waivedByEdge joins the names of all waivers of a window.
func waivedByEdge(names []store.WaivedName) map[store.Edge]*waived {
	found := map[store.Edge]*waived{}
	for i := range names {
		n := &names[i]
		if found[n.Edge] == nil {
			found[n.Edge] = &waived{holders: map[string]bool{}}
		}
		found[n.Edge].add(n)
	}
	return found
}

func (w *waived) add(n *store.WaivedName) {
	set, named := waivable[n.Kind]
	switch {
	case n.Kind == store.WaiveUnplaced:
		w.unplaced = max(w.unplaced, n.Count)
	case n.Kind == store.WaiveUnknown, n.Kind == store.WaiveNoTraffic:
		w.holders[n.Name] = true
	case !named: // of a later version: it covers nothing here
	case n.Name != "":
		if w.foreign[set] == nil {
			w.foreign[set] = map[string]bool{}
		}
		w.foreign[set][n.Name] = true
	default:
		if w.numbers[set] == nil {
			w.numbers[set] = map[wire.UID]*roaring.Bitmap{}
		}
		w.numbers[set][n.Source] = or(w.numbers[set][n.Source], n.Numbers)
	}
}

// of is what is waived of a set of a part; nil when nothing.
func (w *waived) of(set list, p *part) *roaring.Bitmap {
	switch {
	case w == nil:
		return nil
	case p.foreign == "":
		return w.numbers[set][p.source]
	case w.foreign[set][p.foreign]:
		return roaring.BitmapOf(0)
	}
	return nil
}

// readWaived reads what is waived of the windows, whether a report mentions them or not.
func readWaived(ctx context.Context, s contentStore, windows []*window) error {
	keys := make([]store.WindowKey, len(windows))
	for i, w := range windows {
		keys[i] = w.key()
	}
	if len(keys) == 0 {
		return nil
	}
	found, err := s.WaivedOf(ctx, keys)
	if err != nil {
		return err
	}
	for _, w := range windows {
		w.content.waived = waivedByEdge(found[w.key()])
	}
	return nil
}

// waivedOf counts what is waived of a window's edge.
func (c *content) waivedOf(edge store.Edge, h how, holders []store.Reason) store.Waived {
	e, w := c.edges[edge], c.waived[edge]
	if w == nil {
		return store.Waived{}
	}
	counts := store.Waived{Unplaced: min(w.unplaced, c.tallies[edge.To].Unplaced)}
	for i := range holders {
		if w.holders[holderOf(&holders[i])] {
			counts.Unknown++
		}
	}
	if e == nil {
		return counts
	}
	counts.Corrupt, counts.Rejected = e.waived[corrupt], e.waived[rejected]
	if h.closed {
		counts.Lost = e.waived[missing]
	}
	if !h.idempotent {
		counts.Duplicated = e.waived[twice]
	}
	return counts
}

// holderOf names what holds a window: an emitter, a source or a partition, or a hop of which nothing nearer is known.
func holderOf(r *store.Reason) string {
	switch {
	case r.Emitter != "":
		return "emitter " + r.Emitter + " of " + r.Hop
	case r.Source != "":
		return "source " + r.Source + " of " + r.Hop
	case r.Lane != "":
		return "lane " + r.Lane + " of " + r.Hop
	case r.Code == "partitions-silent", r.Code == "late-entry": // how many, or when, is all the name they have
		return r.Code + " of " + r.Hop + ": " + r.Text
	}
	return r.Code + " of " + r.Hop
}

// excused says whether all that keeps a verdict from complete is waived.
func excused(v *store.Verdict, holders int) bool {
	switch v.State {
	case store.Incomplete:
		return v.Waived.Lost == v.Lost
	case store.Unknown:
		return holders > 0 && v.Waived.Unknown == uint64(holders)
	}
	return false
}
