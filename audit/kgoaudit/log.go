package kgoaudit

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// The log is asked where the client does not say: what became of a transaction, and
// whether anything is left to read before an offset.

// place is where a record is.
type place struct {
	partition
	offset int64
}

// slice is a look at a partition from an offset on.
type slice struct {
	first  int64 // offset of the first record, -1 when none is there
	next   int64 // offset up to which there is no other record
	stable int64 // last stable offset: from there on transactions are open
}

// askPause is how long to wait between looks at a transaction that is not over.
const askPause = 50 * time.Millisecond

// committed asks the log whether the record at a place, which the broker acknowledged,
// was committed. It waits for the end of the transaction, or of ctx.
func committed(ctx context.Context, cl *kgo.Client, at place) (bool, error) {
	for {
		s, err := look(ctx, cl, at, kgo.ReadCommitted())
		switch {
		case err == nil && s.first == at.offset:
			return true, nil
		case err == nil && (s.first > at.offset || s.next > at.offset):
			return false, nil
		case ctx.Err() != nil:
			return false, fmt.Errorf("what became of offset %d of %s/%d is not known: %w", at.offset, at.topic, at.id, errors.Join(err, ctx.Err()))
		}
		pause := time.NewTimer(askPause)
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
		}
	}
}

// look reads the batch at a place.
func look(ctx context.Context, cl *kgo.Client, at place, level kgo.IsolationLevel) (slice, error) {
	topic, leader, err := leaderOf(ctx, cl, at.partition)
	if err != nil {
		return slice{}, err
	}
	rp := kmsg.NewFetchRequestTopicPartition()
	rp.Partition, rp.FetchOffset, rp.PartitionMaxBytes = at.id, at.offset, 1 // the first batch comes whatever its size
	// The limit of the whole answer is not reached: kfake then leaves out which transactions were aborted.
	topic.Partitions = append(topic.Partitions, rp)
	req := kmsg.NewPtrFetchRequest()
	req.SessionEpoch = -1
	if level == kgo.ReadCommitted() {
		req.IsolationLevel = 1
	}
	req.Topics = append(req.Topics, topic)
	resp, err := cl.Broker(int(leader)).Request(ctx, req)
	if err != nil {
		return slice{}, fmt.Errorf("look at offset %d of %s/%d: %w", at.offset, at.topic, at.id, err)
	}
	return read(resp.(*kmsg.FetchResponse), at, level)
}

func read(resp *kmsg.FetchResponse, at place, level kgo.IsolationLevel) (slice, error) {
	if err := kerr.ErrorForCode(resp.ErrorCode); err != nil {
		return slice{}, fmt.Errorf("look at offset %d of %s/%d: %w", at.offset, at.topic, at.id, err)
	}
	if len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 1 {
		return slice{}, fmt.Errorf("look at offset %d of %s/%d: the answer is about something else", at.offset, at.topic, at.id)
	}
	opts := kgo.ProcessFetchPartitionOpts{Offset: at.offset, IsolationLevel: level, Topic: at.topic, Partition: at.id}
	got, next := kgo.ProcessFetchPartition(opts, &resp.Topics[0].Partitions[0], kgo.DefaultDecompressor(), nil)
	if got.Err != nil {
		return slice{}, fmt.Errorf("look at offset %d of %s/%d: %w", at.offset, at.topic, at.id, got.Err)
	}
	s := slice{first: -1, next: next, stable: got.LastStableOffset}
	if len(got.Records) > 0 {
		s.first, s.next = got.Records[0].Offset, got.Records[0].Offset
	}
	return s, nil
}

// leaderOf returns what a request about a partition begins with, and whom to ask.
func leaderOf(ctx context.Context, cl *kgo.Client, p partition) (topic kmsg.FetchRequestTopic, leader int32, err error) {
	topics, err := describe(ctx, cl, p.topic)
	if err != nil {
		return topic, 0, err
	}
	for _, t := range topics {
		topic = kmsg.NewFetchRequestTopic()
		topic.Topic, topic.TopicID = p.topic, t.TopicID
		for _, q := range t.Partitions {
			if q.Partition == p.id && q.Leader >= 0 {
				return topic, q.Leader, nil
			}
		}
	}
	return topic, 0, fmt.Errorf("partition %s/%d has no leader", p.topic, p.id)
}

// describe asks a broker about topics. It does not take what the client remembers,
// which is up to five seconds old.
func describe(ctx context.Context, cl *kgo.Client, topics ...string) ([]kmsg.MetadataResponseTopic, error) {
	req := kmsg.NewPtrMetadataRequest()
	for _, topic := range topics {
		t := kmsg.NewMetadataRequestTopic()
		t.Topic = kmsg.StringPtr(topic)
		req.Topics = append(req.Topics, t)
	}
	resp, err := req.RequestWith(ctx, cl)
	if err != nil {
		return nil, fmt.Errorf("ask for the partitions of %v: %w", topics, err)
	}
	for _, t := range resp.Topics {
		if err := kerr.ErrorForCode(t.ErrorCode); err != nil {
			return nil, fmt.Errorf("ask for the partitions of %v: %w", topics, err)
		}
	}
	return resp.Topics, nil
}
