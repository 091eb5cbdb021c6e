package ingest

import (
	"context"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/rollcallhq/rollcall/audit/wire"
	"github.com/rollcallhq/rollcall/internal/store"
	"github.com/rollcallhq/rollcall/internal/testenv"
)

func TestMain(m *testing.M) { os.Exit(testenv.Main(m)) }

// realStore is a ClickHouse with our tables.
func realStore(t *testing.T) *store.Store {
	t.Helper()
	s, _ := serverOf(t)
	return s
}

// wantHighest holds that the one emitter of orders has its reports up to number stored.
func wantHighest(t *testing.T, s *store.Store, number uint64) {
	t.Helper()
	emitters, err := s.Emitters(context.Background(), "orders")
	if err != nil {
		t.Fatal(err)
	}
	if len(emitters) != 1 || emitters[0].Highest != number || emitters[0].Counted != number {
		t.Fatalf("emitters %+v; want reports 1..%d of one", emitters, number)
	}
}

func TestWhatIsAcceptedIsInClickHouse(t *testing.T) {
	s := realStore(t)
	in := started(t, s, Config{})
	wantAccepted(t, post(in, bodyOf(t, reportOf("orders", 1, ""), reportOf("orders", 2, ""))), 2)
	wantHighest(t, s, 2)
	wantAccepted(t, post(in, bodyOf(t, reportOf("orders", 2, ""))), 1) // unchanged
	p := wantProblem(t, post(in, bodyOf(t, reportOf("orders", 3, ""), reportOf("orders", 2, "other"))), http.StatusBadRequest)
	if len(p.Errors) != 1 || p.Errors[0].Path != "reports[1].number" {
		t.Errorf("%+v", p.Errors)
	}
	wantHighest(t, s, 2)
}

func TestAWindowLengthThatWasSetHoldsAtOnceForANewStream(t *testing.T) {
	s := realStore(t)
	in := started(t, s, Config{})
	settings := store.DefaultSettings("orders")
	settings.Lengths = []store.Length{{Seconds: 10}}
	if err := s.PutSettings(context.Background(), settings, testNow); err != nil {
		t.Fatal(err)
	}
	wantProblem(t, post(in, bodyOf(t, reportOf("orders", 1, ""))), http.StatusBadRequest)
	ten := reportOf("orders", 1, "")
	ten.Windows[0].Seconds = 10
	wantAccepted(t, post(in, bodyOf(t, ten)), 1)
}

func TestHostileTextComesBackFromQuarantineAsItCame(t *testing.T) {
	eachBroker(t, 1, hostileTextComesBackFromQuarantineAsItCame)
}

func hostileTextComesBackFromQuarantineAsItCame(t *testing.T, brokers []string) {
	s := realStore(t)
	producer := client(t, brokers)
	hostile := []byte("\xff\x00'; DROP TABLE rolls --\\' \" \n")
	produce(t, producer, &kgo.Record{Key: []byte("orders"), Value: hostile}, record(t, "orders", 1))
	consumer(t, started(t, s, Config{}), brokers)
	watch := newMemory()
	until(t, watch, "all offsets are committed", func() bool { return committed(t, brokers) == 2 })
	wantHighest(t, s, 1)
	aside, err := s.Quarantined(context.Background(), "", 10)
	if err != nil || len(aside) != 1 || string(aside[0].Body) != string(hostile) || aside[0].Topic != Topic || aside[0].Offset != 0 {
		t.Errorf("%v %+v", err, aside)
	}
}

func BenchmarkDecode(b *testing.B) {
	report := reportOf("orders", 1, "")
	for range 50 {
		report.Windows = append(report.Windows, report.Windows[0])
		last := len(report.Windows) - 1
		report.Windows[last].Start = report.Windows[last].Start.Add(-time.Duration(last) * time.Minute)
	}
	body := bodyOf(b, report)
	b.SetBytes(int64(len(body)))
	in := newIntake(b, newMemory(), Config{})
	for b.Loop() {
		if _, _, err := in.decodeReports(protobuf, body, wire.DefaultLimits()); err != nil {
			b.Fatal(err)
		}
	}
}
