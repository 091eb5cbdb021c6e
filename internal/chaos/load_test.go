package chaos

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/RoaringBitmap/roaring/v2"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/rollcallhq/rollcall/audit"
	"github.com/rollcallhq/rollcall/audit/kgoaudit"
	"github.com/rollcallhq/rollcall/audit/wire"
)

// loadStream is a stream whose later hop never speaks, so that every event that is stored is named as pending.
const loadStream = "orders"

// reportPace keeps the senders from making more in a test than can be told in a test.
const reportPace = 10 * time.Millisecond

// sender is an emitter that reports one event at a time, each report until it is taken.
type sender struct {
	transport audit.Transport
	n         byte

	mu    sync.Mutex
	taken []wire.UID // what was acknowledged, in order
}

func (s *sender) emitter() wire.UID { return wire.UID{1, 9, 0, 0, 0, s.n, 0x40, 1, 0x80} }
func (s *sender) source() wire.UID  { return wire.UID{1, 9, 0, 0, 0, s.n, 0x80, 1, 0x80} }

// report is report number n, of event n-1.
func (s *sender) report(n uint64) wire.Report {
	now := time.Now().UTC().Truncate(time.Millisecond)
	source := wire.Source{ID: s.source(), Observations: 1}
	source.Rolls[wire.Seen] = roaring.BitmapOf(uint32(n - 1))
	return wire.Report{
		Stream: loadStream, Hop: "app", Emitter: s.emitter(), Number: n, SentAt: now, State: wire.Running, Heartbeat: 1,
		Windows: []wire.Window{{Start: now.Truncate(windowLength), Seconds: seconds(windowLength), Sources: []wire.Source{source}}},
	}
}

// run reports until ctx ends, pausing after a failure.
func (s *sender) run(ctx context.Context) {
	for n := uint64(1); ; n++ {
		batch := wire.Batch{Reports: []wire.Report{s.report(n)}}
		for s.send(ctx, batch) != nil {
			if !await(ctx, poll) {
				return
			}
		}
		s.mu.Lock()
		s.taken = append(s.taken, s.source().WithSequence(uint32(n-1)))
		s.mu.Unlock()
		if !await(ctx, reportPace) {
			return
		}
	}
}

func (s *sender) send(ctx context.Context, batch wire.Batch) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 15*time.Second) // what was sent is waited for
	defer cancel()
	return s.transport.Send(ctx, batch)
}

func (s *sender) acknowledged() []wire.UID {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.taken
}

// load is senders over HTTP and through Kafka.
type load struct {
	overHTTP, overKafka []*sender
	stop                context.CancelFunc
	all                 sync.WaitGroup
}

func startLoad(t *testing.T, server string, brokers []string, each int) *load {
	t.Helper()
	client, err := kgo.NewClient(clientOptions(brokers)...)
	fatal(t, err)
	t.Cleanup(client.Close)
	kafka, err := kgoaudit.NewReporter(client, "")
	fatal(t, err)
	http, err := audit.NewHTTPTransport(audit.HTTPConfig{URL: server})
	fatal(t, err)
	l := &load{}
	var ctx context.Context
	ctx, l.stop = context.WithCancel(context.Background())
	t.Cleanup(l.end)
	for n := range each {
		l.overHTTP = append(l.overHTTP, &sender{transport: http, n: byte(2 * n)})
		l.overKafka = append(l.overKafka, &sender{transport: kafka, n: byte(2*n + 1)})
	}
	for _, s := range append(append([]*sender{}, l.overHTTP...), l.overKafka...) {
		l.all.Go(func() { s.run(ctx) })
	}
	return l
}

func (l *load) end() {
	l.stop()
	l.all.Wait()
}

func count(senders []*sender) int {
	n := 0
	for _, s := range senders {
		n += len(s.acknowledged())
	}
	return n
}

// holds says which of what was acknowledged to the senders the server does not know.
func holds(ctx context.Context, a *asker, senders []*sender) error {
	known, err := pending(ctx, a)
	if err != nil {
		return err
	}
	var missing []error
	for _, s := range senders {
		for _, uid := range s.acknowledged() {
			if !known[uid.String()] && len(missing) < 5 {
				missing = append(missing, fmt.Errorf("%s of sender %d was acknowledged and is not stored", uid, s.n))
			}
		}
	}
	return errors.Join(missing...)
}

// pending returns every event of the load that the server knows.
func pending(ctx context.Context, a *asker) (map[string]bool, error) {
	rows, err := a.windows(ctx, loadStream)
	if err != nil {
		return nil, err
	}
	known := map[string]bool{}
	for _, w := range rows {
		path := "/api/v1/streams/" + loadStream + "/windows/" + w.Start.UTC().Format(time.RFC3339) + "/uids"
		names, err := list[struct{ UID string }](ctx, a, path, url.Values{"edge": {w.Edge}, "kind": {"pending"}})
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			known[name.UID] = true
		}
	}
	return known, nil
}
