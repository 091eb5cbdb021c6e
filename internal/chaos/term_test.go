package chaos

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/rollcallhq/rollcall/audit/wire"
	"github.com/rollcallhq/rollcall/ingest"
	"github.com/rollcallhq/rollcall/internal/testenv"
)

// The order is: take nothing more in, store what waits, commit its offsets, close. A server on the same store, but on another Kafka, shows what
// was stored: all that was answered for over HTTP, and all that lies before the offsets committed. Nothing is left for it to be read again but
// what was not committed.
func TestToldToEndUnderLoadTheServerStoresWhatItTookCommitsItAndOnlyThenEnds(t *testing.T) {
	s := startServices(t, "", "")
	begin := func(config serverConfig) *child {
		ctx, cancel := context.WithTimeout(t.Context(), startLimit)
		defer cancel()
		life, err := s.server(config)(ctx)
		fatal(t, err)
		t.Cleanup(func() { _ = syscall.Kill(life.PID(), syscall.SIGKILL) })
		return life.(*child)
	}
	first := begin(s.config)
	fatal(t, s.ask.configure(t.Context(), loadStream, "app..sink"))
	load := startLoad(t, s.ask.base, s.brokers, 6)
	eventually(t, "a load over both ways", func(ctx context.Context) error {
		n, err := s.ask.metric(ctx, "rollcall_ingest_reports_total", `via="kafka"`)
		if n < 100 || count(load.overHTTP) < 60 {
			return fmt.Errorf("%d and %d reports, %w", n, count(load.overHTTP), err)
		}
		return nil
	})
	begun := time.Now()
	fatal(t, syscall.Kill(first.PID(), syscall.SIGTERM))
	<-first.Done()
	took := time.Since(begun)
	if first.err != nil {
		t.Errorf("it did not end well: %v", first.err)
	}
	committed := s.committed(t)
	load.end()

	aside := s.config
	aside.Kafka = testenv.Kafka(t)
	second := begin(aside)
	eventually(t, "what was answered for over HTTP", func(ctx context.Context) error { return holds(ctx, s.ask, load.overHTTP) })
	known, err := pending(t.Context(), s.ask)
	fatal(t, err)
	before := 0
	for _, r := range records(t, s.brokers, ingest.Topic) {
		if r.Offset >= committed[r.Partition] {
			continue
		}
		before++
		if uid := eventOf(t, r); !known[uid.String()] {
			t.Errorf("offset %d of partition %d is committed, and its event %s is not stored", r.Offset, r.Partition, uid)
		}
	}
	t.Logf("ended in %s; %d reports acknowledged over HTTP, %d of %d from Kafka committed", took, count(load.overHTTP), before, count(load.overKafka))
	if before == 0 {
		t.Error("nothing was committed: this proves nothing")
	}
	fatal(t, syscall.Kill(second.PID(), syscall.SIGTERM))
	<-second.Done()
	begin(s.config)
	eventually(t, "the rest, from Kafka", func(ctx context.Context) error { return holds(ctx, s.ask, load.overKafka) })
}

// committed returns the group's offsets, and holds that nobody is in the group any more.
func (s *system) committed(t *testing.T) map[int32]int64 {
	t.Helper()
	client, err := kgo.NewClient(clientOptions(s.brokers)...)
	fatal(t, err)
	defer client.Close()
	admin := kadm.NewClient(client)
	groups, err := admin.DescribeGroups(t.Context(), ingest.Group)
	fatal(t, err)
	if n := len(groups[ingest.Group].Members); n > 0 {
		t.Errorf("%d readers have not left the group", n)
	}
	offsets, err := admin.FetchOffsets(t.Context(), ingest.Group)
	fatal(t, errors.Join(err, offsets.Error()))
	at := map[int32]int64{}
	offsets.Each(func(o kadm.OffsetResponse) { at[o.Partition] = o.At })
	return at
}

// offsets is the sum of the group's offsets.
func (s *system) offsets(t *testing.T) int64 {
	t.Helper()
	client, err := kgo.NewClient(clientOptions(s.brokers)...)
	fatal(t, err)
	defer client.Close()
	found, err := kadm.NewClient(client).FetchOffsets(t.Context(), ingest.Group)
	fatal(t, errors.Join(err, found.Error()))
	sum := int64(0)
	found.Each(func(o kadm.OffsetResponse) { sum += max(o.At, 0) })
	return sum
}

func eventOf(t *testing.T, r *kgo.Record) wire.UID {
	t.Helper()
	batch, err := wire.DecodeProto(r.Value, wire.DefaultLimits())
	fatal(t, err)
	source := batch.Reports[0].Windows[0].Sources[0]
	return source.ID.WithSequence(source.Rolls[wire.Seen].Minimum())
}
