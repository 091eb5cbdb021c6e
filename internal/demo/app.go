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
	"github.com/rollcallhq/rollcall/audit/wire"
)

// tick is how often the app produces what is due.
const tick = 10 * time.Millisecond

// app is the first hop: it numbers flights and produces them to Kafka.
type app struct {
	cfg     HopConfig
	plan    Plan
	flights *flightReader
	plants  *plantWriter
	source  *audit.Source
	hop     *audit.Hop
	client  *kgo.Client
	held    held
}

func runApp(ctx context.Context, cfg HopConfig, plan Plan) (err error) {
	a := &app{cfg: cfg, plan: plan}
	if a.flights, err = openFlights(cfg.Flights); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.flights.close()) }()
	if a.plants, err = openPlants(plantsPath(cfg.Dir)); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.plants.close()) }()
	if a.client, err = kgo.NewClient(cfg.kafkaOptions(kgo.DefaultProduceTopic(topicTaken))...); err != nil {
		return fmt.Errorf("connect to Kafka: %w", err)
	}
	defer a.client.Close()
	if err := a.audit(); err != nil {
		return err
	}
	err = a.work(ctx)
	a.releaseAll(ctx)
	return errors.Join(err, a.leave(ctx))
}

// plantsPath is where the app lists what is planted.
func plantsPath(dir string) string { return filepath.Join(dir, "planted.jsonl") }

// audit makes source and hop. The app has no durable state of its own, so it keeps a journal.
func (a *app) audit() error {
	transport, err := audit.NewHTTPTransport(audit.HTTPConfig{URL: a.cfg.Server})
	if err != nil {
		return err
	}
	journal, err := audit.OpenJournal(audit.JournalConfig{Dir: filepath.Join(a.cfg.Dir, "journal"), Stream: stream, Hop: hopApp})
	if err != nil {
		return err
	}
	if a.source, err = audit.NewSource(audit.SourceConfig{Window: windowLength, Journal: journal}); err != nil {
		return err
	}
	config := a.cfg.hopConfig()
	config.Transport, config.Source, config.Journal = transport, a.source, journal
	if a.hop, err = audit.NewHop(config); err != nil {
		return err
	}
	a.hop.Start()
	return nil
}

// work produces from From to Until at the rate, or until ctx ends.
func (a *app) work(ctx context.Context) error {
	if err := a.cfg.sayReady(); err != nil {
		return err
	}
	if err := waitUntil(ctx, a.cfg.From); err != nil {
		return nil
	}
	clock := time.NewTicker(tick)
	defer clock.Stop()
	for done := 0; ; {
		now := time.Now()
		if !a.cfg.Until.IsZero() && !now.Before(a.cfg.Until) {
			return nil
		}
		a.release(ctx, now)
		for due := int(now.Sub(a.cfg.From).Seconds() * float64(a.cfg.Rate)); done < due; done++ {
			if err := a.produce(ctx); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-clock.C:
		}
	}
}

// produce numbers one flight and sends it to Kafka, unless it is fated otherwise. What is planted is listed
// before it is done.
func (a *app) produce(ctx context.Context) error {
	payload, key, err := a.flights.next()
	if err != nil {
		return err
	}
	header := a.source.Header(time.Now(), payload)
	fate := a.plan.Fate(header.UID)
	if fate == BreakByApp { // it is so from the start: what the checksum is of
		payload = broken(payload)
		header.Checksum = wire.Checksum(payload)
	}
	a.hop.Take(header, payload, header.ProducedAt)
	if fate != Healthy {
		entry := plant{UID: header.UID, Window: header.ProducedAt.Truncate(windowLength), Fault: fate}
		if err := a.plants.add(entry); err != nil {
			return err
		}
	}
	record := &kgo.Record{Key: []byte(key), Value: payload}
	kgoaudit.SetHeader(record, header)
	switch fate {
	case DropByApp:
		a.source.Left(header.ProducedAt) // it believes so
	case TwiceByApp:
		again := *record
		a.client.Produce(context.WithoutCancel(ctx), record, a.first)
		a.client.Produce(context.WithoutCancel(ctx), &again, a.left(header))
	case CorruptByApp:
		record.Value = flipped(payload)
		a.client.Produce(context.WithoutCancel(ctx), record, a.left(header))
	case DelayByApp:
		a.held.add(record, header)
	default:
		a.client.Produce(context.WithoutCancel(ctx), record, a.left(header))
	}
	return nil
}

// left returns the promise after which an event has left. An event that Kafka did not take stays held, and its window open.
func (a *app) left(header audit.Header) func(*kgo.Record, error) {
	return func(_ *kgo.Record, err error) {
		if err != nil {
			a.cfg.Logger.Error("Kafka did not take an event", "uid", header.UID, "error", err)
			return
		}
		a.source.Left(header.ProducedAt)
	}
}

// first is the promise of the first of two copies; the second, in the same partition behind it, says when both have left.
func (a *app) first(record *kgo.Record, err error) {
	if err != nil {
		a.cfg.Logger.Error("Kafka did not take a copy", "partition", record.Partition, "error", err)
	}
}

// leave waits until everything has left and closes the emitter.
func (a *app) leave(ctx context.Context) error {
	ctx, cancel := leaving(ctx)
	defer cancel()
	if err := a.client.Flush(ctx); err != nil {
		return fmt.Errorf("flush what was produced: %w", err)
	}
	if err := a.hop.Close(ctx); err != nil {
		return fmt.Errorf("close the app's emitter: %w", err)
	}
	return nil
}

// waitUntil waits until an instant; it returns ctx's error when that ends first.
func waitUntil(ctx context.Context, at time.Time) error {
	timer := time.NewTimer(time.Until(at))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
