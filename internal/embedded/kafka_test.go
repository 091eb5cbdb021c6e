package embedded_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/rollcallhq/rollcall/internal/embedded"
)

func TestKafkaKeepsAcknowledgedRecordsThroughSIGKILL(t *testing.T) {
	dir := t.TempDir()
	first := startKafka(t, dir)
	createTopic(t, first, "kept")
	want := produce(t, first, "kept", 500)
	killed(t, first.PID(), first.Done())

	second := startKafka(t, dir)
	if first.Addr() != second.Addr() {
		t.Errorf("restarted on %s, was on %s", second.Addr(), first.Addr())
	}
	if diff := cmp.Diff(want, consume(t, second, "kept", len(want))); diff != "" {
		t.Errorf("records after the restart (-want +got):\n%s", diff)
	}
}

func TestKafkaStopsInOrderAndKeepsItsGroups(t *testing.T) {
	dir := t.TempDir()
	first := startKafka(t, dir)
	createTopic(t, first, "kept")
	produce(t, first, "kept", 10)
	offsets := kadm.Offsets{}
	offsets.AddOffset("kept", 0, 7, -1)
	fatal(t, admin(t, first).CommitAllOffsets(deadline(t), "readers", offsets))
	fatal(t, first.Stop(deadline(t)))

	second := startKafka(t, dir)
	found, err := admin(t, second).FetchOffsets(deadline(t), "readers")
	fatal(t, err)
	if at, ok := found.Lookup("kept", 0); !ok || at.At != 7 {
		t.Errorf("committed offset after the restart = %+v, want 7", at.Offset)
	}
}

func TestASecondKafkaInTheDirectoryIsRefused(t *testing.T) {
	dir := t.TempDir()
	startKafka(t, dir)
	_, err := embedded.StartKafka(deadline(t), embedded.KafkaConfig{Dir: dir})
	if !errors.Is(err, embedded.ErrInUse) {
		t.Errorf("err = %v, want ErrInUse", err)
	}
}

func TestKafkaOutlivesWhatIsNoKafkaRequest(t *testing.T) {
	dir := t.TempDir()
	k := startKafka(t, dir)
	createTopic(t, k, "alive")
	for name, sent := range map[string][]byte{
		"unknown key":      frame(14, 0x7abc, 0),
		"negative key":     frame(14, -1, 0),
		"unknown version":  frame(14, 3, 999),
		"negative version": frame(14, 3, -1),
		"huge frame":       {0x7f, 0xff, 0xff, 0xff, 0, 3, 0, 0, 0, 0, 0, 0},
		"empty frame":      {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0},
		"web request":      []byte("GET / HTTP/1.1\r\nHost: kafka\r\n\r\n"),
		"known, no body":   frame(8, 3, 12),
		"known, bad body":  append(frame(108, 0, 9), bytes.Repeat([]byte{0xff}, 100)...),
	} {
		t.Run(name, func(t *testing.T) { sendAndHangUp(t, k.Addr(), sent) })
	}
	if got := len(produce(t, k, "alive", 3)); got != 3 {
		t.Errorf("%d records accepted afterwards, want 3", got)
	}
	if err := k.Err(); err != nil {
		t.Error(err)
	}
	log, err := os.ReadFile(filepath.Join(dir, "kafka.stderr.log"))
	fatal(t, err)
	if !bytes.Contains(log, []byte("total=7")) {
		t.Errorf("the log does not count the 7 connections dropped for their frames:\n%s", log)
	}
}

func TestKafkaBoundsAPartitionButNeverEmptiesIt(t *testing.T) {
	k, err := embedded.StartKafka(deadline(t), embedded.KafkaConfig{Dir: t.TempDir(), RetentionBytes: 1 << 20, Unsynced: true})
	fatal(t, err)
	t.Cleanup(func() { check(t, k.Stop(stopTime(t))) })
	createTopic(t, k, "bounded")
	client := client(t, k, kgo.ProducerBatchCompression(kgo.NoCompression()))
	value := make([]byte, 500_000)
	for range 80 {
		fatal(t, client.ProduceSync(deadline(t), &kgo.Record{Topic: "bounded", Value: value}).FirstErr())
	}
	admin := admin(t, k)
	eventually(t, "old records are let go of", func() bool {
		starts, err := admin.ListStartOffsets(deadline(t), "bounded")
		fatal(t, err)
		at, _ := starts.Lookup("bounded", 0)
		return at.Offset > 0
	})
	ends, err := admin.ListEndOffsets(deadline(t), "bounded")
	fatal(t, err)
	if at, _ := ends.Lookup("bounded", 0); at.Offset != 80 {
		t.Errorf("end offset %d, want 80", at.Offset)
	}
}

func frame(size uint32, key, version int16) []byte {
	b := binary.BigEndian.AppendUint32(nil, size)
	b = binary.BigEndian.AppendUint16(b, uint16(key))
	b = binary.BigEndian.AppendUint16(b, uint16(version))
	return binary.BigEndian.AppendUint32(b, 1)
}

// sendAndHangUp writes bytes and waits until the broker has closed the connection or the bytes have been read.
func sendAndHangUp(t *testing.T, addr string, sent []byte) {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	fatal(t, err)
	defer conn.Close()
	fatal(t, conn.SetDeadline(time.Now().Add(30*time.Second)))
	_, err = conn.Write(sent)
	fatal(t, err)
	_ = conn.(*net.TCPConn).CloseWrite() // refused when the broker has hung up already
	if _, err := io.Copy(io.Discard, conn); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("the connection was left open")
	}
}

func client(t *testing.T, k *embedded.Kafka, options ...kgo.Opt) *kgo.Client {
	t.Helper()
	c, err := kgo.NewClient(append(options, kgo.SeedBrokers(k.Brokers()...))...)
	fatal(t, err)
	t.Cleanup(c.Close)
	return c
}

func admin(t *testing.T, k *embedded.Kafka) *kadm.Client { return kadm.NewClient(client(t, k)) }

func createTopic(t *testing.T, k *embedded.Kafka, topic string) {
	t.Helper()
	made, err := admin(t, k).CreateTopic(deadline(t), 1, 1, nil, topic)
	fatal(t, err)
	fatal(t, made.Err)
}

// produce writes n records, waits for their acknowledgement, and returns their values.
func produce(t *testing.T, k *embedded.Kafka, topic string, n int) []string {
	t.Helper()
	var records []*kgo.Record
	var values []string
	for i := range n {
		values = append(values, fmt.Sprintf("record %d", i))
		records = append(records, &kgo.Record{Topic: topic, Value: []byte(values[i])})
	}
	fatal(t, client(t, k).ProduceSync(deadline(t), records...).FirstErr())
	return values
}

func consume(t *testing.T, k *embedded.Kafka, topic string, n int) []string {
	t.Helper()
	c := client(t, k, kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	var values []string
	for len(values) < n {
		fetches := c.PollFetches(deadline(t))
		fatal(t, fetches.Err())
		fetches.EachRecord(func(r *kgo.Record) { values = append(values, string(r.Value)) })
	}
	return values
}

func BenchmarkKafkaProduce(b *testing.B) {
	for name, unsynced := range map[string]bool{"synced": false, "unsynced": true} {
		b.Run(name, func(b *testing.B) {
			k, err := embedded.StartKafka(b.Context(), embedded.KafkaConfig{Dir: b.TempDir(), Unsynced: unsynced})
			if err != nil {
				b.Fatal(err)
			}
			defer func() { _ = k.Stop(b.Context()) }()
			benchmarkProduce(b, k)
		})
	}
}

// benchmarkProduce measures one acknowledged record of 100 bytes over eight partitions.
func benchmarkProduce(b *testing.B, k *embedded.Kafka) {
	c, err := kgo.NewClient(kgo.SeedBrokers(k.Brokers()...), kgo.ProducerLinger(5*time.Millisecond))
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	if _, err := kadm.NewClient(c).CreateTopic(b.Context(), 8, 1, nil, "bench"); err != nil {
		b.Fatal(err)
	}
	value := make([]byte, 100)
	for b.Loop() {
		c.Produce(b.Context(), &kgo.Record{Topic: "bench", Value: value}, func(_ *kgo.Record, err error) {
			if err != nil {
				b.Error(err)
			}
		})
	}
	if err := c.Flush(b.Context()); err != nil {
		b.Fatal(err)
	}
}
