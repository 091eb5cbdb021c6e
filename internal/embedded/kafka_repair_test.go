package embedded_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/rollcallhq/rollcall/internal/embedded"
)

// A broker that is killed forgets which transactions were open. Had it not written down that they are aborted, readers of what is
// committed would skip all that the same producer commits after them, and after a second kill would be given what was never
// committed.
func TestKafkaKilledInATransactionHidesNothingCommittedAndShowsNothingElse(t *testing.T) {
	dir := t.TempDir()
	k := startKafka(t, dir)
	createTopic(t, k, "orders")
	transact(t, k, "before", kgo.TryCommit)
	open := client(t, k, kgo.TransactionalID("hop"))
	fatal(t, open.BeginTransaction())
	fatal(t, open.ProduceSync(deadline(t), orders("open")...).FirstErr())
	killed(t, k.PID(), k.Done())

	want := append(values("before"), values("after")...)
	k = startKafka(t, dir)
	transact(t, k, "after", kgo.TryCommit)
	if diff := cmp.Diff(want, committed(t, k)); diff != "" {
		t.Errorf("after a kill (-want +got):\n%s", diff)
	}
	killed(t, k.PID(), k.Done())
	k = startKafka(t, dir)
	if diff := cmp.Diff(want, committed(t, k)); diff != "" {
		t.Errorf("after another kill (-want +got):\n%s", diff)
	}
	fatal(t, k.Stop(deadline(t)))
}

// A broker that was told to end keeps its open transactions for their producers to go on with.
func TestKafkaStoppedInATransactionLetsItsProducerCommitIt(t *testing.T) {
	dir := t.TempDir()
	k := startKafka(t, dir)
	createTopic(t, k, "orders")
	open := client(t, k, kgo.TransactionalID("hop"))
	fatal(t, open.BeginTransaction())
	fatal(t, open.ProduceSync(deadline(t), orders("open")...).FirstErr())
	fatal(t, k.Stop(deadline(t)))
	k = startKafka(t, dir)
	fatal(t, open.EndTransaction(deadline(t), kgo.TryCommit))
	if diff := cmp.Diff(values("open"), committed(t, k)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// What the broker kept for an open transaction when it ended in order is of no use to the one that was killed after it.
func TestKafkaStoppedAndThenKilledInATransactionShowsNothingOfIt(t *testing.T) {
	dir := t.TempDir()
	k := startKafka(t, dir)
	createTopic(t, k, "orders")
	open := client(t, k, kgo.TransactionalID("hop"))
	fatal(t, open.BeginTransaction())
	fatal(t, open.ProduceSync(deadline(t), orders("open")...).FirstErr())
	fatal(t, k.Stop(deadline(t)))
	k = startKafka(t, dir)
	killed(t, k.PID(), k.Done())
	k = startKafka(t, dir)
	transact(t, k, "after", kgo.TryCommit)
	if diff := cmp.Diff(values("after"), committed(t, k)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	fatal(t, k.Stop(deadline(t)))
}

func values(name string) []string {
	var all []string
	for n := range 3 {
		all = append(all, fmt.Sprint(name, n))
	}
	return all
}

func orders(name string) []*kgo.Record {
	var all []*kgo.Record
	for _, value := range values(name) {
		all = append(all, &kgo.Record{Topic: "orders", Value: []byte(value)})
	}
	return all
}

func transact(t *testing.T, k *embedded.Kafka, name string, end kgo.TransactionEndTry) {
	t.Helper()
	hop := client(t, k, kgo.TransactionalID("hop"))
	fatal(t, hop.BeginTransaction())
	fatal(t, hop.ProduceSync(deadline(t), orders(name)...).FirstErr())
	fatal(t, hop.EndTransaction(deadline(t), end))
}

// committed reads the topic to its end as a reader of what is committed.
func committed(t *testing.T, k *embedded.Kafka) []string {
	t.Helper()
	ends, err := admin(t, k).ListEndOffsets(deadline(t), "orders")
	fatal(t, err)
	end, _ := ends.Lookup("orders", 0)
	reader := client(t, k, kgo.ConsumeTopics("orders"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords())
	var all []string
	for next := int64(0); next < end.Offset; {
		fetches := reader.PollFetches(deadline(t))
		fatal(t, fetches.Err())
		fetches.EachRecord(func(r *kgo.Record) {
			next = r.Offset + 1
			if !r.Attrs.IsControl() {
				all = append(all, string(r.Value))
			}
		})
	}
	return all
}
