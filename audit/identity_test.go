package audit

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/rollcallhq/rollcall/audit/wire"
)

func headers(pairs ...string) http.Header {
	h := http.Header{}
	for i := 0; i+1 < len(pairs); i += 2 {
		h.Add(pairs[i], pairs[i+1])
	}
	return h
}

func TestAnEventOverHTTPIsKnownByItsHeaderAndElseByCloudEvents(t *testing.T) {
	ours := Header{Flags: wire.FlagNumbered, ProducedAt: time.UnixMilli(1_795_324_207_120).UTC(), Checksum: 7}
	const at = "2026-11-22T05:10:07.120Z"
	for _, c := range []struct {
		name string
		in   http.Header
		want Identity
		err  error
	}{
		{"header", headers("Audit", ours.Text()), Identity{Header: ours}, nil},
		{"header before CloudEvents", headers("Audit", ours.Text(), "ce-id", "order-7", "ce-time", at), Identity{Header: ours}, nil},
		{"a later version, whatever else there is", headers("Audit", "Ag"+ours.Text()[2:], "ce-id", "order-7", "ce-time", at), Identity{}, wire.ErrHeaderVersion},
		{"CloudEvents", headers("Ce-Id", "order-7", "Ce-Time", at), Identity{Header: Header{ProducedAt: ours.ProducedAt}, Foreign: "order-7"}, nil},
		{"percent-encoded", headers("ce-id", "Euro%20%E2%82%AC", "ce-time", at), Identity{Header: Header{ProducedAt: ours.ProducedAt}, Foreign: "Euro €"}, nil},
		{"encoded in no way", headers("ce-id", "50%", "ce-time", at), Identity{}, errors.New("any")},
		{"no time", headers("ce-id", "order-7"), Identity{}, wire.ErrNoIdentity},
		{"a time of another kind", headers("ce-id", "order-7", "ce-time", "noon"), Identity{}, wire.ErrProducedAt},
		{"nothing", headers("Content-Type", "text/plain"), Identity{}, wire.ErrNoIdentity},
	} {
		got, err := ReadHTTP(c.in)
		if got != c.want || (err == nil) != (c.err == nil) || c.err != nil && c.err.Error() != "any" && !errors.Is(err, c.err) {
			t.Errorf("%s: %+v, %v; want %+v, %v", c.name, got, err, c.want, c.err)
		}
	}
}

func TestEveryEventIsTakenOverByWhateverIsKnownOfIt(t *testing.T) {
	s := newServer()
	h, err := NewHop(HopConfig{Stream: "orders", Hop: "agent", Transport: s})
	if err != nil {
		t.Fatal(err)
	}
	h.Start()
	source, err := NewSource(SourceConfig{})
	if err != nil {
		t.Fatal(err)
	}
	now, payload := time.Now(), []byte("3 books")
	foreign := Identity{Header: Header{ProducedAt: now}, Foreign: "order-7"}
	for _, c := range []struct {
		id   Identity
		err  error
		want Mark
	}{
		{Identity{Header: source.Header(now, payload)}, nil, 0},
		{foreign, nil, 0},
		{foreign, nil, MarkRepeated},
		{Identity{}, wire.ErrNoIdentity, MarkUnplaced},
		{Identity{}, wire.ErrHeaderVersion, MarkUnplaced},
		{Identity{}, wire.ErrProducedAt, MarkUnplaced},
		{Identity{Header: Header{ProducedAt: now}, Foreign: strings.Repeat("x", 300)}, nil, MarkUnplaced},
	} {
		if got := h.TakeAs(c.id, c.err, payload, now); got != c.want {
			t.Errorf("%+v, %v: mark %v, want %v", c.id, c.err, got, c.want)
		}
	}
	if err := h.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	var unplaced wire.Unplaced
	count := map[string]uint64{}
	for _, r := range s.reports() {
		for _, w := range r.Windows {
			unplaced.Unreadable, unplaced.NoUID = max(unplaced.Unreadable, w.Unplaced.Unreadable), max(unplaced.NoUID, w.Unplaced.NoUID)
			for _, f := range w.Foreign {
				count[f.UID] = max(count[f.UID], f.Count)
			}
			for _, src := range w.Sources {
				count["ours"] += src.Observations
			}
		}
	}
	if want := (wire.Unplaced{Unreadable: 2, NoUID: 2}); unplaced != want || count["order-7"] != 2 || count["ours"] != 1 || len(count) != 2 {
		t.Errorf("unplaced %+v, counts %v", unplaced, count)
	}
}
