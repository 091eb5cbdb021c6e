package demo

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcallhq/rollcall/audit"
	"github.com/rollcallhq/rollcall/audit/schema"
	"github.com/rollcallhq/rollcall/audit/wire"
)

var origin = wire.UID{1, 2, 3, 4, 5, 6, 0x80, 7, 0x80}

func TestComparisonNamesWhatIsMissedAndWhatIsFalse(t *testing.T) {
	planted := []plant{
		{UID: origin.WithSequence(1), Fault: DropByApp},
		{UID: origin.WithSequence(2), Fault: TwiceByApp},
		{UID: origin.WithSequence(3), Fault: CorruptByRelay},
	}
	named := []saying{
		{claim{edgeRelay, kindLost}, origin.WithSequence(1).String()},
		{claim{edgeRelay, kindDuplicated}, origin.WithSequence(2).String()},
		{claim{edgeRelay, kindCorrupt}, origin.WithSequence(3).String()}, // on the wrong edge
		{claim{edgeSink, "unexpected"}, origin.WithSequence(9).String()},
	}
	got := compare(planted, named)
	want := Outcome{
		Planted: map[string][]string{
			kindLost: {origin.WithSequence(1).String()}, kindDuplicated: {origin.WithSequence(2).String()},
			kindCorrupt: {origin.WithSequence(3).String()}, kindFiltered: {}, kindInvalid: {},
		},
		Named: map[string][]string{
			kindLost: {origin.WithSequence(1).String()}, kindDuplicated: {origin.WithSequence(2).String()},
			kindCorrupt: {origin.WithSequence(3).String()}, kindFiltered: {}, kindInvalid: {}, "unexpected": {origin.WithSequence(9).String()},
		},
		Missed: 2, False: 2,
		MissedNames: []saying{
			{claim{edgeSink, kindCorrupt}, origin.WithSequence(3).String()},
			{claim{edgeSink, kindDuplicated}, origin.WithSequence(2).String()},
		},
		FalseNames: []saying{
			{claim{edgeRelay, kindCorrupt}, origin.WithSequence(3).String()},
			{claim{edgeSink, "unexpected"}, origin.WithSequence(9).String()},
		},
	}
	if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b saying) bool { return a == b })); diff != "" {
		t.Error(diff)
	}
	if got.Good() {
		t.Error("an outcome with differences is good")
	}
}

func TestOutcomeWithAnUndecidedWindowIsNotGood(t *testing.T) {
	o := compare(nil, nil)
	if !o.Good() {
		t.Fatal("nothing planted and nothing named is not good")
	}
	o.Undecided = []string{"x"}
	if o.Good() {
		t.Error("a window nobody decided about is good")
	}
}

func TestAnEventHeldBackIsToBeInTheLatencies(t *testing.T) {
	o := compare([]plant{{UID: origin.WithSequence(1), Fault: DelayByApp}, {UID: origin.WithSequence(2), Fault: DelayByApp}}, nil)
	for _, c := range []struct {
		slow   uint64
		killed bool
		want   string
	}{
		{0, false, "2 missed"}, {1, false, "1 missed"}, {2, false, "none"}, {5, false, "none, 3 others as slow without a kill"},
		{1, true, "1 missed at least"}, {2, true, "none at least, 0 others as slow after a kill"}, {5, true, "none at least, 3 others as slow after a kill"},
	} {
		o.Delayed.Slow = c.slow
		if got := o.Delayed.difference(c.killed); got != c.want || o.Good() != (c.slow >= 2) {
			t.Errorf("2 held back, %d slow, killed %v: %q, good %v", c.slow, c.killed, got, o.Good())
		}
	}
}

func TestEventsAreHeldBackUntilTheyAreDue(t *testing.T) {
	var h held
	at := time.Unix(1_000_000, 0)
	for n := range uint32(3) {
		h.add(nil, audit.Header{UID: origin.WithSequence(n), ProducedAt: at.Add(time.Duration(n) * time.Second)})
	}
	if due := h.due(at.Add(heldFor - 1)); len(due) != 0 {
		t.Fatalf("%d are due too soon", len(due))
	}
	if due := h.due(at.Add(heldFor + time.Second)); len(due) != 2 || due[1].header.UID != origin.WithSequence(1) || len(h.waiting) != 1 {
		t.Fatalf("due are %v, and %d wait", due, len(h.waiting))
	}
}

func TestABrokenFlightBreaksTheSchemaAndNoOther(t *testing.T) {
	checker, _, err := newChecker(noSender{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	good, err := json.Marshal(flight{Date: 979_000_000_000_000, Delay: -3, Distance: 405, Origin: "SMF", Destination: "PDX"})
	if err != nil {
		t.Fatal(err)
	}
	if r := checker.Examine(schema.Event{Stream: stream, Payload: good}); r.Outcome != schema.OK {
		t.Fatalf("a flight is %+v", r)
	}
	if r := checker.Examine(schema.Event{Stream: stream, Payload: broken(good)}); r.Outcome != schema.Invalid || r.Path != "/distance" {
		t.Fatalf("a broken flight is %+v", r)
	}
}

type noSender struct{}

func (noSender) SendSamples(context.Context, []wire.Sample) error { return nil }

func TestFateFollowsFromTheUIDAndMeetsEveryFault(t *testing.T) {
	plan, err := ParsePlan("all")
	if err != nil {
		t.Fatal(err)
	}
	met := map[Fault]int{}
	for n := range uint32(400_000) {
		uid := origin.WithSequence(n)
		fate := plan.Fate(uid)
		if fate != plan.Fate(uid) {
			t.Fatalf("%s has two fates", uid)
		}
		met[fate]++
	}
	for _, f := range allFaults() {
		if met[f] < 50 || met[f] > 200 {
			t.Errorf("%q met %d of 400000 events, want about 100", f, met[f])
		}
		if len(f.claims()) == 0 && f != DelayByApp {
			t.Errorf("Rollcall is to say nothing of %q", f)
		}
	}
}

func TestPlanPlantsOnlyWhatItNames(t *testing.T) {
	for text, c := range map[string]struct {
		kinds map[string]bool
		kills bool
	}{
		"none":           {map[string]bool{}, false},
		"kill":           {map[string]bool{}, true},
		"lost, filtered": {map[string]bool{kindLost: true, kindFiltered: true}, false},
		"all":            {map[string]bool{kindLost: true, kindDuplicated: true, kindCorrupt: true, kindFiltered: true, kindInvalid: true, kindDelayed: true}, true},
	} {
		plan, err := ParsePlan(text)
		if err != nil {
			t.Fatal(err)
		}
		met := map[string]bool{}
		for n := range uint32(100_000) {
			if kind := plan.Fate(origin.WithSequence(n)).kind(); kind != "" {
				met[kind] = true
			}
		}
		if diff := cmp.Diff(c.kinds, met); diff != "" || plan.kills != c.kills {
			t.Errorf("%q: kills %v, kinds:\n%s", text, plan.kills, diff)
		}
	}
	if _, err := ParsePlan("lots"); err == nil {
		t.Error("an unknown fault is planned")
	}
}

func TestListOfPlantsIsReadWindowByWindowAsItGrows(t *testing.T) {
	path := filepath.Join(t.TempDir(), "planted.jsonl")
	reader := &plantReader{path: path}
	at := func(n int) time.Time { return time.Unix(int64(n)*10, 0).UTC() }
	if got, err := reader.between(at(0), at(1)); err != nil || len(got) != 0 {
		t.Fatalf("a list not begun: %v, %v", got, err)
	}
	w, err := openPlants(path)
	if err != nil {
		t.Fatal(err)
	}
	add := func(n uint32, window int) plant {
		p := plant{UID: origin.WithSequence(n), Window: at(window), Fault: DropBySink}
		if err := w.add(p); err != nil {
			t.Fatal(err)
		}
		return p
	}
	first, second := add(1, 0), add(2, 1)
	if _, err := w.file.WriteString(`{"uid":`); err != nil {
		t.Fatal(err)
	}
	check := func(from, to int, want ...plant) {
		t.Helper()
		got, err := reader.between(at(from), at(to))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	}
	check(0, 1, first)
	check(1, 2, second)
	if err := w.close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, reader.offset); err != nil {
		t.Fatal(err)
	}
	w, _ = openPlants(path)
	check(2, 4, add(3, 2), add(4, 3))
}
