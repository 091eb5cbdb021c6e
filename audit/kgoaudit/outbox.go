package kgoaudit

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/rollcallhq/rollcall/audit"
	"github.com/rollcallhq/rollcall/audit/wire"
)

// What fits into a Kafka record with the limits that brokers come with, 1 MiB.
const (
	recordBytes = 768 << 10
	recordRoll  = 512 << 10
)

// outbox puts a hop's reports into the transactions of a client.
type outbox struct {
	hop   *audit.Hop
	topic string
	made  *audit.Checkpoint // in the transaction under way
	at    *place            // of a report in it
}

// newOutbox readies a hop's configuration for reports inside transactions; it returns
// nil where they go another way.
func newOutbox(inside bool, topic string, cfg *audit.HopConfig) (*outbox, error) {
	if !inside {
		return nil, nil
	}
	if cfg.Transport != nil {
		return nil, errors.New("kgoaudit: reports go either inside the transactions or by Hop.Transport, and both are configured")
	}
	cfg.Durable = true
	if cfg.Limits.Bytes == 0 {
		cfg.Limits.Bytes = recordBytes
	}
	if cfg.Limits.Roll == 0 {
		cfg.Limits.Roll = recordRoll
	}
	if topic == "" {
		topic = ReportsTopic
	}
	return &outbox{topic: topic}, nil
}

func (o *outbox) of(hop *audit.Hop) *outbox {
	if o != nil {
		o.hop = hop
	}
	return o
}

// put makes reports of all that was observed and produces them in the open transaction.
func (o *outbox) put(ctx context.Context, cl *kgo.Client) (err error) {
	if o.made, err = o.hop.Checkpoint(); err != nil {
		return err
	}
	var records []*kgo.Record
	for _, batch := range o.made.Reports() {
		value, err := wire.EncodeProto(batch)
		if err != nil {
			return fmt.Errorf("encode a report: %w", err)
		}
		records = append(records, &kgo.Record{Topic: o.topic, Key: []byte(batch.Reports[0].Stream), Value: value})
	}
	for _, r := range cl.ProduceSync(ctx, records...) {
		if r.Err != nil {
			return fmt.Errorf("produce a report to %s: %w", o.topic, r.Err)
		}
		o.at = &place{partition{r.Record.Topic, r.Record.Partition}, r.Record.Offset}
	}
	return nil
}

// settle says what came of the transaction.
func (o *outbox) settle(committed bool) (err error) {
	switch {
	case o.made == nil:
	case committed:
		err = o.made.Accepted()
	default:
		o.made.Refused()
	}
	o.made, o.at = nil, nil
	return err
}

// close says CLOSED, in a transaction of its own.
func (o *outbox) close(ctx context.Context, cl *kgo.Client, p Participant) error {
	o.hop.Finish()
	if err := cl.BeginTransaction(); err != nil {
		return fmt.Errorf("begin the transaction of the last report: %w", err)
	}
	done, err := EndTransaction(ctx, cl, kgo.TryCommit, p)
	if err == nil && !done {
		err = errors.New("the transaction of the last report was aborted")
	}
	return err
}
