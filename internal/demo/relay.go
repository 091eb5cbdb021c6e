package demo

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/rollcallhq/rollcall/audit"
	"github.com/rollcallhq/rollcall/audit/kgoaudit"
	"github.com/rollcallhq/rollcall/audit/schema"
)

const (
	relayGroup  = "flights-relay"
	relayTxn    = "flights-relay"
	txnTimeout  = 20 * time.Second
	sessionTime = 10 * time.Second
)

// relay reads one topic and passes on to another, exactly once.
//
// What it passes on, the offsets it read up to and its outbox (the audit's checkpoint, one record in
// topicState) are committed in one Kafka transaction: that is its one durable step. Only then are the reports of
// the checkpoint sent. A relay that is killed leaves its transaction to be aborted by the next one, which reads the
// last committed checkpoint, sends what was not accepted under the old emitter's id, closes that, and goes
// on from the committed offsets. A relay whose transaction fails ends itself for the same to happen.
type relay struct {
	cfg     HopConfig
	plan    Plan
	plain   *kgo.Client
	session *kgo.GroupTransactSession
	hop     *audit.Hop
	lanes   *kgoaudit.Consumer
	checker *schema.Checker
	samples *schema.Sampler
	next    map[int32]int64 // position per partition, with the transaction under way
}

func runRelay(ctx context.Context, cfg HopConfig, plan Plan) (err error) {
	r := &relay{cfg: cfg, plan: plan, next: map[int32]int64{}}
	if r.plain, err = kgo.NewClient(cfg.kafkaOptions()...); err != nil {
		return fmt.Errorf("connect to Kafka: %w", err)
	}
	defer r.plain.Close()
	box, err := openOutbox(ctx, cfg)
	if err != nil {
		return err
	}
	if err := r.audit(box); err != nil {
		return err
	}
	if err := r.join(); err != nil {
		return err
	}
	defer r.session.Close()
	return r.work(ctx)
}

// audit makes the hop, going on from what the relay before left.
func (r *relay) audit(box outbox) (err error) {
	config := r.cfg.hopConfig(hopApp)
	reporter, err := kgoaudit.NewReporter(r.plain, kgoaudit.ReportsTopic)
	if err != nil {
		return err
	}
	if r.checker, r.samples, err = newChecker(reporter, config.OnError); err != nil {
		return err
	}
	r.samples.Start()
	config.Transport = reporter
	config.Durable, config.Checkpoint = true, box.checkpoint
	if r.hop, err = audit.NewHop(config); err != nil {
		return err
	}
	r.hop.SetLaneCount(partitions)
	r.lanes = kgoaudit.NewConsumer(r.plain, r.hop, topicTaken)
	for partition := range int32(partitions) {
		r.lanes.Done(topicTaken, partition, box.offsets[partition])
	}
	r.hop.Start()
	r.hop.EarlierLeft() // the transaction that held the checkpoint was committed
	return nil
}

// join joins the group as a static member: the relay after a killed one takes its place at once.
func (r *relay) join() (err error) {
	r.session, err = kgo.NewGroupTransactSession(r.cfg.kafkaOptions(
		kgo.TransactionalID(relayTxn), kgo.TransactionTimeout(txnTimeout), kgo.RecordDeliveryTimeout(txnTimeout),
		kgo.ConsumerGroup(relayGroup), kgo.InstanceID(relayGroup), kgo.SessionTimeout(sessionTime),
		kgo.ConsumeTopics(topicTaken), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil)),
	)...)
	if err != nil {
		return fmt.Errorf("join the relay's group: %w", err)
	}
	return nil
}

// work runs one transaction after the other until ctx ends, and a last one to close.
func (r *relay) work(ctx context.Context) error {
	if err := r.cfg.sayReady(); err != nil {
		return err
	}
	for ctx.Err() == nil {
		if err := r.transaction(ctx); err != nil {
			return err
		}
	}
	ctx, cancel := leaving(ctx)
	defer cancel()
	r.hop.Finish()
	if err := r.commit(ctx, nil); err != nil {
		return err
	}
	if err := r.hop.Close(ctx); err != nil {
		return fmt.Errorf("close the relay's emitter: %w", err)
	}
	if err := r.samples.Close(ctx); err != nil {
		r.cfg.Logger.Warn("samples were not sent", "error", err)
	}
	return nil
}

// transaction passes on what comes in one pace. Once begun it is finished, also when ctx ends.
func (r *relay) transaction(ctx context.Context) error {
	finish := context.WithoutCancel(ctx)
	if err := r.lanes.Mark(ctx); err != nil && ctx.Err() == nil {
		r.cfg.Logger.Warn("the relay does not know how far the topic goes", "error", err)
	}
	return r.commit(finish, func(produced *kgo.FirstErrPromise) error {
		return pollUntil(ctx, time.Now().Add(pace), r.session.PollRecords, func(record *kgo.Record) error {
			r.pass(finish, record, produced)
			return nil
		})
	})
}

// commit runs pass, seals the audit, and commits output, position and checkpoint in one transaction.
func (r *relay) commit(ctx context.Context, pass func(*kgo.FirstErrPromise) error) error {
	if err := r.session.Begin(); err != nil {
		return fmt.Errorf("begin a transaction: %w", err)
	}
	produced := kgo.AbortingFirstErrPromise(r.session.Client())
	if pass != nil {
		if err := pass(produced); err != nil {
			return errors.Join(err, r.abort(ctx))
		}
	}
	checkpoint, err := r.hop.Checkpoint()
	if err != nil {
		return errors.Join(fmt.Errorf("seal the relay's reports: %w", err), r.abort(ctx))
	}
	r.session.Produce(ctx, &kgo.Record{Topic: topicState, Partition: 0, Value: checkpoint.Bytes()}, produced.Promise())
	if err := r.end(ctx, produced); err != nil {
		return err
	}
	checkpoint.Stored()
	for partition, next := range r.next {
		r.lanes.Done(topicTaken, partition, next)
	}
	return nil
}

func (r *relay) end(ctx context.Context, produced *kgo.FirstErrPromise) error {
	ctx, cancel := context.WithTimeout(ctx, txnTimeout)
	defer cancel()
	failed := produced.Err()
	committed, err := r.session.End(ctx, kgo.TransactionEndTry(failed == nil))
	switch {
	case failed != nil || err != nil:
		return fmt.Errorf("commit a transaction: %w", errors.Join(failed, err))
	case !committed:
		return errors.New("commit a transaction: it was aborted, for the group changed")
	}
	return nil
}

func (r *relay) abort(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, txnTimeout)
	defer cancel()
	_, err := r.session.End(ctx, kgo.TryAbort)
	return err
}

// pass takes one event over and passes it on, unless it is fated otherwise.
func (r *relay) pass(ctx context.Context, record *kgo.Record, produced *kgo.FirstErrPromise) {
	r.next[record.Partition] = record.Offset + 1
	header, _ := kgoaudit.Header(record)
	kgoaudit.Observe(r.hop, record, time.Now())
	r.check(header, record.Value)
	onward := &kgo.Record{Topic: topicRelayed, Key: record.Key, Value: record.Value, Headers: record.Headers}
	switch r.plan.Fate(header.UID) {
	case DropByRelay:
		return
	case FilterByRelay:
		r.hop.Filter(header, filterReason)
		return
	case CorruptByRelay:
		onward.Value = flipped(record.Value)
	case TwiceByRelay:
		again := *onward
		r.session.Produce(ctx, &again, produced.Promise())
	}
	r.session.Produce(ctx, onward, produced.Promise())
}
