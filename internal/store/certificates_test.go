package store

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// entryAt is entry n of a stream, of an hour, at an offset.
func entryAt(stream string, n uint64, hour int, action string, offset int64) Certificate {
	return Certificate{
		Stream: stream, Number: n, Hour: time.Date(2026, 11, 22, hour, 0, 0, 0, time.UTC), Action: action,
		Previous: [32]byte{byte(n - 1), 0xff}, Hash: [32]byte{byte(n), 0xff}, Key: [32]byte{9, 0, 9}, IssuedAt: start.Add(time.Duration(n) * time.Millisecond),
		IssuedBy: "anna", Reason: "why " + action, Envelope: []byte(fmt.Sprintf(`{"n":%d,"é":"\x00\xff"}`, n)), Partition: 3, Offset: offset,
	}
}

func TestEntriesOfAChainComeBackAsTheyWentHoweverManyCopyThem(t *testing.T) {
	s := migrated(t)
	all := []Certificate{
		entryAt("orders", 1, 5, "certify", 10), entryAt("orders", 2, 6, "certify", 11), entryAt("orders", 3, 5, "revoke", 14), entryAt("orders", 4, 5, "supersede", 20),
	}
	other := entryAt("billing", 1, 5, "certify", 12)
	for range 3 {
		if err := s.AddCertificates(t.Context(), append([]Certificate{other}, all...)); err != nil {
			t.Fatal(err)
		}
	}
	var got []Certificate
	for after := uint64(0); ; after = got[len(got)-1].Number {
		page, err := s.CertificateChain(t.Context(), "orders", after, 3)
		if err != nil {
			t.Fatal(err)
		}
		if got = append(got, page...); len(page) < 3 {
			break
		}
	}
	if diff := cmp.Diff(all, got); diff != "" {
		t.Error(diff)
	}
	places, err := s.CertificatePlaces(t.Context())
	if want := map[int32]CertificatePlace{3: {20, all[3].Hash}}; err != nil || !cmp.Equal(want, places) {
		t.Errorf("%v, %v; want %v", places, err, want)
	}
}

// Another server may have copied what comes after the place that this one reads at.
func TestTheHeadOfAChainIsThatOfAPlaceInTheTopic(t *testing.T) {
	s := migrated(t)
	all := []Certificate{entryAt("orders", 1, 5, "certify", 10), entryAt("orders", 2, 6, "certify", 11), entryAt("orders", 3, 5, "revoke", 14)}
	if err := s.AddCertificates(t.Context(), all); err != nil {
		t.Fatal(err)
	}
	for before, want := range map[int64]uint64{0: 0, 10: 0, 11: 1, 12: 2, 14: 2, 15: 3, 1 << 40: 3} {
		head, err := s.CertificateHead(t.Context(), "orders", 3, before)
		if err != nil || head.Number != want || want > 0 && head.Hash != all[want-1].Hash {
			t.Errorf("before %d: %+v, %v; want %d", before, head, err, want)
		}
	}
	for _, c := range []struct {
		stream string
		part   int32
	}{{"billing", 3}, {"orders", 4}} {
		if head, err := s.CertificateHead(t.Context(), c.stream, c.part, 100); err != nil || head.Number != 0 {
			t.Errorf("%+v: %+v, %v", c, head, err)
		}
	}
}

func TestCertificatesOfHoursSayWhichIsTheLastOfEach(t *testing.T) {
	s := migrated(t)
	all := []Certificate{
		entryAt("orders", 1, 5, "certify", 10), entryAt("orders", 2, 6, "certify", 11), entryAt("orders", 3, 5, "revoke", 14), entryAt("orders", 4, 7, "certify", 20),
	}
	if err := s.AddCertificates(t.Context(), all); err != nil {
		t.Fatal(err)
	}
	q := CertificateQuery{Stream: "orders", From: all[0].Hour, To: all[3].Hour, Limit: 2}
	var got []HourCertificate
	for {
		page, err := s.HourCertificates(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		if got = append(got, page...); len(page) < q.Limit {
			break
		}
		q.AfterHour, q.AfterNumber = page[1].Hour, page[1].Number
	}
	want := []HourCertificate{{all[0], 3, "revoke", "why revoke"}, {all[2], 3, "revoke", "why revoke"}, {all[1], 2, "certify", "why certify"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
