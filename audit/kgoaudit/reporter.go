package kgoaudit

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/rollcallhq/rollcall/audit"
	"github.com/rollcallhq/rollcall/audit/wire"
)

// The topics that the server reads.
const (
	ReportsTopic = "rollcall.reports" // reports
	SamplesTopic = "rollcall.samples" // samples of events that broke their schema
)

// Reporter is an audit.Transport that produces each report to a topic, keyed by its
// stream, and counts it as accepted when all in-sync replicas have it. It may share
// the client with the application; its own records are never audited, because no
// Producer follows its topic.
type Reporter struct {
	client *kgo.Client
	topic  string
}

// NewReporter returns a reporter to the topic, ReportsTopic when empty. It returns an
// error when the client does not wait for acks=all, and when it is transactional: a
// report is accepted when it was produced, and there it could still be aborted; what
// sends reports inside transactions is ProducerConfig.InTransaction and
// ConsumerConfig.InTransaction. The client stays the caller's.
func NewReporter(client *kgo.Client, topic string) (*Reporter, error) {
	if id, ok := client.OptValue(kgo.TransactionalID).(string); ok && id != "" {
		return nil, fmt.Errorf("kgoaudit reporter: the client is transactional (%s): use another, or have the reports sent InTransaction", id)
	}
	if acks, ok := client.OptValue(kgo.RequiredAcks).(kgo.Acks); ok && acks != kgo.AllISRAcks() {
		return nil, errors.New("kgoaudit reporter: the client must produce with acks=all, or an accepted report may be lost")
	}
	if topic == "" {
		topic = ReportsTopic
	}
	return &Reporter{client: client, topic: topic}, nil
}

var _ audit.Transport = (*Reporter)(nil)

// Send implements audit.Transport.
func (r *Reporter) Send(ctx context.Context, batch wire.Batch) error {
	if len(batch.Reports) == 0 {
		return nil
	}
	value, err := wire.EncodeProto(batch)
	if err != nil {
		return &audit.SendError{Permanent: true, Err: fmt.Errorf("encode the report: %w", err)}
	}
	rec := &kgo.Record{Topic: r.topic, Key: []byte(batch.Reports[0].Stream), Value: value}
	if err := r.client.ProduceSync(ctx, rec).FirstErr(); err != nil {
		return &audit.SendError{Permanent: refused(err), Err: fmt.Errorf("produce to %s: %w", r.topic, err)}
	}
	return nil
}

// SendSamples produces samples to SamplesTopic, as JSON, a record for each stream and keyed by
// it. It returns an error when one of them was not produced.
func (r *Reporter) SendSamples(ctx context.Context, samples []wire.Sample) error {
	of := make(map[string][]wire.Sample)
	for _, s := range samples {
		of[s.Stream] = append(of[s.Stream], s)
	}
	var records []*kgo.Record
	for stream, some := range of {
		value, err := wire.EncodeSamples(wire.SampleBatch{Samples: some})
		if err != nil {
			return err
		}
		records = append(records, &kgo.Record{
			Topic: SamplesTopic, Key: []byte(stream), Value: value,
			Headers: []kgo.RecordHeader{{Key: "content-type", Value: []byte("application/json")}},
		})
	}
	if err := r.client.ProduceSync(ctx, records...).FirstErr(); err != nil {
		return fmt.Errorf("produce to %s: %w", SamplesTopic, err)
	}
	return nil
}

// refused reports whether the broker surely did not take the record.
func refused(err error) bool {
	return errors.Is(err, kerr.MessageTooLarge) || errors.Is(err, kerr.RecordListTooLarge) ||
		errors.Is(err, kerr.TopicAuthorizationFailed) || errors.Is(err, kerr.InvalidTopicException)
}
