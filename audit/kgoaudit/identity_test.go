package kgoaudit_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/rollcallhq/rollcall/audit"
	"github.com/rollcallhq/rollcall/audit/kgoaudit"
	"github.com/rollcallhq/rollcall/audit/wire"
)

const noon = "2026-11-22T12:00:00.125Z"

// carrying is a record with headers, given as key, value, key, value …
func carrying(value string, pairs ...string) *kgo.Record {
	r := &kgo.Record{Topic: "orders", Value: []byte(value)}
	for i := 0; i+1 < len(pairs); i += 2 {
		r.Headers = append(r.Headers, kgo.RecordHeader{Key: pairs[i], Value: []byte(pairs[i+1])})
	}
	return r
}

func TestARecordIsKnownByItsHeaderThenByCloudEventsThenByTheConfiguredFields(t *testing.T) {
	ours := audit.Header{Flags: wire.FlagNumbered, ProducedAt: time.UnixMilli(1_795_324_207_120).UTC(), Checksum: 7}
	header, later := string(ours.Append(nil)), "\x02"+string(ours.Append(nil)[1:])
	byHeader, byPointer := kgoaudit.Fields{UID: "order", ProducedAt: "made"}, kgoaudit.Fields{UID: "/order/id", ProducedAt: "/at"}
	for _, c := range []struct {
		name   string
		record *kgo.Record
		fields kgoaudit.Fields
		want   string // the foreign UID, or "ours"
		err    error
	}{
		{"header", carrying("", "audit", header), kgoaudit.Fields{}, "ours", nil},
		{"header before all else", carrying("", "order", "7", "made", noon, "ce_id", "8", "ce_time", noon, "audit", header), byHeader, "ours", nil},
		{"header of a later version", carrying("", "audit", later, "ce_id", "8", "ce_time", noon, "order", "7", "made", noon), byHeader, "", wire.ErrHeaderVersion},
		{"header cut short", carrying("", "audit", header[:27], "ce_id", "8", "ce_time", noon), kgoaudit.Fields{}, "", wire.ErrHeaderLength},
		{"CloudEvents", carrying("", "ce_specversion", "1.0", "ce_source", "/shop", "ce_id", "8", "ce_time", noon), kgoaudit.Fields{}, "8", nil},
		{"CloudEvents before the fields", carrying("", "order", "7", "made", noon, "ce_id", "8", "ce_time", noon), byHeader, "8", nil},
		{"CloudEvents without a time", carrying("", "ce_id", "8"), kgoaudit.Fields{}, "", wire.ErrNoIdentity},
		{"CloudEvents without a time, and the fields", carrying("", "ce_id", "8", "order", "7", "made", noon), byHeader, "7", nil},
		{"CloudEvents of a time that is none", carrying("", "ce_id", "8", "ce_time", "noon"), kgoaudit.Fields{}, "", wire.ErrProducedAt},
		{"the same, and the fields", carrying("", "ce_id", "8", "ce_time", "noon", "order", "7", "made", noon), byHeader, "7", nil},
		{"the same, and no fields in it", carrying("", "ce_id", "8", "ce_time", "noon"), byHeader, "", wire.ErrProducedAt},
		{"fields of a time that is none", carrying("", "order", "7", "made", "noon"), byHeader, "", wire.ErrProducedAt},
		{"one field", carrying("", "order", "7"), byHeader, "", wire.ErrNoIdentity},
		{"in the value", carrying(`{"order":{"id":"a/7"},"at":"` + noon + `"}`), byPointer, "a/7", nil},
		{"a number in the value", carrying(`{"order":{"id":90071992547409931},"at":"` + noon + `"}`), byPointer, "90071992547409931", nil},
		{"an integer below zero", carrying(`{"order":{"id":-7},"at":"` + noon + `"}`), byPointer, "-7", nil},
		{"an integer longer than any machine's", carrying(`{"order":{"id":` + strings.Repeat("9", 200) + `},"at":"` + noon + `"}`), byPointer, strings.Repeat("9", 200), nil},
		{"a number with a fraction", carrying(`{"order":{"id":7.0},"at":"` + noon + `"}`), byPointer, "", kgoaudit.ErrField},
		{"a number with an exponent", carrying(`{"order":{"id":7e3},"at":"` + noon + `"}`), byPointer, "", kgoaudit.ErrField},
		{"bytes that are not UTF-8", carrying("{\"order\":{\"id\":\"a\xff\"},\"at\":\"" + noon + "\"}"), byPointer, "", kgoaudit.ErrField},
		{"half a character", carrying(`{"order":{"id":"a\ud800"},"at":"` + noon + `"}`), byPointer, "", kgoaudit.ErrField},
		{"in a list of the value", carrying(`[{"i~d":"7"},"` + noon + `"]`), kgoaudit.Fields{UID: "/0/i~0d", ProducedAt: "/1"}, "7", nil},
		{"under a name with a slash", carrying(`{"a/b~1":"7","at":"` + noon + `"}`), kgoaudit.Fields{UID: "/a~1b~01", ProducedAt: "/at"}, "7", nil},
		{"a pointer and a header", carrying(`{"order":{"id":"7"}}`, "made", noon), kgoaudit.Fields{UID: "/order/id", ProducedAt: "made"}, "7", nil},
		{"a pointer that leads nowhere", carrying(`{"order":"7","at":"` + noon + `"}`), byPointer, "", wire.ErrNoIdentity},
		{"beyond a list", carrying(`["7"]`), kgoaudit.Fields{UID: "/0", ProducedAt: "/1"}, "", wire.ErrNoIdentity},
		{"null in the value", carrying(`{"order":{"id":null},"at":"` + noon + `"}`), byPointer, "", wire.ErrNoIdentity},
		{"an object in the value", carrying(`{"order":{"id":{}},"at":"` + noon + `"}`), byPointer, "", kgoaudit.ErrField},
		{"a value that is not JSON", carrying(`order 7`), byPointer, "", kgoaudit.ErrField},
		{"a value nested without end", carrying(strings.Repeat("[", 1<<20)), byPointer, "", kgoaudit.ErrField},
		{"no value", carrying(``), byPointer, "", wire.ErrNoIdentity},
		{"nothing", carrying("x", "content-type", "text/plain"), kgoaudit.Fields{}, "", wire.ErrNoIdentity},
	} {
		t.Run(c.name, func(t *testing.T) {
			id, err := kgoaudit.Identify(c.record, c.fields)
			got := id.Foreign
			if err == nil && got == "" && id.Header == ours {
				got = "ours"
			}
			if got != c.want || !errors.Is(err, c.err) {
				t.Fatalf("%q, %v; want %q, %v", got, err, c.want, c.err)
			}
			if id.Foreign != "" && id.ProducedAt.Format(time.RFC3339Nano) != noon {
				t.Errorf("produced at %s", id.ProducedAt)
			}
		})
	}
}

func TestFieldsThatCannotNameAnEventAreRefused(t *testing.T) {
	in := newConsumer(t, cluster(t, 1), &books{})
	for _, f := range []kgoaudit.Fields{{UID: "order"}, {ProducedAt: "made"}, {UID: "/a~2", ProducedAt: "made"}, {UID: "order", ProducedAt: "/a~"}} {
		if err := in.UseFields(f); err == nil || !strings.Contains(err.Error(), "fields of the identity") {
			t.Errorf("%+v: %v", f, err)
		}
	}
	if err := in.UseFields(kgoaudit.Fields{UID: "/a~0~1", ProducedAt: "made"}); err != nil {
		t.Error(err)
	}
}

// A consumer meets records of every making. It takes over and reports what it can, counts the rest, and stops at none.
func TestRecordsOfEveryMakingFlowOnAndAreCountedAsWhatTheyAre(t *testing.T) {
	b, c := &books{}, cluster(t, 1)
	now := time.Now().UTC().Truncate(time.Millisecond)
	at := now.Format(time.RFC3339Nano)
	ours := audit.Header{Flags: wire.FlagNumbered, UID: wire.UID{6: 0x80, 8: 0x80}, ProducedAt: now, Checksum: wire.Checksum([]byte("x"))}
	later := append([]byte{2}, ours.Append(nil)[1:]...)
	records := []*kgo.Record{
		carrying("x", "audit", string(ours.Append(nil))),
		carrying("x", "ce_id", "order-7", "ce_time", at),
		carrying("x", "ce_id", "order-7", "ce_time", at), // again
		carrying(fmt.Sprintf(`{"id":8,"at":%q}`, at)),
		carrying("x", "audit", string(later), "ce_id", "order-9", "ce_time", at),
		carrying("{}", "ce_id", "order-10", "ce_time", "noon"),
		carrying("{}"),
		carrying(fmt.Sprintf(`{"id":90071992547409931,"at":%q}`, at)),
		carrying(fmt.Sprintf(`{"id":7.5,"at":%q}`, at)),
		carrying(fmt.Sprintf(`{"id":%q,"at":%q}`, strings.Repeat("x", 257), at)), // too long
		carrying("x", "ce_id", "a\nb", "ce_time", at),                            // not to be shown to people
	}
	out := client(t, c)
	if err := out.ProduceSync(t.Context(), records...).FirstErr(); err != nil {
		t.Fatal(err)
	}
	in := newConsumer(t, c, b)
	if err := in.UseFields(kgoaudit.Fields{UID: "/id", ProducedAt: "/at"}); err != nil {
		t.Fatal(err)
	}
	taken := 0
	for taken < len(records) {
		ctx, cancel := waitShortly(t)
		in.client.PollFetches(ctx).EachRecord(func(r *kgo.Record) {
			in.Observe(r, now)
			taken++
		})
		cancel()
		if err := in.Commit(t.Context()); err != nil {
			t.Fatal(err)
		}
		in.client.AllowRebalance()
	}
	in.lanes(t, b)
	counts, unplaced := b.counts()
	if d := cmp.Diff(map[string]uint64{"order-7": 2, "8": 1, "90071992547409931": 1}, counts); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(wire.Unplaced{Unreadable: 3, NoUID: 3}, unplaced); d != "" {
		t.Error(d)
	}
	if seen := b.roll(wire.Seen); seen.GetCardinality() != 1 {
		t.Errorf("seen %v", seen)
	}
}

// Whatever a value holds: the UID found is the one that somebody wrote there, and no two of them become one.
func FuzzFieldsOfAValueAreTakenAsTheyAreWrittenOrNotAtAll(f *testing.F) {
	for _, seed := range []string{
		`{"id":"order-7"}`, `{"id":7}`, `{"id":-0}`, `{"id":1e9}`, `{"id":90071992547409931}`, `{"id":"\ud800"}`, "{\"id\":\"\xff\"}", `{"id":null}`,
		`{"id":{}}`, `{"id":"a","id":"b"}`, `[7]`, `{"id":"\u0061"}`, `{"a":{"id":1},"id":2}`, `{"id":1}{`, ``, `{"id":"` + noon + `"}`,
	} {
		f.Add([]byte(seed))
	}
	fields := kgoaudit.Fields{UID: "/id", ProducedAt: "made"}
	f.Fuzz(func(t *testing.T, value []byte) {
		id, err := kgoaudit.Identify(carrying(string(value), "made", noon), fields)
		if err != nil {
			if !errors.Is(err, kgoaudit.ErrField) && !errors.Is(err, wire.ErrNoIdentity) {
				t.Fatalf("%q: an error of no kind: %v", value, err)
			}
			return
		}
		again := map[string]any{"id": id.Foreign}
		if integer, whole := new(big.Int).SetString(id.Foreign, 10); whole && integer.String() == id.Foreign && !bytes.Contains(value, []byte(`"`+id.Foreign+`"`)) {
			again["id"] = json.Number(id.Foreign)
		}
		text, err := json.Marshal(again)
		if err != nil {
			t.Fatalf("%q gives %q, which cannot be written: %v", value, id.Foreign, err)
		}
		same, err := kgoaudit.Identify(carrying(string(text), "made", noon), fields)
		if err != nil || same.Foreign != id.Foreign {
			t.Fatalf("%q gives %q; written anew as %s it is %q, %v", value, id.Foreign, text, same.Foreign, err)
		}
		if !utf8.ValidString(id.Foreign) || strings.ContainsRune(id.Foreign, utf8.RuneError) {
			t.Fatalf("%q gives %q, in which something was replaced", value, id.Foreign)
		}
	})
}
