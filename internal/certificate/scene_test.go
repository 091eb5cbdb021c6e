package certificate

import (
	"crypto/ed25519"
	"crypto/rand"
	"testing"
	"time"
)

var testNow = time.Date(2026, 11, 22, 6, 3, 0, 0, time.UTC)

func makeKey(t testing.TB) *Key {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	k, err := NewKey(public)
	if err != nil {
		t.Fatal(err)
	}
	k.Private = private
	return &k
}

func known(keys ...*Key) *Keys {
	k := &Keys{Distrusted: map[Hash]bool{}}
	for _, one := range keys {
		k.All = append(k.All, *one)
	}
	return k
}

// anHour is content with something in every field.
func anHour(stream string) Content {
	return Content{
		Stream: stream, Hour: HourOf(testNow.Add(-time.Hour)), Action: Certify, Number: 1, IssuedAt: testNow, IssuedBy: "anna",
		Policy: Policy{Auto: true, Allow: []string{"rejected"}}, RuleVersion: 1, Revision: 180,
		Hops:     []Hop{{Hop: "agent", Events: 7, Digest: Hash{1}}, {Hop: "app", Events: 9, Filtered: 2, Digest: Hash{2}}},
		Edges:    []Edge{{Edge: "app..agent", State: "incomplete", Windows: 60, Produced: 9, Expected: 7, Delivered: 6, Lost: 1, Waived: 1, Names: &Names{Events: 1, Foreign: []string{"order-7"}}}},
		Waivers:  []Waiver{{Edge: "app..agent", Kind: "lost", Events: 1, Who: "anna", Why: "a test order", Ticket: "OPS-1", At: testNow}},
		Coverage: Coverage{Windows: 60, Emitters: 3, Lanes: 8},
		Latency:  []Latency{{Hop: "agent", P50: 4, P95: 20, P99: 41.5, Max: 90}},
		Schemas:  []Schema{{Hop: "agent", Outcome: "OK", Events: 7}},
	}
}

func sign(t testing.TB, c Content, k *Key) []byte {
	t.Helper()
	text, err := Sign(c, k)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
