package ingest

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/rollcallhq/rollcall/audit/wire"
	"github.com/rollcallhq/rollcall/internal/store"
)

// Reports are numbered so that a missing one is noticed. A number that stands for two different reports hides that one is missing, so the
// second is refused, by whatever way each of them comes.

// ways is one server that hears of reports by HTTP and from Kafka.
type ways struct {
	t        *testing.T
	in       *Intake
	store    *store.Store
	brokers  []string
	producer *kgo.Client
	produced int64
}

func newWays(t *testing.T, linger time.Duration) *ways {
	t.Helper()
	s := realStore(t)
	_, brokers := broker(t, 1)
	in := started(t, s, Config{Linger: linger})
	consumer(t, in, brokers)
	return &ways{t: t, in: in, store: s, brokers: brokers, producer: client(t, brokers)}
}

// say sends reports in one request or record and tells whether they were taken.
func (w *ways) say(via string, reports ...wire.Report) bool {
	w.t.Helper()
	if via == viaHTTP {
		answer := post(w.in, bodyOf(w.t, reports...))
		if answer.Code != http.StatusOK {
			p := wantProblem(w.t, answer, http.StatusBadRequest)
			if len(p.Errors) != 1 || !strings.Contains(p.Errors[0].Message, "different content") || !strings.HasSuffix(p.Errors[0].Path, ".number") {
				w.t.Errorf("faults %+v", p.Errors)
			}
		}
		return answer.Code == http.StatusOK
	}
	before := w.in.Quarantined()
	produce(w.t, w.producer, &kgo.Record{Key: []byte(reports[0].Stream), Value: bodyOf(w.t, reports...)})
	w.produced++
	until(w.t, newMemory(), "the offset is committed", func() bool { return committed(w.t, w.brokers) == w.produced })
	return w.in.Quarantined() == before
}

// stored are the hosts of the reports of a stream stored under number 1, by which the reports of these tests differ.
func (w *ways) stored(stream string) []string {
	w.t.Helper()
	found, err := w.store.Reports(context.Background(), []string{stream}, testNow.Add(-time.Hour))
	if err != nil {
		w.t.Fatal(err)
	}
	var hosts []string
	for _, r := range found[stream] {
		if r.Number == 1 {
			hosts = append(hosts, r.Host)
		}
	}
	return hosts
}

func TestANumberStandsForOneReportByWhateverWayItComes(t *testing.T) {
	w := newWays(t, 10*time.Millisecond)
	for _, c := range []struct{ first, second string }{{viaHTTP, viaHTTP}, {viaHTTP, viaKafka}, {viaKafka, viaHTTP}, {viaKafka, viaKafka}} {
		for _, hosts := range [][2]string{{"a", "b"}, {"b", "a"}} { // neither content is the better one
			stream := strings.Join([]string{c.first, c.second, hosts[0]}, "-")
			t.Run(stream, func(t *testing.T) {
				w.t = t
				one, other, before := reportOf(stream, 1, hosts[0]), reportOf(stream, 1, hosts[1]), w.conflicts(c.second)
				if !w.say(c.first, one) {
					t.Fatal("the first was not taken")
				}
				if w.say(c.second, other) {
					t.Fatal("the second was taken")
				}
				if w.say(c.second, reportOf(stream, 2, ""), other) {
					t.Fatal("the second was taken with another")
				}
				if !w.say(c.second, one) || !w.say(c.first, one) {
					t.Fatal("the first was refused when it came again")
				}
				if d := cmp.Diff([]string{hosts[0]}, w.stored(stream)); d != "" {
					t.Error(d)
				}
				if n := w.conflicts(c.second) - before; n != 2 {
					t.Errorf("%v conflicts counted", n)
				}
			})
		}
	}
}

// conflicts is how many requests or records were counted as refused for their numbers.
func (w *ways) conflicts(via string) float64 {
	w.t.Helper()
	if via == viaKafka {
		return counted(w.t, w.in.metrics.quarantined, "reports", reasonConflict)
	}
	return counted(w.t, w.in.metrics.refused, viaHTTP, reasonConflict)
}

func TestARequestThatUsesANumberTwiceIsRefusedWhole(t *testing.T) {
	w := newWays(t, 10*time.Millisecond)
	for _, via := range []string{viaHTTP, viaKafka} {
		for _, hosts := range [][2]string{{"a", "b"}, {"b", "a"}} {
			stream := via + "-" + hosts[0]
			t.Run(stream, func(t *testing.T) {
				w.t = t
				before := w.conflicts(via)
				if w.say(via, reportOf(stream, 1, hosts[0]), reportOf(stream, 2, ""), reportOf(stream, 1, hosts[1])) {
					t.Fatal("it was taken")
				}
				if found := w.stored(stream); len(found) != 0 {
					t.Fatalf("%v is stored", found)
				}
				if again := reportOf(stream, 1, "a"); !w.say(via, again, again) {
					t.Fatal("a report that is said twice in one request was refused")
				}
				if n := w.conflicts(via) - before; n != 1 {
					t.Errorf("%v conflicts counted", n)
				}
			})
		}
	}
}

// Two records of one poll wait for one insert, beside a request that came by HTTP.
func TestOfRivalsThatShareAnInsertOneIsStoredAndTheOthersAreRefused(t *testing.T) {
	w := newWays(t, time.Second)
	produce(t, w.producer, record(t, "orders", 1), &kgo.Record{Key: []byte("orders"), Value: bodyOf(t, reportOf("orders", 1, "kafka"))})
	answer := post(w.in, bodyOf(t, reportOf("orders", 1, "http")))
	until(t, newMemory(), "the offsets are committed", func() bool { return committed(t, w.brokers) == 2 })
	refused := w.in.Quarantined()
	if answer.Code != http.StatusOK {
		wantProblem(t, answer, http.StatusBadRequest)
		refused++
	}
	if refused != 2 || len(w.stored("orders")) != 1 {
		t.Fatalf("%d refused, %v stored", refused, w.stored("orders"))
	}
}
