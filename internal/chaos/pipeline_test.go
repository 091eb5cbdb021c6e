package chaos

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/rollcallhq/rollcall/audit"
	"github.com/rollcallhq/rollcall/audit/kgoaudit"
	"github.com/rollcallhq/rollcall/audit/wire"
	"github.com/rollcallhq/rollcall/internal/demo"
)

// The pipeline is the demo's: its relay and its sink, each a process, between these topics.
const (
	stream       = "flights"
	topicTaken   = "flights"
	topicRelayed = "flights.relayed"
	topicState   = "flights.relay-state"
	relayGroup   = "flights-relay"
	partitions   = 3
	eventPace    = 5 * time.Millisecond
)

// pipeline is a first hop in this process, which keeps a list of every event, and what is needed to ask how far the others are.
type pipeline struct {
	plan   demo.Plan
	client *kgo.Client
	admin  *kadm.Client
	source *audit.Source
	hop    *audit.Hop
	dir    string // of the sink

	acked atomic.Int64 // events that Kafka has
	fates map[demo.Fault]int
	truth truth
	sent  map[wire.UID]string // payload of each event
	stop  chan struct{}
	ended chan struct{}
}

func newPipeline(t *testing.T, brokers []string, server, dir string) *pipeline {
	t.Helper()
	plan, err := demo.ParsePlan("all")
	fatal(t, err)
	client, err := kgo.NewClient(clientOptions(brokers, kgo.DefaultProduceTopic(topicTaken))...)
	fatal(t, err)
	t.Cleanup(client.Close)
	p := &pipeline{
		plan: plan, client: client, admin: kadm.NewClient(client), dir: dir, fates: map[demo.Fault]int{}, sent: map[wire.UID]string{},
		stop: make(chan struct{}), ended: make(chan struct{}),
		truth: truth{stream: stream, edges: []string{"app..relay", "relay..sink"}, window: map[wire.UID]time.Time{}, hops: []*took{newTook("app")}},
	}
	for topic, count := range map[string]int32{topicTaken: partitions, topicRelayed: partitions, topicState: 1} {
		_, err := p.admin.CreateTopic(t.Context(), count, 1, nil, topic)
		fatal(t, err)
	}
	p.source, err = audit.NewSource(audit.SourceConfig{Window: windowLength})
	fatal(t, err)
	transport, err := audit.NewHTTPTransport(audit.HTTPConfig{URL: server})
	fatal(t, err)
	p.hop, err = audit.NewHop(audit.HopConfig{
		Stream: stream, Hop: "app", Window: windowLength, Heartbeat: time.Second, Transport: transport, Source: p.source,
	})
	fatal(t, err)
	p.hop.Start()
	return p
}

func clientOptions(brokers []string, more ...kgo.Opt) []kgo.Opt {
	return append([]kgo.Opt{
		kgo.SeedBrokers(brokers...), kgo.MetadataMinAge(100 * time.Millisecond), kgo.FetchMaxWait(250 * time.Millisecond),
		kgo.RetryBackoffFn(func(int) time.Duration { return 100 * time.Millisecond }),
	}, more...)
}

// produce sends an event each pace until finish.
func (p *pipeline) produce() {
	defer close(p.ended)
	tick := time.NewTicker(eventPace)
	defer tick.Stop()
	for n := 0; ; n++ {
		p.event(n)
		select {
		case <-tick.C:
		case <-p.stop:
			return
		}
	}
}

// event numbers one event, lists it, and sends it to Kafka, unless it is fated otherwise. The middle of a payload is where a byte is
// flipped, so what names the event is elsewhere.
func (p *pipeline) event(n int) {
	uid, at := p.source.Next(time.Now())
	payload := fmt.Sprintf(`{"uid":"%s","date":1,"delay":2,"distance":3,"origin":"SFO","destination":"LAX","pad":"%s"}`, uid, strings.Repeat("x", 160))
	header := audit.Header{Flags: wire.FlagNumbered, UID: uid, ProducedAt: at, Checksum: wire.Checksum([]byte(payload))}
	p.hop.Take(header, []byte(payload), at)
	p.sent[uid], p.truth.window[uid] = payload, at.Truncate(windowLength)
	p.truth.hops[0].times[uid]++
	fate := p.plan.Fate(uid)
	p.fates[fate]++
	record := &kgo.Record{Key: fmt.Appendf(nil, "%d", n%16), Value: []byte(payload)}
	kgoaudit.SetHeader(record, header)
	left := func(_ *kgo.Record, err error) {
		if err == nil {
			p.source.Left(at)
			p.acked.Add(1)
		}
	}
	switch fate {
	case demo.DropByApp:
		p.source.Left(at)
		return
	case demo.TwiceByApp:
		again := *record
		p.client.Produce(context.Background(), &again, nil)
	case demo.CorruptByApp:
		record.Value[len(payload)/2] ^= 0x20
	}
	p.client.Produce(context.Background(), record, left)
}

// finish ends the traffic and closes the first hop.
func (p *pipeline) finish(t *testing.T) {
	t.Helper()
	close(p.stop)
	<-p.ended
	ctx, cancel := context.WithTimeout(t.Context(), factLimit)
	defer cancel()
	fatal(t, p.client.Flush(ctx))
	fatal(t, p.hop.Close(ctx))
}

// relayed is how far the relay's committed transactions go.
func (p *pipeline) relayed(ctx context.Context) (int64, error) {
	return p.sum(p.admin.ListCommittedOffsets(ctx, topicRelayed))
}

func (p *pipeline) sum(ends kadm.ListedOffsets, err error) (int64, error) {
	if err := errors.Join(err, ends.Error()); err != nil {
		return 0, err
	}
	sum := int64(0)
	ends.Each(func(o kadm.ListedOffset) { sum += o.Offset })
	return sum, nil
}

// stored is how far the sink's durable state goes.
func (p *pipeline) stored(context.Context) (int64, error) {
	text, err := os.ReadFile(filepath.Join(p.dir, "out", "state.json"))
	if err != nil {
		return 0, err
	}
	var state struct {
		Parts map[int32]struct{ Next int64 }
	}
	if err := json.Unmarshal(text, &state); err != nil {
		return 0, err
	}
	sum := int64(0)
	for _, part := range state.Parts {
		sum += part.Next
	}
	return sum, nil
}

// through says why not every event has come to its end.
func (p *pipeline) through(ctx context.Context) error {
	taken, err := p.sum(p.admin.ListEndOffsets(ctx, topicTaken))
	if err != nil {
		return err
	}
	group, err := p.admin.FetchOffsets(ctx, relayGroup)
	if err := errors.Join(err, group.Error()); err != nil {
		return err
	}
	passed := int64(0)
	group.Each(func(o kadm.OffsetResponse) { passed += max(0, o.At) })
	relayed, err := p.sum(p.admin.ListEndOffsets(ctx, topicRelayed))
	if err != nil {
		return err
	}
	stored, err := p.stored(ctx)
	if err != nil {
		return err
	}
	if passed != taken || stored != relayed {
		return fmt.Errorf("the relay passed %d of %d, the sink stored %d of %d", passed, taken, stored, relayed)
	}
	return nil
}

// learn completes the truth: the relay took over what the first topic holds, the sink what its files hold.
func (p *pipeline) learn(t *testing.T, brokers []string) {
	t.Helper()
	relay, sink := newTook("relay", "app"), newTook("sink", "relay")
	for _, r := range records(t, brokers, topicTaken) {
		header, ok := kgoaudit.Header(r)
		if !ok {
			t.Fatalf("a record of %s has no header", topicTaken)
		}
		relay.times[header.UID]++
		switch {
		case wire.Checksum(r.Value) != header.Checksum:
			relay.kinds[header.UID] = wire.Corrupt
		case p.plan.Fate(header.UID) == demo.FilterByRelay:
			relay.kinds[header.UID] = wire.Filtered
		}
	}
	paths, err := filepath.Glob(filepath.Join(p.dir, "out", "*.jsonl*"))
	fatal(t, err)
	for _, path := range paths {
		p.readFile(t, path, sink)
	}
	p.checkTheRest(t, brokers, sink)
	p.truth.hops = append(p.truth.hops, relay, sink)
}

func (p *pipeline) readFile(t *testing.T, path string, sink *took) {
	t.Helper()
	file, err := os.Open(path)
	fatal(t, err)
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		uid := uidOf(t, lines.Text())
		sink.times[uid]++
		if lines.Text() != p.sent[uid] {
			sink.kinds[uid] = wire.Corrupt
		}
	}
}

// checkTheRest holds the sink's files to the topic before it, so that a pipeline that loses is not taken for an auditor that is right.
func (p *pipeline) checkTheRest(t *testing.T, brokers []string, sink *took) {
	t.Helper()
	passed := map[wire.UID]int{}
	for _, r := range records(t, brokers, topicRelayed) {
		uid := uidOf(t, string(r.Value))
		if p.plan.Fate(uid) != demo.DropBySink {
			passed[uid]++
		}
	}
	wrong := 0
	for uid, n := range passed {
		if sink.times[uid] != n {
			wrong++
		}
	}
	if wrong > 0 || len(passed) != len(sink.times) {
		t.Fatalf("the pipeline itself is wrong: of %d events passed on the files hold %d, %d of them not as often", len(passed), len(sink.times), wrong)
	}
}

func uidOf(t *testing.T, line string) wire.UID {
	t.Helper()
	text, _, _ := strings.Cut(strings.TrimPrefix(line, `{"uid":"`), `"`)
	uid, err := wire.ParseUID(text)
	if err != nil {
		t.Fatalf("%q: %v", line, err)
	}
	return uid
}

// records returns what a topic holds that was committed.
func records(t *testing.T, brokers []string, topic string) []*kgo.Record {
	t.Helper()
	client, err := kgo.NewClient(clientOptions(brokers, kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords())...)
	fatal(t, err)
	defer client.Close()
	ctx, cancel := context.WithTimeout(t.Context(), factLimit)
	defer cancel()
	ends, err := kadm.NewClient(client).ListEndOffsets(ctx, topic)
	fatal(t, errors.Join(err, ends.Error()))
	missing := map[int32]bool{}
	ends.Each(func(o kadm.ListedOffset) { missing[o.Partition] = o.Offset > 0 })
	var all []*kgo.Record
	for anyOf(missing) {
		fetches := client.PollFetches(ctx)
		fatal(t, ctx.Err())
		fetches.EachRecord(func(r *kgo.Record) {
			if !r.Attrs.IsControl() {
				all = append(all, r)
			}
			if end, _ := ends.Lookup(topic, r.Partition); r.Offset+1 >= end.Offset {
				missing[r.Partition] = false
			}
		})
	}
	return all
}

func anyOf(set map[int32]bool) bool {
	for _, is := range set {
		if is {
			return true
		}
	}
	return false
}

func fatal(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
