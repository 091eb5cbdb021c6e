package demo

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/rollcallhq/rollcall/audit"
	"github.com/rollcallhq/rollcall/audit/kgoaudit"
)

// sink is the last hop: it writes events to files. Its durable step is output.commit.
type sink struct {
	cfg    HopConfig
	plan   Plan
	out    *output
	client *kgo.Client
	hop    *audit.Hop
	lanes  *kgoaudit.Consumer
}

func runSink(ctx context.Context, cfg HopConfig, plan Plan) (err error) {
	s := &sink{cfg: cfg, plan: plan}
	if s.out, err = openOutput(osDisk{}, filepath.Join(cfg.Dir, "out")); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.out.close()) }()
	if err := s.connect(); err != nil {
		return err
	}
	defer s.client.Close()
	reporter, err := kgoaudit.NewReporter(s.client, kgoaudit.ReportsTopic)
	if err != nil {
		return err
	}
	if err := s.audit(reporter); err != nil {
		return err
	}
	return s.work(ctx)
}

// connect reads on where the files end. Control records are kept: they are offsets to be passed like others.
func (s *sink) connect() (err error) {
	from := map[int32]kgo.Offset{}
	for partition := range int32(partitions) {
		from[partition] = kgo.NewOffset().At(s.out.part(partition).Next)
	}
	s.client, err = kgo.NewClient(s.cfg.kafkaOptions(
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topicRelayed: from}),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords(),
	)...)
	if err != nil {
		return fmt.Errorf("connect to Kafka: %w", err)
	}
	return nil
}

// audit makes the hop, going on from what the sink before left.
func (s *sink) audit(reporter audit.Transport) (err error) {
	config := s.cfg.hopConfig(hopRel)
	config.Transport = reporter
	config.Durable, config.Checkpoint = true, s.out.state.Checkpoint
	if s.hop, err = audit.NewHop(config); err != nil {
		return err
	}
	s.hop.SetLaneCount(partitions)
	s.lanes = kgoaudit.NewConsumer(s.client, s.hop, topicRelayed)
	s.done()
	s.hop.Start()
	s.hop.EarlierLeft() // what the files hold beyond the checkpoint was cut off, what they keep is stored
	return nil
}

// work takes events in and makes them durable, pace by pace, until ctx ends.
func (s *sink) work(ctx context.Context) error {
	if err := s.cfg.sayReady(); err != nil {
		return err
	}
	for ctx.Err() == nil {
		if err := s.lanes.Mark(ctx); err != nil && ctx.Err() == nil {
			s.cfg.Logger.Warn("the sink does not know how far the topic goes", "error", err)
		}
		if err := pollUntil(ctx, time.Now().Add(pace), s.client.PollRecords, s.take); err != nil {
			return err
		}
		if err := s.commit(); err != nil {
			return err
		}
	}
	ctx, cancel := leaving(ctx)
	defer cancel()
	return s.leave(ctx)
}

// leave ends the emitter: the last commit holds its CLOSED.
func (s *sink) leave(ctx context.Context) error {
	s.hop.Finish()
	if err := s.commit(); err != nil {
		return err
	}
	if err := s.hop.Close(ctx); err != nil {
		return fmt.Errorf("close the sink's emitter: %w", err)
	}
	return nil
}

// take writes one event, unless it is fated otherwise, and observes it. The report waits for commit.
func (s *sink) take(record *kgo.Record) error {
	if record.Attrs.IsControl() {
		s.out.skip(record.Partition, record.Offset)
		return nil
	}
	now := time.Now()
	header, ok := kgoaudit.Header(record)
	if ok && s.plan.Fate(header.UID) == DropBySink {
		s.out.skip(record.Partition, record.Offset)
		return nil
	}
	if err := s.out.write(record.Partition, record.Offset, record.Value, now); err != nil {
		return err
	}
	kgoaudit.Observe(s.hop, record, now)
	return nil
}

// commit makes output, position and reports durable in one step, and only then lets the reports go.
func (s *sink) commit() error {
	checkpoint, err := s.hop.Checkpoint()
	if err != nil {
		return fmt.Errorf("seal the sink's reports: %w", err)
	}
	if err := s.out.commit(checkpoint.Bytes(), time.Now()); err != nil {
		return err
	}
	checkpoint.Stored()
	s.done()
	return nil
}

// done tells the lanes how far the durable output goes.
func (s *sink) done() {
	for partition := range int32(partitions) {
		s.lanes.Done(topicRelayed, partition, s.out.part(partition).Next)
	}
}
