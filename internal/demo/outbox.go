package demo

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// outbox is what the relay before committed last.
type outbox struct {
	checkpoint []byte          // of the audit; nil before the first commit
	offsets    map[int32]int64 // committed position per partition; 0 where there is none
}

const (
	outboxWithin = 30 * time.Second
	outboxPoll   = 100 * time.Millisecond
)

// openOutbox ends the transaction that the relay before may have left open, so that what is committed stays
// as it is, and then reads it.
func openOutbox(ctx context.Context, cfg HopConfig) (outbox, error) {
	ctx, cancel := context.WithTimeout(ctx, outboxWithin)
	defer cancel()
	client, err := kgo.NewClient(cfg.kafkaOptions(
		kgo.TransactionalID(relayTxn), kgo.TransactionTimeout(txnTimeout),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords(),
	)...)
	if err != nil {
		return outbox{}, fmt.Errorf("connect to Kafka: %w", err)
	}
	defer client.Close()
	if _, _, err := client.ProducerID(ctx); err != nil {
		return outbox{}, fmt.Errorf("end the transaction of the relay before: %w", err)
	}
	box := outbox{offsets: map[int32]int64{}}
	if err := box.readOffsets(ctx, kadm.NewClient(client)); err != nil {
		return outbox{}, err
	}
	if err := box.readCheckpoint(ctx, client); err != nil {
		return outbox{}, fmt.Errorf("read the relay's outbox: %w", err)
	}
	return box, nil
}

func (b *outbox) readOffsets(ctx context.Context, admin *kadm.Client) error {
	committed, err := settled(ctx, func() (kadm.OffsetResponses, error) {
		found, err := admin.FetchOffsets(kadm.RequireStable(ctx), relayGroup)
		return found, errors.Join(err, found.Error())
	})
	if errors.Is(err, kerr.GroupIDNotFound) {
		return nil // no relay ever committed
	}
	if err != nil {
		return fmt.Errorf("ask how far the relay before got: %w", err)
	}
	for partition := range int32(partitions) {
		if at, ok := committed.Lookup(topicTaken, partition); ok && at.At > 0 {
			b.offsets[partition] = at.At
		}
	}
	return nil
}

// settled asks again while Kafka answers that it cannot say yet, as one does that makes its topic of offsets just now.
func settled[T any](ctx context.Context, ask func() (T, error)) (T, error) {
	again := time.NewTicker(outboxPoll)
	defer again.Stop()
	for {
		answer, err := ask()
		if !kerr.IsRetriable(err) {
			return answer, err
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			return answer, errors.Join(err, ctx.Err())
		}
	}
}

// readCheckpoint finds the last committed checkpoint: it reads the end of the topic, and more of it while there is
// none in what was read.
func (b *outbox) readCheckpoint(ctx context.Context, client *kgo.Client) error {
	admin := kadm.NewClient(client)
	start, err := only(admin.ListStartOffsets(ctx, topicState))
	if err != nil {
		return err
	}
	end, err := only(admin.ListCommittedOffsets(ctx, topicState))
	if err != nil {
		return err
	}
	for back := int64(16); b.checkpoint == nil; back *= 4 {
		from := max(start, end-back)
		if b.checkpoint, err = lastRecord(ctx, client, from, end); err != nil {
			return err
		}
		if from == start {
			return nil
		}
	}
	return nil
}

// only returns the offset of the one partition that topicState has.
func only(listed kadm.ListedOffsets, err error) (int64, error) {
	if err == nil {
		err = listed.Error()
	}
	at, _ := listed.Lookup(topicState, 0)
	return at.Offset, err
}

// lastRecord returns the last committed record of topicState in [from, to); nil when there is none.
func lastRecord(ctx context.Context, client *kgo.Client, from, to int64) ([]byte, error) {
	client.AddConsumePartitions(map[string]map[int32]kgo.Offset{topicState: {0: kgo.NewOffset().At(from)}})
	defer client.RemoveConsumePartitions(map[string][]int32{topicState: {0}})
	var last []byte
	for next := from; next < to; {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return nil, err
		}
		fetches.EachRecord(func(record *kgo.Record) {
			next = record.Offset + 1
			if !record.Attrs.IsControl() && record.Offset < to {
				last = record.Value
			}
		})
	}
	return last, nil
}
