package reconcile

import (
	"testing"
	"time"

	"github.com/RoaringBitmap/roaring/v2"
	"github.com/google/go-cmp/cmp"

	"github.com/rollcallhq/rollcall/audit/wire"
	"github.com/rollcallhq/rollcall/internal/certificate"
	"github.com/rollcallhq/rollcall/internal/store"
)

// What is stored of an hour, whoever reported it, in however many reports and epochs, has the digests of the sets: of this hour, and of what was seen,
// filtered and rejected alone.
func TestTheDigestsOfAnHourAreThoseOfWhatTheHopsSaid(t *testing.T) {
	s, hour := openStore(t), five
	const stream = "orders"
	source := wire.UID{1, 2, 6: 0x80, 8: 0x80, 11: 3}
	number := uint64(0)
	insert := func(start time.Time, emitter byte, epoch uint32, hop string, seen, filtered *roaring.Bitmap, foreign ...wire.Foreign) {
		t.Helper()
		number++
		src := wire.Source{ID: source}
		src.Rolls[wire.Seen], src.Rolls[wire.Filtered], src.Rolls[wire.Corrupt] = seen, filtered, seen
		err := s.Insert(t.Context(), []store.Received{{At: start, Report: wire.Report{
			Stream: stream, Hop: hop, Emitter: wire.UID{emitter}, Epoch: epoch, Number: number, SentAt: start, State: wire.Running,
			Windows: []wire.Window{{Start: start, Seconds: 60, Sources: []wire.Source{src}, Foreign: foreign}},
		}}})
		if err != nil {
			t.Fatal(err)
		}
	}
	runs := func(first, end uint64) *roaring.Bitmap { b := roaring.New(); b.AddRange(first, end); return b }
	insert(hour, 1, 0, "app", runs(0, 100_000), runs(5, 7))
	insert(hour, 2, 0, "app", runs(50_000, 200_000), nil, wire.Foreign{UID: "o-1", Count: 2, Rejected: 1})
	insert(hour, 2, 1, "app", runs(150_000, 300_000), runs(6, 9))
	insert(hour.Add(59*time.Minute), 1, 0, "agent", runs(7, 8), nil)
	insert(hour.Add(time.Hour), 1, 0, "app", runs(7, 8), nil) // of the next hour
	insert(hour.Add(-time.Minute), 1, 0, "app", runs(7, 8), nil)
	if err := s.KeepClosedSeen(t.Context(), []store.HopWindow{{WindowKey: store.WindowKey{Stream: stream, Start: hour}, Hop: "app"}}); err != nil {
		t.Fatal(err)
	}
	got, err := NewReader(s).Digests(t.Context(), stream, certificate.HourOf(five), "quiet")
	if err != nil {
		t.Fatal(err)
	}
	d := certificate.NewDigests("quiet")
	for _, one := range []struct {
		start time.Time
		hop   string
		kind  wire.Kind
		roll  *roaring.Bitmap
	}{
		{hour, "app", wire.Seen, runs(0, 300_000)}, {hour, "app", wire.Filtered, runs(5, 9)}, {hour.Add(59 * time.Minute), "agent", wire.Seen, runs(7, 8)},
	} {
		if err := d.Roll(one.start, source, one.hop, one.kind, one.roll); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.Foreign(hour, "o-1", "app", true, false, true); err != nil {
		t.Fatal(err)
	}
	want := d.Hops()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if app := want[1]; app.Events != 300_001 || app.Filtered != 4 || app.Rejected != 1 {
		t.Errorf("%+v", app)
	}
}
