package store

import (
	"fmt"
	"testing"
	"time"

	"github.com/RoaringBitmap/roaring/v2"
	"github.com/google/go-cmp/cmp"

	"github.com/rollcallhq/rollcall/audit/wire"
)

// Whatever the pages: each piece comes once, in order, with what emitters said joined, and what was seen at the closing is no kind of its own.
func TestTheRollsOfAnHourComeOnceAndInOrderWhateverThePages(t *testing.T) {
	s := migrated(t)
	hour := start.Truncate(time.Hour)
	want := map[string]uint64{}
	var reports []Received
	for w := range 3 {
		at := hour.Add(time.Duration(w*25) * time.Minute)
		for emitter := range byte(2) {
			r := report("orders", uint64(w+1), nil)
			r.Emitter = wire.UID{emitter + 1}
			r.Windows[0] = wire.Window{Start: at, Seconds: 60}
			for n := range 60 {
				src := wire.Source{ID: wire.UID{1, byte(n), 8: byte(n >> 8), 11: 1}}
				src.Rolls[wire.Seen] = roaring.BitmapOf(uint32(emitter), 7)
				src.Rolls[wire.Filtered], src.Rolls[wire.Corrupt] = roaring.BitmapOf(7), roaring.BitmapOf(uint32(emitter))
				r.Windows[0].Sources = append(r.Windows[0].Sources, src)
				r.Windows[0].Foreign = append(r.Windows[0].Foreign, wire.Foreign{UID: fmt.Sprintf("o%d'\n", n), Count: 1, Rejected: uint64(emitter)})
				want[fmt.Sprintln(at.Unix(), src.ID, wire.Seen)] = 3
				want[fmt.Sprintln(at.Unix(), src.ID, wire.Filtered)] = 1
			}
			reports = append(reports, r)
		}
	}
	outside := report("orders", 4, roaring.BitmapOf(1))
	outside.Windows[0].Start = hour.Add(time.Hour)
	if err := s.Insert(t.Context(), append(reports, outside)); err != nil {
		t.Fatal(err)
	}
	if err := s.KeepClosedSeen(t.Context(), []HopWindow{{WindowKey{"orders", hour}, "app"}}); err != nil {
		t.Fatal(err)
	}
	got, last := map[string]uint64{}, ""
	for one, err := range s.HourRolls(t.Context(), "orders", hour, hour.Add(time.Hour)) {
		if err != nil {
			t.Fatal(err)
		}
		got[fmt.Sprintln(one.Start.Unix(), one.Source, one.Kind)] += one.Roll.GetCardinality()
		key := fmt.Sprintf("%d %x %s %d", one.Start.Unix(), one.Source[:], one.Hop, one.Kind)
		if key <= last {
			t.Fatalf("%s comes after %s", key, last)
		}
		last = key
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("rolls (-want +got):\n%s", diff)
	}
	n := 0
	for one, err := range s.HourUIDs(t.Context(), "orders", hour, hour.Add(time.Hour)) {
		if err != nil || !one.Seen || !one.Rejected || one.Filtered || one.Hop != "app" {
			t.Fatalf("%+v, %v", one, err)
		}
		n++
	}
	if n != 180 {
		t.Errorf("%d foreign UIDs; want 180", n)
	}
}
