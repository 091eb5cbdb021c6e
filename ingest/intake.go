package ingest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/rollcallhq/rollcall/audit/wire"
	"github.com/rollcallhq/rollcall/internal/store"
)

// Intake checks reports and stores them, many requests in one insert.
type Intake struct {
	Deps
	line[store.Received]
	metrics  *metrics
	lengths  lengths
	accepted atomic.Uint64
	setAside atomic.Uint64
}

// New builds an intake that takes nothing until Start. The error tells of metrics registered twice.
func New(deps Deps, config Config) (*Intake, error) {
	if deps.Now == nil {
		deps.Now = time.Now
	}
	config = config.withDefaults()
	in := &Intake{Deps: deps, metrics: newMetrics(), lengths: lengths{store: deps.Store, maxAge: config.SettingsMaxAge, now: deps.Now}}
	in.line = line[store.Received]{
		base: base{
			what: "reports", config: config, log: deps.Log, now: deps.Now, refused: in.metrics.refused, waiting: in.metrics.waiting,
			insertT: in.metrics.insertTime, kafka: in.metrics.kafkaMetrics, lag: in.metrics.lag, aside: &in.setAside,
			quarantine: func(ctx context.Context, records []store.Quarantined) error {
				return deps.Store.Quarantine(ctx, records)
			},
		},
		forms: reportForms, limitsOf: in.limits, decode: in.decodeReports, keyed: ofOneStream, stamp: received, check: in.checkReports, insert: in.insertReports, took: in.count,
	}
	in.open()
	if err := in.metrics.register(deps.Registry); err != nil {
		return nil, err
	}
	return in, nil
}

// Accepted is the number of reports stored since Start.
func (in *Intake) Accepted() uint64 { return in.accepted.Load() }

// Quarantined is the number of Kafka records of reports put aside since Start.
func (in *Intake) Quarantined() uint64 { return in.setAside.Load() }

func received(reports []store.Received, at time.Time) {
	for i := range reports {
		reports[i].At = at
	}
}

func (in *Intake) insertReports(ctx context.Context, reports []store.Received) error {
	in.metrics.inserts.Inc()
	return in.Store.Insert(ctx, reports)
}

func (in *Intake) count(r *reportRequest) {
	in.accepted.Add(uint64(len(r.items)))
	in.metrics.accepted.WithLabelValues(r.via).Add(float64(len(r.items)))
	in.metrics.requests.WithLabelValues(r.via).Inc()
}

// limits are those of a request with a query.
func (in *Intake) limits(query map[string][]string) (wire.Limits, error) {
	limits := in.config.Limits
	for name, values := range query {
		if name != "backfill" {
			return limits, told(http.StatusBadRequest, reasonInvalid, "query.%s: unknown parameter; this call has backfill", name)
		}
		wide, err := strconv.ParseBool(values[0])
		if err != nil {
			return limits, told(http.StatusBadRequest, reasonInvalid, "query.backfill: %q is neither true nor false", values[0])
		}
		if wide {
			limits.MaxAge = max(limits.MaxAge, in.config.BackfillAge)
		}
	}
	return limits, nil
}

// decodeReports turns bytes into reports that may be stored. Its error is a *Refusal.
func (in *Intake) decodeReports(form format, body []byte, limits wire.Limits) ([]store.Received, int, error) {
	read := wire.DecodeProto
	if form == jsonText {
		read = wire.DecodeJSON
	}
	batch, err := read(body, limits)
	if err != nil {
		return nil, 0, refusalOf(err, reasonUnreadable)
	}
	if err := wire.Validate(batch, limits, in.Now()); err != nil {
		return nil, 0, refusalOf(err, reasonInvalid)
	}
	reports := make([]store.Received, len(batch.Reports))
	for i := range batch.Reports {
		reports[i] = store.Received{Report: batch.Reports[i]}
	}
	return reports, weigh(batch), nil
}

func refusalOf(err error, reason string) *Refusal {
	var faults wire.Faults
	if !errors.As(err, &faults) {
		faults = wire.Faults{{Message: err.Error()}}
	}
	return &Refusal{Faults: faults, reason: reason}
}

// ofOneStream holds that a record holds the reports of the stream it is keyed by: only then are they in order.
func ofOneStream(reports []store.Received, key string) error {
	wrong := &Refusal{reason: reasonMixed}
	for i := range reports {
		if stream := reports[i].Stream; stream != key {
			wrong.add(fmt.Sprintf("reports[%d].stream", i), "%s is not the record's key %q: a Kafka record holds one stream's reports", stream, clip([]byte(key)))
		}
	}
	return wrong.orNil()
}

// weigh is about what the reports hold in memory, in bytes.
func weigh(b wire.Batch) int {
	const report, window, source, entry = 512, 256, 256, 160
	n := 0
	for i := range b.Reports {
		r := &b.Reports[i]
		n += report + entry*(len(r.Lanes)+len(r.Ended))
		for j := range r.Windows {
			w := &r.Windows[j]
			n += window + entry*(len(w.Foreign)+len(w.Schemas)+len(w.Reasons))
			for k := range w.Sources {
				n += source
				for _, roll := range w.Sources[k].Rolls {
					if roll != nil {
						n += int(roll.GetSizeInBytes())
					}
				}
			}
		}
	}
	return n
}
