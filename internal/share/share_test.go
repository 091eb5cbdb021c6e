package share

import (
	"context"
	"log/slog"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/rollcallhq/rollcall/internal/store"
	"github.com/rollcallhq/rollcall/internal/testenv"
	"github.com/rollcallhq/rollcall/migrations"
)

func TestMain(m *testing.M) { os.Exit(testenv.Main(m)) }

// field is a store and a broker that members share streams by.
type field struct {
	t       *testing.T
	store   *store.Store
	brokers []string
}

func newField(t *testing.T) *field {
	t.Helper()
	addr, database := testenv.ClickHouse(t)
	s, err := store.Connect(t.Context(), store.Config{Addrs: []string{addr}, Database: database, User: "default"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	if _, err := s.Migrate(t.Context(), migrations.Files); err != nil {
		t.Fatal(err)
	}
	f := &field{t, s, testenv.Kafka(t)}
	if err := EnsureTopic(t.Context(), f.brokers, Topic); err != nil {
		t.Fatal(err)
	}
	return f
}

func (f *field) member(name string) *Member {
	f.t.Helper()
	config := Config{Brokers: f.brokers, Name: name, Session: 2 * time.Second, Check: 200 * time.Millisecond}
	m, err := New(f.store, config, prometheus.NewRegistry(), slog.New(slog.DiscardHandler))
	if err != nil {
		f.t.Fatal(err)
	}
	if err := m.Ready(); err == nil {
		f.t.Error("a member is ready before the group has said anything")
	}
	if err := m.Start(); err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { _ = m.Stop(context.WithoutCancel(f.t.Context())) })
	return m
}

// until waits for something to become true.
func (f *field) until(what string, holds func() bool) {
	f.t.Helper()
	tick, limit := time.NewTicker(20*time.Millisecond), time.NewTimer(time.Minute)
	defer tick.Stop()
	defer limit.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-limit.C:
			f.t.Fatalf("waited too long: %s", what)
		}
	}
}

// shares are those a member holds now.
func shares(m *Member) []uint32 {
	claims, done := m.Hold()
	defer done(time.Time{}, 0)
	var held []uint32
	for _, c := range claims {
		held = append(held, c.Share)
	}
	return held
}

// lost is how many shares a member counted as lost.
func lost(t *testing.T, m *Member) float64 {
	t.Helper()
	var d dto.Metric
	if err := m.metrics.lost.Write(&d); err != nil {
		t.Fatal(err)
	}
	return d.GetCounter().GetValue()
}

// share says whether the members hold every share, each by one of them, and each holds some.
func share(members ...*Member) bool {
	var all []uint32
	for _, m := range members {
		held := shares(m)
		if len(held) == 0 {
			return false
		}
		all = append(all, held...)
	}
	slices.Sort(all)
	return len(all) == store.Shares && len(slices.Compact(all)) == store.Shares
}

func TestMembersShareAllStreamsAndHandThemOverAtOnce(t *testing.T) {
	f := newField(t)
	one := f.member("one")
	f.until("one alone holds all", func() bool { return share(one) })
	two, three := f.member("two"), f.member("three")
	f.until("three hold all", func() bool {
		return share(one, two, three) && one.Ready() == nil && two.Ready() == nil && three.Ready() == nil
	})
	begun := time.Now()
	if err := two.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.until("two hold all", func() bool { return share(one, three) })
	t.Logf("handed over in %s", time.Since(begun))
	if len(shares(two)) != 0 {
		t.Error("one that left still holds shares")
	}
}

// The pass under way ends before its streams are given to another, so that the other begins where it ends.
func TestAHandOverWaitsForThePassUnderWay(t *testing.T) {
	f := newField(t)
	one := f.member("one")
	f.until("one alone holds all", func() bool { return share(one) })
	_, done := one.Hold()
	stopped := make(chan error, 1)
	go func() { stopped <- one.Stop(t.Context()) }()
	f.until("it gives back", func() bool { one.mu.Lock(); defer one.mu.Unlock(); return len(one.held) == 0 })
	select {
	case <-stopped:
		t.Error("it left in the middle of its pass")
	default:
	}
	done(time.Now(), time.Second)
	if err := <-stopped; err != nil {
		t.Fatal(err)
	}
}

// A member cut off from Kafka may be the only one there is: it goes on, until another has claimed its shares.
func TestAMemberWithoutItsGroupJudgesUntilAnotherClaims(t *testing.T) {
	f := newField(t)
	one := f.member("one")
	f.until("one alone holds all", func() bool { return share(one) })
	one.lose()
	if !share(one) || one.Ready() != nil {
		t.Fatal("it let go at once")
	}
	if _, err := f.store.Claim(t.Context(), []uint32{3, 4}); err != nil {
		t.Fatal(err)
	}
	f.until("it lets go of what another claimed", func() bool { return len(shares(one)) == store.Shares-2 })
	if n := lost(t, one); n != 2 {
		t.Errorf("%v shares are counted lost", n)
	}
	if len(one.unclaimed()) != 0 {
		t.Error("it would take them back, though the group does not say that they are its own")
	}
}

// One that was stopped between what the group said and its claim overrules the one that came after it; that one then claims again.
func TestAMemberOverruledClaimsAgainWhereTheGroupStillSaysSo(t *testing.T) {
	f := newField(t)
	one := f.member("one")
	f.until("one alone holds all", func() bool { return share(one) })
	late, err := f.store.Claim(t.Context(), []uint32{7})
	if err != nil {
		t.Fatal(err)
	}
	f.until("it holds all again", func() bool { return lost(t, one) == 1 && share(one) })
	if gone, err := f.store.Lost(t.Context(), late); err != nil || len(gone) != 1 {
		t.Errorf("the late claim still stands: %v, %v", gone, err)
	}
}

func TestPassesAreToldOfTheSharesTheyWereOver(t *testing.T) {
	f := newField(t)
	one := f.member("one")
	f.until("one alone holds all", func() bool { return share(one) })
	_, done := one.Hold()
	at := time.Now().UTC().Truncate(time.Millisecond)
	done(at, 30*time.Millisecond)
	f.until("the passes are told", func() bool {
		passes, err := f.store.Passes(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return len(passes) == store.Shares && passes[0] == store.SharePass{Share: 0, At: at, Took: 30 * time.Millisecond, Member: "one"}
	})
}

func TestATopicWithTooFewPartitionsIsRefused(t *testing.T) {
	f := newField(t)
	if err := EnsureTopic(t.Context(), f.brokers, Topic); err != nil {
		t.Errorf("the topic that is there: %v", err)
	}
	narrow(t, f.brokers)
	if err := EnsureTopic(t.Context(), f.brokers, "narrow"); err == nil {
		t.Error("a topic with two partitions is taken")
	}
}
