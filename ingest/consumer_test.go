package ingest

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/rollcallhq/rollcall/internal/apachekafka"
	"github.com/rollcallhq/rollcall/internal/testenv"
)

func TestReportsFromKafkaAreStoredAndTheirOffsetsCommitted(t *testing.T) {
	eachBroker(t, 3, reportsFromKafkaAreStoredAndTheirOffsetsCommitted)
}

func reportsFromKafkaAreStoredAndTheirOffsetsCommitted(t *testing.T, brokers []string) {
	producer, m := client(t, brokers), newMemory()
	for i := range 9 {
		r := record(t, "orders", uint64(i+1))
		r.Partition = int32(i % 3)
		produce(t, producer, r)
	}
	text := &kgo.Record{
		Key: []byte("orders"), Value: jsonOf(t, reportOf("orders", 10, "")),
		Headers: []kgo.RecordHeader{{Key: "content-type", Value: []byte("application/json")}},
	}
	produce(t, producer, text)
	in := started(t, m, Config{})
	c := consumer(t, in, brokers)
	until(t, m, "all offsets are committed", func() bool { return committed(t, brokers) == 10 })
	if d := cmp.Diff(numbers(10), m.stored()); d != "" {
		t.Error(d)
	}
	lag, err := c.Lag(context.Background())
	if err != nil || lag != 0 {
		t.Errorf("lag %d, %v", lag, err)
	}
	if counted(t, in.metrics.accepted, viaKafka) != 10 {
		t.Error("not counted")
	}
}

func TestOffsetsAreCommittedOnlyAfterTheInsertAndACrashBetweenLosesNothing(t *testing.T) {
	eachBroker(t, 1, offsetsAreCommittedOnlyAfterTheInsertAndACrashBetweenLosesNothing)
}

func offsetsAreCommittedOnlyAfterTheInsertAndACrashBetweenLosesNothing(t *testing.T, brokers []string) {
	producer, hanging := client(t, brokers), newMemory()
	hanging.gate = make(chan struct{}) // the insert never returns
	for n := range 5 {
		produce(t, producer, record(t, "orders", uint64(n+1)))
	}
	first := newIntake(t, hanging, Config{CommitTimeout: time.Hour})
	first.Start()
	c := consumer(t, first, brokers)
	until(t, hanging, "an insert is under way", func() bool {
		hanging.mu.Lock()
		defer hanging.mu.Unlock()
		return hanging.hung > 0
	})
	if n := committed(t, brokers); n != 0 {
		t.Fatalf("offset %d is committed although nothing is stored", n)
	}
	kill(c)
	first.abort()
	if n := committed(t, brokers); n != 0 {
		t.Fatalf("offset %d is committed by the crash", n)
	}
	m := newMemory()
	consumer(t, started(t, m, Config{}), brokers)
	until(t, m, "all offsets are committed", func() bool { return committed(t, brokers) == 5 })
	if d := cmp.Diff(numbers(5), m.stored()); d != "" {
		t.Error(d)
	}
}

func TestACrashAfterTheInsertAndBeforeTheCommitStoresTheSameAgain(t *testing.T) {
	cluster, brokers := broker(t, 1)
	producer, m := client(t, brokers), newMemory()
	produce(t, producer, record(t, "orders", 1), &kgo.Record{Key: []byte("x"), Value: []byte("nonsense")})
	var lost atomic.Bool
	lost.Store(true)
	type seen struct{ stored, aside int }
	commits := make(chan seen, 100)
	cluster.ControlKey(int16(kmsg.OffsetCommit), func(kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		if !lost.Load() {
			return nil, nil, false
		}
		commits <- seen{len(m.stored()), len(m.quarantined())}
		return nil, errors.New("the commit was lost"), true
	})
	c := consumer(t, started(t, m, Config{}), brokers)
	if s := <-commits; s.stored != 1 || s.aside != 1 {
		t.Errorf("a commit was sent with %+v; want all stored or put aside before", s)
	}
	kill(c)
	lost.Store(false)
	consumer(t, started(t, m, Config{}), brokers)
	until(t, m, "all offsets are committed", func() bool { return committed(t, brokers) == 2 })
	if d := cmp.Diff([]uint64{1}, m.stored()); d != "" {
		t.Error(d)
	}
	aside := m.quarantined()
	if len(aside) != 2 || aside[0].ID != aside[1].ID || !aside[0].At.Equal(aside[1].At) {
		t.Errorf("a record read twice must be one entry of the quarantine: %+v", aside)
	}
}

func TestARecordThatCannotBeTakenGoesToQuarantineAndThePartitionGoesOn(t *testing.T) {
	eachBroker(t, 1, aRecordThatCannotBeTakenGoesToQuarantineAndThePartitionGoesOn)
}

func aRecordThatCannotBeTakenGoesToQuarantineAndThePartitionGoesOn(t *testing.T, brokers []string) {
	producer, m := client(t, brokers), newMemory()
	m.refuses = "poison"
	of := func(key string, body []byte, contentType string) *kgo.Record {
		r := &kgo.Record{Key: []byte(key), Value: body}
		if contentType != "" {
			r.Headers = []kgo.RecordHeader{{Key: "content-type", Value: []byte(contentType)}}
		}
		return r
	}
	odd := reportOf("orders", 9, "")
	odd.Windows[0].Seconds = 10
	cases := []struct {
		record *kgo.Record
		reason string
		label  string
	}{
		{of("orders", []byte("\xff\xffnonsense"), ""), "", reasonUnreadable},
		{of("orders", nil, ""), "", reasonUnreadable},
		{of("orders", []byte(`{"reports":[{"strem":"x"}]}`), "application/json"), "reports[0].strem", reasonUnreadable},
		{of("orders", bodyOf(t, reportOf("orders", 1, "")), "text/xml"), `content-type "text/xml"`, reasonMediaType},
		{of("clicks", bodyOf(t, reportOf("orders", 1, "")), ""), "one stream's reports", reasonMixed},
		{of("orders", bodyOf(t, reportOf("orders", 1, ""), reportOf("clicks", 1, "")), ""), "reports[1].stream", reasonMixed},
		{of("orders", bodyOf(t, odd), ""), "which is 60", reasonLength},
		{of("orders", bodyOf(t, reportOf("orders", 1, "a"), reportOf("orders", 1, "b")), ""), "different content", reasonConflict},
		{of("orders", bytes.Repeat([]byte{0}, 5<<20), ""), "at most 4194304", reasonTooLarge},
		{of("poison", bodyOf(t, reportOf("poison", 1, "")), ""), "code 6", reasonStoreRefuse},
	}
	big := client(t, brokers, kgo.ProducerBatchMaxBytes(8<<20), kgo.ProducerBatchCompression(kgo.NoCompression()))
	for i, c := range cases {
		produce(t, big, c.record)
		produce(t, producer, record(t, "orders", uint64(100+i)))
	}
	in := started(t, m, Config{Linger: time.Nanosecond})
	consumer(t, in, brokers)
	until(t, m, "all offsets are committed", func() bool { return committed(t, brokers) == int64(2*len(cases)) })
	if got := len(m.stored()); got != len(cases) {
		t.Errorf("%d good records stored of %d", got, len(cases))
	}
	byOffset := map[int64]int{}
	for i, q := range m.quarantined() {
		byOffset[q.Offset] = i
	}
	for i, c := range cases {
		at, there := byOffset[int64(2*i)]
		if !there {
			t.Errorf("the record of %q is not in quarantine", c.reason)
			continue
		}
		q := m.quarantined()[at]
		if q.Topic != Topic || !bytes.Equal(q.Body, c.record.Value) || !strings.Contains(q.Reason, c.reason) || q.Reason == "" {
			t.Errorf("quarantine holds %q, %d bytes; want reason %q", q.Reason, len(q.Body), c.reason)
		}
		if counted(t, in.metrics.quarantined, "reports", c.label) == 0 {
			t.Errorf("not counted as %s", c.label)
		}
	}
	if in.Quarantined() != uint64(len(cases)) {
		t.Errorf("%d counted", in.Quarantined())
	}
}

func TestWhileTheStoreIsAwayRecordsWaitAndAreNotLost(t *testing.T) {
	eachBroker(t, 2, whileTheStoreIsAwayRecordsWaitAndAreNotLost)
}

func whileTheStoreIsAwayRecordsWaitAndAreNotLost(t *testing.T, brokers []string) {
	producer, m := client(t, brokers), newMemory()
	m.away = true
	in := started(t, m, Config{Linger: time.Nanosecond})
	consumer(t, in, brokers)
	produce(t, producer, record(t, "orders", 1), record(t, "orders", 2), &kgo.Record{Key: []byte("x"), Value: []byte("nonsense")})
	until(t, m, "it was tried a few times", func() bool { return value(t, in.metrics.retries) >= 3 })
	if n := committed(t, brokers); n != 0 || len(m.stored()) != 0 {
		t.Fatalf("offset %d is committed, %v stored", n, m.stored())
	}
	m.set(func(m *memory) { m.away = false })
	until(t, m, "all offsets are committed", func() bool { return committed(t, brokers) == 3 })
	if len(m.stored()) != 2 || len(m.quarantined()) != 1 {
		t.Errorf("%v stored, %v aside", m.stored(), m.quarantined())
	}
}

func TestABatchThatUnpacksToTooMuchIsSkippedAndCounted(t *testing.T) {
	eachBroker(t, 1, aBatchThatUnpacksToTooMuchIsSkippedAndCounted)
}

func aBatchThatUnpacksToTooMuchIsSkippedAndCounted(t *testing.T, brokers []string) {
	m := newMemory()
	big := client(t, brokers, kgo.ProducerBatchMaxBytes(4<<20), kgo.ProducerBatchCompression(kgo.ZstdCompression()))
	produce(t, big, record(t, "orders", 1))
	produce(t, big, &kgo.Record{Key: []byte("orders"), Value: make([]byte, 3<<20)})
	produce(t, big, record(t, "orders", 2))
	in := started(t, m, Config{})
	consumer(t, in, brokers, func(c *ConsumerConfig) { c.BatchBytes = 1 << 20 })
	until(t, m, "the record after the bomb is committed", func() bool { return committed(t, brokers) == 3 })
	if d := cmp.Diff([]uint64{1, 2}, m.stored()); d != "" {
		t.Error(d)
	}
	aside := m.quarantined()
	if len(aside) != 1 || aside[0].Offset != 1 || !strings.Contains(aside[0].Reason, "1048576") || counted(t, in.metrics.quarantined, "reports", reasonDecompress) != 1 {
		t.Errorf("%+v", aside)
	}
}

func TestReportsOfAnAbortedTransactionDoNotCount(t *testing.T) {
	eachBroker(t, 1, reportsOfAnAbortedTransactionDoNotCount)
}

func reportsOfAnAbortedTransactionDoNotCount(t *testing.T, brokers []string) {
	m := newMemory()
	hop := client(t, brokers, kgo.TransactionalID("hop"))
	ctx, cancel := context.WithTimeout(context.Background(), testLimit)
	defer cancel()
	for n, end := range []kgo.TransactionEndTry{kgo.TryAbort, kgo.TryCommit} {
		if err := hop.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		produce(t, hop, record(t, "orders", uint64(n+1)))
		if err := hop.EndTransaction(ctx, end); err != nil {
			t.Fatal(err)
		}
	}
	c := consumer(t, started(t, m, Config{}), brokers)
	until(t, m, "the committed report is stored", func() bool { return len(m.stored()) > 0 })
	if d := cmp.Diff([]uint64{2}, m.stored()); d != "" {
		t.Error(d)
	}
	until(t, m, "nothing is left to be read", func() bool { // the markers of the transactions have offsets too
		lag, err := c.Lag(t.Context())
		return err == nil && lag == 0
	})
}

func TestStopStoresAndCommitsWhatWasPolled(t *testing.T) {
	eachBroker(t, 1, stopStoresAndCommitsWhatWasPolled)
}

func stopStoresAndCommitsWhatWasPolled(t *testing.T, brokers []string) {
	producer, m := client(t, brokers), newMemory()
	gate := make(chan struct{})
	m.gate = gate
	in := started(t, m, Config{Linger: time.Nanosecond})
	c := consumer(t, in, brokers)
	produce(t, producer, record(t, "orders", 1))
	until(t, m, "an insert is under way", func() bool {
		m.mu.Lock()
		defer m.mu.Unlock()
		return m.hung > 0
	})
	stopped := make(chan struct{})
	go func() { stop(t, c); close(stopped) }()
	close(gate)
	<-stopped
	if n := committed(t, brokers); n != 1 || len(m.stored()) != 1 {
		t.Errorf("offset %d, %v stored", n, m.stored())
	}
}

func TestTwoConsumersShareTheTopicWithoutLoss(t *testing.T) {
	eachBroker(t, 4, twoConsumersShareTheTopicWithoutLoss)
}

func twoConsumersShareTheTopicWithoutLoss(t *testing.T, brokers []string) {
	producer, m := client(t, brokers), newMemory()
	in := started(t, m, Config{})
	send := func(from, to int) {
		for n := from; n <= to; n++ {
			r := record(t, "orders", uint64(n))
			r.Partition = int32(n % 4)
			produce(t, producer, r)
		}
	}
	first := consumer(t, in, brokers)
	send(1, 20)
	consumer(t, in, brokers)
	send(21, 40)
	stop(t, first)
	send(41, 60)
	until(t, m, "all offsets are committed", func() bool { return committed(t, brokers) == 60 })
	if d := cmp.Diff(numbers(60), m.stored()); d != "" {
		t.Error(d)
	}
}

func TestTheTopicIsMadeOnceAndThenLeftAsItIs(t *testing.T) {
	eachBroker(t, 3, theTopicIsMadeOnceAndThenLeftAsItIs)
}

func theTopicIsMadeOnceAndThenLeftAsItIs(t *testing.T, brokers []string) {
	ensure(t, brokers, TopicConfig{Partitions: 9, Replication: 1})
	ctx, cancel := context.WithTimeout(context.Background(), testLimit)
	defer cancel()
	admin := kadm.NewClient(client(t, brokers))
	topics, err := admin.ListTopics(ctx, Topic)
	if err != nil || len(topics[Topic].Partitions) != 3 {
		t.Errorf("%d partitions, %v", len(topics[Topic].Partitions), err)
	}
	configs, err := admin.DescribeTopicConfigs(ctx, Topic)
	if err != nil {
		t.Fatal(err)
	}
	one, err := configs.On(Topic, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range one.Configs {
		if c.Key == "retention.ms" && c.MaybeValue() != "-1" {
			t.Errorf("retention.ms is %s", c.MaybeValue())
		}
	}
}

func TestLagSaysWhenKafkaCannotBeAsked(t *testing.T) {
	cluster, brokers := broker(t, 1)
	in := started(t, newMemory(), Config{})
	idle, err := NewConsumer(in, ConsumerConfig{Brokers: brokers})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := idle.Lag(context.Background()); err == nil {
		t.Error("no error from a consumer that does not run")
	}
	produce(t, client(t, brokers), record(t, "orders", 1), record(t, "orders", 2))
	idle.client = client(t, brokers)
	if lag, err := idle.Lag(context.Background()); err != nil || lag != 2 {
		t.Errorf("lag %d, %v; want all records where the group is not known yet", lag, err)
	}
	c := consumer(t, in, brokers)
	cluster.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer cancel()
	if _, err := c.Lag(ctx); err == nil {
		t.Error("no error although the broker is gone")
	}
}

func TestAKafkaThatIsKilledAndComesBackLosesNoReport(t *testing.T) {
	if testing.Short() {
		t.Skip("a real Apache Kafka is not for -short")
	}
	kafka := testenv.OwnApacheKafka(t, apachekafka.Config{})
	ensure(t, kafka.Brokers(), TopicConfig{Partitions: 1, Replication: 1})
	producer, m := client(t, kafka.Brokers()), newMemory()
	consumer(t, started(t, m, Config{}), kafka.Brokers())
	produce(t, producer, record(t, "orders", 1), record(t, "orders", 2))
	until(t, m, "the first reports are stored", func() bool { return len(m.stored()) == 2 })
	if err := kafka.Kill(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), testLimit)
	defer cancel()
	if err := kafka.Restart(ctx); err != nil {
		t.Fatal(err)
	}
	produce(t, producer, record(t, "orders", 3))
	until(t, m, "all offsets are committed", func() bool { return committed(t, kafka.Brokers()) == 3 })
	if d := cmp.Diff(numbers(3), m.stored()); d != "" {
		t.Error(d)
	}
}
