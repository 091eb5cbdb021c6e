package inspector

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcallhq/rollcall/inspector/api"
	"github.com/rollcallhq/rollcall/internal/certificate"
	"github.com/rollcallhq/rollcall/internal/store"
)

func (m *memory) HourCertificates(_ context.Context, q store.CertificateQuery) ([]store.HourCertificate, error) {
	var found []store.HourCertificate
	for _, c := range m.issued {
		after := c.Hour.After(q.AfterHour) || c.Hour.Equal(q.AfterHour) && c.Number > q.AfterNumber
		if !c.Hour.Before(q.From) && c.Hour.Before(q.To) && after && len(found) < q.Limit {
			found = append(found, c)
		}
	}
	return found, m.err
}

func (m *memory) CertificateChain(_ context.Context, _ string, after uint64, limit int) ([]store.Certificate, error) {
	var found []store.Certificate
	for _, c := range slices.SortedFunc(slices.Values(m.issued), func(a, b store.HourCertificate) int { return int(a.Number) - int(b.Number) }) {
		if c.Number > after && len(found) < limit {
			found = append(found, c.Certificate)
		}
	}
	return found, m.err
}

// certified is three entries: hour 4 certified and revoked, hour 5 certified between.
func certified() []store.HourCertificate {
	at := func(n uint64, hour int, action, last string, lastNumber uint64, reason string) store.HourCertificate {
		return store.HourCertificate{
			Certificate: store.Certificate{
				Stream: "orders", Number: n, Hour: time.Date(2026, 11, 22, hour, 0, 0, 0, time.UTC), Action: action, Key: [32]byte{1},
				IssuedAt: testNow, IssuedBy: "anna", Envelope: fmt.Appendf(nil, `{"payload":"a+b/%d=="}`, n), Partition: 2, Offset: int64(10 * n),
			},
			Last: lastNumber, LastAction: last, LastReason: reason,
		}
	}
	return []store.HourCertificate{at(1, 4, "certify", "revoke", 3, "2 came late"), at(3, 4, "revoke", "revoke", 3, "2 came late"), at(2, 5, "certify", "certify", 2, "")}
}

// records is a topic as a test lays it out.
type records []certificate.Record

func (r records) Read(_ context.Context, _ string, from int64, limit int) ([]certificate.Record, int64, error) {
	if r == nil {
		return nil, 0, errors.New("the broker is away")
	}
	rest := r[min(int(from), len(r)):]
	if len(rest) <= limit {
		return rest, -1, nil
	}
	return rest[:limit], from + int64(limit), nil
}

func TestCertificatesAreListedByHourWithHowTheyStand(t *testing.T) {
	f := newFixture(t)
	f.store.issued = certified()
	path := "/api/v1/streams/orders/certificates?from=2026-11-22T04:30:00Z&limit=2"
	one := read[api.Page[api.Certificate]](f, path)
	two := read[api.Page[api.Certificate]](f, path+"&cursor="+url.QueryEscape(one.Next))
	var got []string
	for _, c := range append(one.Items, two.Items...) {
		got = append(got, fmt.Sprintf("%s %d %s %s by %d %s %s", c.Hour, c.Number, c.Action, c.Standing, c.StandingBy, c.StandingReason, c.Envelope))
	}
	want := []string{
		`2026-11-22T04 1 certify revoked by 3 2 came late {"payload":"a+b/1=="}`, `2026-11-22T04 3 revoke revoked by 3 2 came late {"payload":"a+b/3=="}`,
		`2026-11-22T05 2 certify certified by 2  {"payload":"a+b/2=="}`,
	}
	if diff := cmp.Diff(want, got); diff != "" || two.Next != "" {
		t.Errorf("%s, next %q", diff, two.Next)
	}
	for path, says := range map[string]string{
		"certificates?cursor=eHk": "not a cursor of this list", "certificates?from=2010-01-01T00:00:00Z": "at most 43920h", "chain?source=moon": "not one of store, topic",
		"chain?cursor=eHk": "not a cursor of this list", "hours/2026-11-22/digests": "not an hour",
	} {
		wantProblem(t, f.ask("GET", "/api/v1/streams/orders/"+path, ""), 400, says)
	}
	for _, path := range []string{"certificates", "chain", "hours/2026-11-22T05/digests"} {
		wantProblem(t, f.ask("GET", "/api/v1/streams/nope/"+path, ""), 404, "no stream")
	}
	wantProblem(t, f.ask("GET", "/api/v1/streams/orders/hours/2026-11-22T07/digests", ""), 404, "in the future")
	if n := len(read[api.Page[api.Certificate]](f, "/api/v1/streams/orders/certificates?from=2199-01-01T00:00:00Z&to=2200-01-01T00:00:00Z").Items); n != 0 {
		t.Errorf("%d certificates of the future", n)
	}
}

func TestAChainIsReadByteByByteFromTheStoreAndFromTheTopic(t *testing.T) {
	topic := records{{Partition: 2, Value: []byte("\x00garbage\xff")}, {Partition: 2, Offset: 1, Value: []byte(`{"payload":"a+b/1=="}`)}, {Partition: 2, Offset: 2}}
	f := newFixture(t, func(d *Deps, _ *Config) { d.Chain = topic })
	f.store.issued = certified()
	fetch := func(source string) []api.ChainEntry {
		var all []api.ChainEntry
		path := "/api/v1/streams/orders/chain?limit=2&source=" + source
		for next := ""; ; {
			page := read[api.Page[api.ChainEntry]](f, path+next)
			if all = append(all, page.Items...); page.Next == "" {
				return all
			}
			next = "&cursor=" + url.QueryEscape(page.Next)
		}
	}
	want := []api.ChainEntry{{Partition: 2, Offset: 0, Value: topic[0].Value}, {Partition: 2, Offset: 1, Value: topic[1].Value}, {Partition: 2, Offset: 2}}
	if diff := cmp.Diff(want, fetch("topic")); diff != "" {
		t.Error(diff)
	}
	stored := fetch("store")
	if len(stored) != 3 || string(stored[2].Value) != `{"payload":"a+b/3=="}` || stored[2].Offset != 30 {
		t.Errorf("%+v", stored)
	}
	away := newFixture(t, func(d *Deps, _ *Config) { d.Chain = records(nil) })
	wantProblem(t, away.ask("GET", "/api/v1/streams/orders/chain?source=topic", ""), 503, "could not be read")
	without := newFixture(t)
	wantProblem(t, without.ask("GET", "/api/v1/streams/orders/chain?source=topic", ""), 404, "no keys")
}

func TestKeysAreToldWithTheOneThatSigns(t *testing.T) {
	makeKey := func(seed byte, from time.Time) certificate.Key {
		k, err := certificate.NewKey(ed25519.NewKeyFromSeed(slices.Repeat([]byte{seed}, ed25519.SeedSize)).Public().(ed25519.PublicKey))
		if err != nil {
			t.Fatal(err)
		}
		k.NotBefore = from
		return k
	}
	old, current, next := makeKey(1, testNow.Add(-2*time.Hour)), makeKey(2, testNow.Add(-time.Hour)), makeKey(3, testNow.Add(time.Hour))
	old.RetiredAt = testNow.Add(-time.Minute)
	f := newFixture(t, func(d *Deps, _ *Config) {
		d.Keys = func() *certificate.Keys { return &certificate.Keys{All: []certificate.Key{old, current, next}} }
	})
	items := read[api.Page[api.Key]](f, "/api/v1/keys").Items
	if len(items) != 3 || items[0].Signing || !items[1].Signing || items[2].Signing {
		t.Fatalf("%+v", items)
	}
	want := api.Key{ID: old.ID.String(), Algorithm: "ed25519", Public: old.PublicPEM(), NotBefore: &old.NotBefore, RetiredAt: &old.RetiredAt}
	if diff := cmp.Diff(want, items[0]); diff != "" {
		t.Error(diff)
	}
	if items := read[api.Page[api.Key]](newFixture(t), "/api/v1/keys").Items; items == nil || len(items) != 0 {
		t.Errorf("without keys: %v", items)
	}
}

func TestDigestsAreThoseOfTheHourAsked(t *testing.T) {
	f := newFixture(t, func(d *Deps, _ *Config) {
		d.Digests = func(_ context.Context, stream string, hour certificate.Hour) ([]certificate.Hop, error) {
			return []certificate.Hop{{Hop: stream + hour.String(), Events: 1 << 60, Filtered: 2, Rejected: 3, Digest: certificate.Hash{0xab}}}, nil
		}
	})
	got := read[api.Digests](f, "/api/v1/streams/orders/hours/2026-11-22T04/digests")
	want := api.Digests{Stream: "orders", Hour: "2026-11-22T04", Hops: []api.HopDigest{{
		Hop: "orders2026-11-22T04", Events: 1 << 60, Filtered: 2, Rejected: 3, Digest: certificate.Hash{0xab}.String(),
	}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
