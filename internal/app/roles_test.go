package app

import (
	"bufio"
	"fmt"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/RoaringBitmap/roaring/v2"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/rollcallhq/rollcall/audit/wire"
	"github.com/rollcallhq/rollcall/ingest"
	"github.com/rollcallhq/rollcall/internal/store"
)

// takeover is how soon the streams of a process that died are judged by another.
const takeover = 10 * time.Second

func TestARoleThatIsAPartNeedsServicesThatOthersReachToo(t *testing.T) {
	given := Config{ClickHouse: store.Config{Addrs: []string{"127.0.0.1:9000"}}, KafkaBrokers: []string{"127.0.0.1:9092"}}
	for _, c := range []struct {
		role       Role
		here, says string
	}{
		{All, "", ""}, {Ingest, "both", ""}, {Reconcile, "both", ""}, {Inspector, "both", ""},
		{Ingest, "kafka", "role ingest needs --clickhouse-addr"}, {Reconcile, "clickhouse", "role reconcile needs --kafka-brokers"},
		{Inspector, "", "role inspector needs --clickhouse-addr"}, {Inspector, "", "role inspector needs --kafka-brokers"},
		{"judge", "both", `role "judge": give one of`},
	} {
		config := Config{Role: c.role, Listen: "127.0.0.1:0"}
		if c.here == "both" || c.here == "clickhouse" {
			config.ClickHouse = given.ClickHouse
		}
		if c.here == "both" || c.here == "kafka" {
			config.KafkaBrokers = given.KafkaBrokers
		}
		err := config.Check()
		if (err == nil) != (c.says == "") || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s with %q: %v; want %q", c.role, c.here, err, c.says)
		}
	}
}

func TestARoleAnswersWhatIsItsPart(t *testing.T) {
	s := newSite(t)
	for role, want := range map[Role]map[string]int{
		Ingest:    {"/healthz": 200, "/metrics": 200, "/api/v1/streams": 404, "/": 404, "POST": 400},
		Reconcile: {"/healthz": 200, "/metrics": 200, "/api/v1/streams": 404, "/": 404, "POST": 404},
		Inspector: {"/healthz": 200, "/metrics": 200, "/api/v1/streams": 200, "/": 200, "POST": 404},
	} {
		p := s.start(role)
		until(t, string(role)+" is ready", p.ready)
		for path, code := range want {
			got, _ := p.ask(path)
			if path == "POST" {
				got = p.post("{")
			}
			if got != code {
				t.Errorf("%s: %s answers %d, want %d", role, path, got, code)
			}
		}
		p.end()
	}
}

// post sends reports and returns the status of the answer.
func (p *process) post(body string) int {
	p.t.Helper()
	answer, err := http.Post(p.url+"/api/v1/reports", "application/json", strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	_ = answer.Body.Close()
	return answer.StatusCode
}

// emitterOf is the emitter of a hop of a stream.
func emitterOf(stream, hop int) wire.UID {
	return wire.UID{0x01, 0x99, 0xf0, 0x9c, 0x1d, 0x2e, 0x8a, 0xbc, 0x9d, 0xef, byte(stream), byte(hop)}
}

// report is the number-th report of a hop of a stream: it saw the event of the same number, in a window of a minute long ago, and everything
// before has left it. The later hop reports late enough to be past what the first handed on.
func report(stream, hop int, number uint64, window time.Time) *wire.Report {
	source := wire.Source{ID: wire.UID{0x01, 0x99, 0xf0, 0x9c, 0x1d, 0x2e, 0x8a, 0xbc, 0x9d, 0xef, byte(stream), 9}}
	source.Rolls[wire.Seen] = roaring.BitmapOf(uint32(number))
	now := time.Now().UTC().Add(time.Duration(hop) * 3 * time.Second)
	r := &wire.Report{
		Stream: streamName(stream), Hop: "app", Emitter: emitterOf(stream, hop), Number: number, SentAt: now, Heartbeat: 5, State: wire.Running,
		Lanes: map[string]time.Time{"": now}, Windows: []wire.Window{{Start: window, Seconds: 60, Sources: []wire.Source{source}}},
	}
	if hop > 0 {
		r.Hop, r.After = "sink", []string{"app"}
	}
	return r
}

func streamName(i int) string { return fmt.Sprintf("stream-%02d", i) }

func minutesAgo(n int) time.Time {
	return time.Now().UTC().Truncate(time.Minute).Add(-time.Duration(n) * time.Minute)
}

// send produces reports to Kafka, each acknowledged.
func (s *site) send(client *kgo.Client, reports ...*wire.Report) {
	s.t.Helper()
	var records []*kgo.Record
	for _, r := range reports {
		value, err := wire.EncodeProto(wire.Batch{Reports: []wire.Report{*r}})
		if err != nil {
			s.t.Fatal(err)
		}
		records = append(records, &kgo.Record{Topic: ingest.Topic, Key: []byte(r.Stream), Value: value})
	}
	if err := client.ProduceSync(s.t.Context(), records...).FirstErr(); err != nil {
		s.t.Fatal(err)
	}
}

// Everything that Kafka acknowledged is stored, though a process that reads it is killed in the middle.
func TestWhatAKilledIngestProcessHadReadIsStoredByAnother(t *testing.T) {
	const few, rounds, each = 12, 40, 5
	s := newSite(t)
	one, two := s.start(Ingest), s.start(Ingest)
	until(t, "both are ready", func() bool { return one.ready() && two.ready() })
	client, err := kgo.NewClient(kgo.SeedBrokers(s.brokers...))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	window := minutesAgo(3)
	for round := range rounds {
		var reports []*wire.Report
		for stream := range few {
			for n := range each {
				reports = append(reports, report(stream, 0, uint64(round*each+n+1), window))
			}
		}
		s.send(client, reports...)
		if round == rounds/2 {
			one.kill()
		}
	}
	for stream := range few {
		until(t, "all reports of "+streamName(stream)+" are stored", func() bool { return s.counted(streamName(stream)) == rounds*each })
		if got := s.seen(streamName(stream), window); got != rounds*each {
			t.Errorf("%s: %d of %d events are stored", streamName(stream), got, rounds*each)
		}
	}
	if kept, err := s.store.Quarantined(t.Context(), "", 10); err != nil || len(kept) != 0 {
		t.Errorf("%d put aside, %v", len(kept), err)
	}
	two.end()
}

// A process that ends in order has committed what it stored, and stored what it committed: the next reads nothing twice and misses nothing.
func TestAnIngestProcessThatEndsInOrderHasCommittedWhatItStored(t *testing.T) {
	const few, each = 6, 3000
	s := newSite(t)
	one := s.start(Ingest)
	client, err := kgo.NewClient(kgo.SeedBrokers(s.brokers...))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	var reports []*wire.Report
	for n := range each {
		for stream := range few {
			reports = append(reports, report(stream, 0, uint64(n+1), minutesAgo(3)))
		}
	}
	s.send(client, reports...)
	until(t, "it reads", func() bool { return s.counted(streamName(0)) > 0 })
	one.end()
	stored := uint64(0)
	for stream := range few {
		stored += s.counted(streamName(stream))
	}
	lag, err := ingest.Lag(t.Context(), client, ingest.Topic, ingest.Group)
	if err != nil || uint64(lag) != few*each-stored {
		t.Errorf("of %d it stored %d, and left %d to the next: %v", few*each, stored, lag, err)
	}
	t.Logf("it ended after %d of %d", stored, few*each)
}

// counted is the number up to which all reports of the stream's one emitter are stored.
func (s *site) counted(stream string) uint64 {
	s.t.Helper()
	emitters, err := s.store.Emitters(s.t.Context(), stream)
	if err != nil {
		s.t.Fatal(err)
	}
	if len(emitters) == 0 {
		return 0
	}
	return emitters[0].Counted
}

// seen is how many events the first hop saw in the window.
func (s *site) seen(stream string, window time.Time) (n uint64) {
	s.t.Helper()
	for one, err := range s.store.SourceRolls(s.t.Context(), []store.WindowKey{{Stream: stream, Start: window}}, wire.UID{}) {
		if err != nil {
			s.t.Fatal(err)
		}
		for i := range one.Sets {
			n += one.Sets[i].Rolls[wire.Seen].GetCardinality()
		}
	}
	return n
}

// hear stores a report of both hops of every stream about a window.
func (s *site) hear(number uint64, window time.Time) {
	s.t.Helper()
	var received []store.Received
	for stream := range streams {
		for hop := range 2 {
			received = append(received, store.Received{Report: *report(stream, hop, number, window), At: time.Now().UTC()})
		}
	}
	if err := s.store.Insert(s.t.Context(), received); err != nil {
		s.t.Fatal(err)
	}
}

// streams are so many that every process has some.
const streams = 40

// judged says whether every stream has a settled verdict of the window.
func (s *site) judged(window time.Time) bool {
	s.t.Helper()
	var keys []store.WindowKey
	for stream := range streams {
		keys = append(keys, store.WindowKey{Stream: streamName(stream), Start: window})
	}
	found, err := s.store.VerdictsOf(s.t.Context(), keys)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, key := range keys {
		if said := found[key]; len(said) != 1 || said[0].State != store.Complete {
			return false
		}
	}
	return true
}

// holdAll says whether the processes judge all streams together and each some.
func holdAll(processes ...*process) bool {
	sum := 0
	for _, p := range processes {
		n := p.shares()
		if n <= 0 || !p.ready() {
			return false
		}
		sum += n
	}
	return sum == store.Shares
}

// A process that judges is killed, another is stopped and wakes, a third ends in order: each time others judge its streams, and no verdict is
// ever said twice.
func TestStreamsOfAProcessThatDiesAreJudgedByOthers(t *testing.T) {
	s := newSite(t)
	one, two := s.start(Reconcile), s.start(Reconcile)
	until(t, "two share the streams", func() bool { return holdAll(one, two) })
	window := minutesAgo(9)
	s.hear(1, window)
	until(t, "two judge", func() bool { return s.judged(window) })

	one.kill()
	window = minutesAgo(8)
	s.hear(2, window)
	if took := until(t, "the other judges all", func() bool { return s.judged(window) }); took > takeover {
		t.Errorf("after a kill it took %s", took)
	}

	three := s.start(Reconcile)
	until(t, "two share the streams again", func() bool { return holdAll(two, three) })
	two.signal(syscall.SIGSTOP)
	window = minutesAgo(7)
	s.hear(3, window)
	if took := until(t, "the third judges all", func() bool { return s.judged(window) }); took > takeover {
		t.Errorf("after a stop it took %s", took)
	}
	two.signal(syscall.SIGCONT)
	until(t, "who was stopped takes part again", func() bool { return holdAll(two, three) })
	window = minutesAgo(6)
	s.hear(4, window)
	until(t, "they judge", func() bool { return s.judged(window) })

	three.end()
	window = minutesAgo(5)
	s.hear(5, window)
	if took := until(t, "who is left judges all", func() bool { return s.judged(window) }); took > 6*time.Second {
		t.Errorf("after an end in order it took %s", took)
	}
	s.saidOnce()
	two.end()
}

// saidOnce looks for windows of which anything was said after they were complete.
func (s *site) saidOnce() {
	s.t.Helper()
	for stream := range streams {
		verdicts, err := s.store.VerdictsIn(s.t.Context(), streamName(stream), minutesAgo(20), minutesAgo(0))
		if err != nil {
			s.t.Fatal(err)
		}
		for _, v := range verdicts {
			if v.Revision != 1 || v.State != store.Complete || v.Produced != 1 || v.Delivered != 1 {
				s.t.Errorf("%s %s: revision %d, %s, %d of %d", v.Stream, v.Start, v.Revision, v.State, v.Delivered, v.Produced)
			}
		}
	}
}

// What one process judges is told to the readers of another, and it says how the whole is doing.
func TestAnInspectorOfItsOwnTellsWhatOthersJudge(t *testing.T) {
	s := newSite(t)
	answers, judges := s.start(Inspector), s.start(Reconcile)
	until(t, "they are ready", func() bool { return answers.ready() && judges.ready() })
	client, err := kgo.NewClient(kgo.SeedBrokers(s.brokers...))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	s.send(client, report(0, 0, 1, minutesAgo(3)))
	until(t, "the age of the last pass is known", func() bool { return answers.status().LastPass != nil })
	if got := answers.status(); got.Role != "inspector" || got.Kafka != "ok" || got.IngestLag != 1 || got.ReconcileAgeMillis > 10_000 {
		t.Errorf("status %+v", got)
	}
	answer, err := http.Get(answers.url + "/api/v1/stream")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	lines := make(chan string, 1000)
	go func() {
		defer close(lines)
		for scan := bufio.NewScanner(answer.Body); scan.Scan(); {
			lines <- scan.Text()
		}
	}()
	window := minutesAgo(3)
	s.hear(1, window)
	until(t, "it is judged", func() bool { return s.judged(window) })
	if took := until(t, "it is told", func() bool { return told(lines, streamName(streams-1)) }); took > 5*time.Second {
		t.Errorf("told %s after it was judged", took)
	} else {
		t.Logf("told %s after it was judged", took)
	}
	answers.end()
	judges.end()
}

// told says whether an event of changed verdicts that names the stream has come.
func told(lines <-chan string, stream string) bool {
	for {
		select {
		case line, open := <-lines:
			if !open {
				return false
			}
			if strings.HasPrefix(line, "data:") && strings.Contains(line, `"state":"complete"`) && strings.Contains(line, stream) {
				return true
			}
		default:
			return false
		}
	}
}
