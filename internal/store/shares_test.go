package store

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/RoaringBitmap/roaring/v2"
)

func TestGoAndSQLPutAStreamIntoTheSameShare(t *testing.T) {
	s := migrated(t)
	rows, want := [][]any{}, map[string]uint32{}
	for i := range 2000 {
		name := fmt.Sprintf("stream-%d.ä\x00'%c", i, rune('a'+i%26))
		rows, want[name] = append(rows, []any{name}), ShareOf(name)
	}
	for _, name := range []string{"", "orders", "\xff\xfe", string(make([]byte, 200))} {
		rows, want[name] = append(rows, []any{name}), ShareOf(name)
	}
	args, err := params{}.table("wanted", [][2]string{{"stream", "String"}}, rows)
	if err != nil {
		t.Fatal(err)
	}
	used := map[uint32]int{}
	err = s.query(t.Context(), "shares", "SELECT stream, toUInt32("+shareOf+") FROM wanted", args, func(r driver.Rows) error {
		var name string
		var share uint32
		err := r.Scan(&name, &share)
		if share != want[name] {
			t.Errorf("%q is in share %d in SQL and in %d in Go", name, share, want[name])
		}
		used[share]++
		return err
	})
	if err != nil || len(used) != Shares {
		t.Fatalf("%d shares are used, %v", len(used), err)
	}
	for share, n := range used {
		if n < len(rows)/Shares/2 {
			t.Errorf("share %d has %d of %d streams", share, n, len(rows))
		}
	}
}

// inShare is a stream of a share.
func inShare(share uint32) string {
	for i := 0; ; i++ {
		if name := fmt.Sprintf("s%d", i); ShareOf(name) == share {
			return name
		}
	}
}

func (s *Store) claim4test(t *testing.T, shares ...uint32) *Owned {
	t.Helper()
	claims, err := s.Claim(t.Context(), shares)
	if err != nil {
		t.Fatal(err)
	}
	return s.Owned(claims)
}

func TestAnOwnerFindsOnlyItsOwnStreamsDue(t *testing.T) {
	s := migrated(t)
	if err := s.Insert(t.Context(), []Received{report(inShare(3), 1, roaring.BitmapOf(1)), report(inShare(5), 1, roaring.BitmapOf(1))}); err != nil {
		t.Fatal(err)
	}
	marks, err := s.claim4test(t, 5, 6).DueMarks(t.Context(), start, 100)
	if err != nil || len(marks) != 2 || marks[0].Stream != inShare(5) || marks[1].Stream != inShare(5) {
		t.Fatalf("%+v, %v", marks, err)
	}

}

// written is what is stored of the streams by each way a judge writes.
func (s *Store) written(t *testing.T, streams ...string) map[string][4]uint64 {
	t.Helper()
	found := map[string][4]uint64{}
	const sql = `SELECT
	(SELECT count() FROM verdicts WHERE stream = {stream:String}), (SELECT count() FROM marks WHERE stream = {stream:String}),
	(SELECT count() FROM progress WHERE stream = {stream:String}), (SELECT count() FROM window_rolls WHERE stream = {stream:String} AND kind = 'closed')`
	for _, stream := range streams {
		err := s.query(t.Context(), "count", sql, params{}.value("stream", stream), func(r driver.Rows) error {
			var n [4]uint64
			err := r.Scan(&n[0], &n[1], &n[2], &n[3])
			found[stream] = n
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return found
}

// judge writes something of the streams in every way that a judge does.
func (o *Owned) judge(ctx context.Context, streams ...string) error {
	for _, stream := range streams {
		key := WindowKey{Stream: stream, Start: start}
		v := Verdict{Stream: stream, Start: start, Edge: Edge{"app", "sink"}, Revision: 1, Seconds: 60, State: Complete, DecidedAt: start}
		if err := o.AddVerdicts(ctx, []Verdict{v}); err != nil {
			return err
		}
		if err := o.KeepClosedSeen(ctx, []HopWindow{{WindowKey: key, Hop: "app"}}); err != nil {
			return err
		}
		if err := o.ReplaceMarks(ctx, nil, []Mark{{WindowKey: key}}); err != nil {
			return err
		}
		if err := o.SetProgress(ctx, []Progress{{Stream: stream, Earliest: start}}, start); err != nil {
			return err
		}
	}
	return nil
}

// A process that was stopped and wakes after its shares were given to another writes nothing of them, and still writes of those it kept.
func TestWhatAnotherClaimedIsNotWritten(t *testing.T) {
	s := migrated(t)
	taken, kept := inShare(1), inShare(2)
	window := func(stream string) Received { return report(stream, 1, roaring.BitmapOf(1)) }
	if err := s.Insert(t.Context(), []Received{window(taken), window(kept)}); err != nil {
		t.Fatal(err)
	}
	before := s.written(t, taken, kept)
	old := s.claim4test(t, 1, 2)
	next := s.claim4test(t, 1)
	if err := old.judge(t.Context(), taken, kept); err != nil {
		t.Fatal(err)
	}
	got := s.written(t, taken, kept)
	if got[taken] != before[taken] {
		t.Errorf("of what was taken it wrote %v, there was %v", got[taken], before[taken])
	}
	for i, n := range got[kept] {
		if n != before[kept][i]+1 {
			t.Errorf("of what it kept it wrote %v, there was %v", got[kept], before[kept])
		}
	}
	if err := next.judge(t.Context(), taken); err != nil {
		t.Fatal(err)
	}
	if got := s.written(t, taken)[taken]; got[0] != 1 {
		t.Errorf("the new owner wrote %v", got)
	}
	lost, err := s.Lost(t.Context(), old.held)
	if err != nil || len(lost) != 1 || lost[0].Share != 1 {
		t.Errorf("lost %+v, %v", lost, err)
	}
}

// A statement that asked for its shares before a claim was made may still be writing when the claim is there.
func TestAClaimWaitsForWhatIsBeingWrittenUnderAnOlderOne(t *testing.T) {
	s := migrated(t)
	ended := make(chan error, 1)
	go func() {
		ended <- s.conn.Exec(heldContext(t.Context()), "INSERT INTO passes SELECT 1, 1, 1, toString(sleepEachRow(0.5)) FROM numbers(2)")
	}()
	for running, tick := 0, time.NewTicker(5*time.Millisecond); running == 0; {
		<-tick.C
		ids, err := s.heldQueries(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		running = len(ids)
	}
	if _, err := s.Claim(t.Context(), []uint32{1}); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-ended:
		if err != nil {
			t.Fatal(err)
		}
	case <-time.After(100 * time.Millisecond): // the answer is on its way
		t.Fatal("the claim did not wait")
	}
}

func TestWhoFollowsTheStoreFindsEveryVerdictOnceItIsStored(t *testing.T) {
	s := migrated(t)
	since, err := s.Now(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	v := Verdict{Stream: "orders", Start: start, Edge: Edge{"app", "sink"}, Revision: 1, Seconds: 60, State: Complete, DecidedAt: start}
	if err := s.AddVerdicts(t.Context(), []Verdict{v}); err != nil {
		t.Fatal(err)
	}
	found, err := s.ChangedSince(t.Context(), since)
	if err != nil || len(found) != 1 || found[0].Stream != "orders" || found[0].StoredAt.Before(since) {
		t.Fatalf("%+v, %v", found, err)
	}
	if later, err := s.ChangedSince(t.Context(), found[0].StoredAt.Add(time.Millisecond)); err != nil || len(later) != 0 {
		t.Fatalf("%+v, %v", later, err)
	}
}

func TestTheLastPassOfEveryShareIsKept(t *testing.T) {
	s := migrated(t)
	for i := range 3 {
		passes := []SharePass{{Share: 1, At: start.Add(time.Duration(i) * time.Second), Took: time.Second, Member: "a"}, {Share: 2, At: start, Member: "b"}}
		if err := s.NotePasses(t.Context(), passes[:2-i%2]); err != nil {
			t.Fatal(err)
		}
	}
	got, err := s.Passes(t.Context())
	want := []SharePass{{Share: 1, At: start.Add(2 * time.Second), Took: time.Second, Member: "a"}, {Share: 2, At: start, Member: "b"}}
	if err != nil || !slices.Equal(got, want) {
		t.Fatalf("%+v, %v", got, err)
	}
}
