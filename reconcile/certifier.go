package reconcile

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rollcallhq/rollcall/audit/wire"
	"github.com/rollcallhq/rollcall/internal/certificate"
	"github.com/rollcallhq/rollcall/internal/store"
)

const (
	certifyEvery = time.Second
	sweepEvery   = time.Minute    // hours without a change are looked at so often: those in which nothing was produced
	sweepReach   = 48 * time.Hour // and so far back
	mostFailures = 3              // in one look
)

// CertifierStore is where hours that changed are found, and what is kept of having looked at them.
type CertifierStore interface {
	Now(ctx context.Context) (time.Time, error)
	ChangedHours(ctx context.Context, since time.Time) ([]store.ChangedHour, error)
	CertifiedUpTo(ctx context.Context) (map[uint32]time.Time, error)
	SetCertifiedUpTo(ctx context.Context, upTo map[uint32]time.Time) error
	StreamNames(ctx context.Context) ([]string, error)
	Settings(ctx context.Context, streams []string) (map[string]store.Settings, error)
	Standings(ctx context.Context, streams []string, from, to time.Time) (map[store.WindowKey]string, error)
	Incidents(ctx context.Context, filter store.IncidentFilter) ([]store.Incident, error)
	AddIncidents(ctx context.Context, incidents []store.Incident) error
}

// Holder says which shares of the streams are this process's.
type Holder interface {
	Held() []store.Claim
}

// Certifier follows the verdicts and the chains as they are stored, and has done of each hour that changed what is to be done: certificates are
// superseded and revoked, and hours certified where the stream's policy says so. What it has looked at it keeps in the store; who dies is
// followed by another, which looks at the same hours again and finds them done or not.
type Certifier struct {
	store  CertifierStore
	issuer *Issuer
	reader *Reader
	holder Holder
	log    *slog.Logger
	issued *prometheus.CounterVec
	failed prometheus.Counter
	end    context.CancelFunc // nil before Start
	done   chan struct{}

	upTo  map[uint32]time.Time                  // by share held: changes stored until then were looked at
	seen  map[store.WindowKey]store.ChangedHour // the changes of an hour that were looked at, of the last seconds
	wait  map[store.WindowKey]store.ChangedHour // hours of which it failed, to be tried again
	swept time.Time
}

// NewCertifier returns a certifier that does nothing until Start.
func NewCertifier(s CertifierStore, issuer *Issuer, holder Holder, registry prometheus.Registerer, log *slog.Logger) (*Certifier, error) {
	c := &Certifier{
		store: s, issuer: issuer, reader: issuer.reader, holder: holder, log: log, done: make(chan struct{}),
		upTo: map[uint32]time.Time{}, seen: map[store.WindowKey]store.ChangedHour{}, wait: map[store.WindowKey]store.ChangedHour{},
		issued: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "rollcall_certificates_total", Help: "Entries of the chains of certificates that this process issued without being asked, by action (certify, supersede, revoke).",
		}, []string{"action"}),
		failed: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "rollcall_certify_failures_total", Help: "Hours of which it could not be decided or not be written whether they are certified; they are tried again.",
		}),
	}
	for _, m := range []prometheus.Collector{c.issued, c.failed} {
		if err := registry.Register(m); err != nil {
			return nil, fmt.Errorf("reconcile: register metrics: %w", err)
		}
	}
	for _, action := range []certificate.Action{certificate.Certify, certificate.Supersede, certificate.Revoke} {
		c.issued.WithLabelValues(string(action))
	}
	return c, nil
}

// Start begins to follow.
func (c *Certifier) Start() {
	ctx, cancel := context.WithCancel(context.Background())
	c.end = cancel
	go c.run(ctx)
}

// Stop ends it, no later than ctx. What was being issued is issued, or found by whoever follows.
func (c *Certifier) Stop(ctx context.Context) error {
	if c.end == nil {
		return nil
	}
	c.end()
	select {
	case <-c.done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("reconcile: stop certifying: %w", ctx.Err())
	}
}

func (c *Certifier) run(ctx context.Context) {
	defer close(c.done)
	tick := time.NewTicker(certifyEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if err := c.look(ctx); err != nil && ctx.Err() == nil {
			c.log.Warn("certificates could not be looked after; trying again", "error", err, "away", errors.Is(err, store.ErrAway))
		}
	}
}

// look does what is to be done of the hours that changed since, and once a minute of those in which nothing did.
func (c *Certifier) look(ctx context.Context) error {
	if err := c.follow(ctx); err != nil || len(c.upTo) == 0 {
		return err
	}
	changed, err := c.store.ChangedHours(ctx, c.since())
	if err != nil {
		return err
	}
	due := c.due(changed)
	latest := map[uint32]time.Time{}
	for share := range c.upTo { // also those in which nothing changed: what was read is not read again for their sake
		for _, h := range changed {
			latest[share] = later(latest[share], h.StoredAt)
		}
	}
	due, err = c.worth(ctx, due)
	if err != nil {
		return err
	}
	failed := c.handleAll(ctx, due)
	if err := c.keep(ctx, latest); err != nil {
		return err
	}
	return errors.Join(failed, c.sweep(ctx))
}

// follow begins with shares that are new here where whoever had them before left off, and lets go of those that are no more.
func (c *Certifier) follow(ctx context.Context) error {
	held := map[uint32]bool{}
	fresh := false
	for _, claim := range c.holder.Held() {
		held[claim.Share] = true
		_, known := c.upTo[claim.Share]
		fresh = fresh || !known
	}
	maps.DeleteFunc(c.upTo, func(share uint32, _ time.Time) bool { return !held[share] })
	maps.DeleteFunc(c.wait, func(k store.WindowKey, _ store.ChangedHour) bool { return !held[store.ShareOf(k.Stream)] })
	maps.DeleteFunc(c.seen, func(k store.WindowKey, _ store.ChangedHour) bool { return !held[store.ShareOf(k.Stream)] })
	if !fresh {
		return nil
	}
	kept, err := c.store.CertifiedUpTo(ctx)
	if err != nil {
		return err
	}
	now, err := c.store.Now(ctx)
	if err != nil {
		return err
	}
	begun := map[uint32]time.Time{}
	for share := range held {
		if _, known := c.upTo[share]; known {
			continue
		}
		if kept[share].IsZero() {
			kept[share] = now.Add(-feedReach)
			begun[share] = kept[share]
		}
		c.upTo[share] = kept[share]
	}
	c.swept = time.Time{}
	if len(begun) == 0 {
		return nil
	}
	return c.store.SetCertifiedUpTo(ctx, begun)
}

// since is the instant from which changes are read.
func (c *Certifier) since() time.Time {
	return slices.MinFunc(slices.Collect(maps.Values(c.upTo)), time.Time.Compare).Add(-feedReach)
}

// due returns the hours to be looked at: those that changed since they were, and those of which it failed.
func (c *Certifier) due(changed []store.ChangedHour) []store.ChangedHour {
	var due []store.ChangedHour
	for _, h := range changed {
		upTo, held := c.upTo[store.ShareOf(h.Stream)]
		if _, waits := c.wait[h.WindowKey]; waits || !held || h.StoredAt.Before(upTo.Add(-feedReach)) || c.looked(h) {
			continue
		}
		due = append(due, h)
	}
	for _, h := range c.wait {
		due = append(due, h)
	}
	return due
}

// looked says whether all that changed of an hour was looked at. What took its instant earlier may have become visible later.
func (c *Certifier) looked(h store.ChangedHour) bool {
	seen, ok := c.seen[h.WindowKey]
	return ok && seen.Print == h.Print && seen.StoredAt.Equal(h.StoredAt)
}

// worth leaves the hours of which there may be something to be done: those with an entry, and those that have ended of streams that are certified by
// themselves. The others were looked at with that.
func (c *Certifier) worth(ctx context.Context, due []store.ChangedHour) ([]store.ChangedHour, error) {
	if len(due) == 0 {
		return nil, nil
	}
	var names []string
	from, to := due[0].Start, due[0].Start
	for _, h := range due {
		names = append(names, h.Stream)
		from, to = earlier(from, h.Start), later(to, h.Start)
	}
	slices.Sort(names)
	names = slices.Compact(names)
	settings, err := c.store.Settings(ctx, names)
	if err != nil {
		return nil, err
	}
	standing, err := c.store.Standings(ctx, names, from, to.Add(time.Hour))
	if err != nil {
		return nil, err
	}
	now := c.issuer.now()
	return slices.DeleteFunc(due, func(h store.ChangedHour) bool {
		if standing[h.WindowKey] != "" || settings[h.Stream].Auto && !h.Start.Add(time.Hour).After(now) {
			return false
		}
		delete(c.wait, h.WindowKey)
		if !h.StoredAt.IsZero() {
			c.seen[h.WindowKey] = h
		}
		return true
	}), nil
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// handleAll does what is to be done of hours. After some failures the rest wait: most likely all would fail alike, each after its time.
func (c *Certifier) handleAll(ctx context.Context, hours []store.ChangedHour) error {
	var failed []error
	for _, h := range hours {
		if len(failed) >= mostFailures {
			c.wait[h.WindowKey] = h
			continue
		}
		if err := c.handle(ctx, h); err != nil {
			failed = append(failed, err)
		}
	}
	return errors.Join(failed...)
}

// handle does what is to be done of one hour.
func (c *Certifier) handle(ctx context.Context, h store.ChangedHour) error {
	issue, err := c.issuer.Follow(ctx, h.Stream, h.Start)
	if err == nil {
		err = c.callOut(ctx, issue.Last)
	}
	if err != nil {
		c.failed.Inc()
		c.wait[h.WindowKey] = h
		return err
	}
	delete(c.wait, h.WindowKey)
	if !h.StoredAt.IsZero() {
		c.seen[h.WindowKey] = h
	}
	if issue.Action != "" {
		c.issued.WithLabelValues(issue.Action).Inc()
		last := issue.Last
		c.log.Info("issued", "action", last.Action, "stream", h.Stream, "hour", certificate.HourOf(h.Start).String(), "number", last.Number, "reason", last.Reason)
	}
	return nil
}

// callOut opens an incident of an hour whose certificate was revoked, and resolves it once the hour has another one. It is a function of the hour's
// last entry, so that whoever comes to it says the same.
func (c *Certifier) callOut(ctx context.Context, last *store.Certificate) error {
	if last == nil || last.Action == string(certificate.Certify) {
		return nil // an hour that was revoked is superseded
	}
	next := revocation(last)
	known, err := c.store.Incidents(ctx, store.IncidentFilter{Stream: last.Stream, IDs: []wire.UID{next.ID}})
	if err != nil {
		return err
	}
	switch {
	case len(known) == 0 && next.Bad == 0, len(known) == 1 && known[0].Version >= next.Version:
		return nil
	case len(known) == 1 && next.Bad == 0:
		next.OpenedAt = known[0].OpenedAt
	}
	return c.store.AddIncidents(ctx, []store.Incident{next})
}

// revocation is the incident of an hour that has a last entry.
func revocation(last *store.Certificate) store.Incident {
	const minute = 60
	hour := last.Hour.UTC()
	i := store.Incident{
		ID: incidentID(last.Stream, store.Edge{}, store.CauseRevoked, hour), Stream: last.Stream, Cause: store.CauseRevoked,
		First: hour, Last: hour.Add(time.Hour - minute*time.Second), Seconds: minute, Windows: 1, FirstBad: hour,
		OpenedAt: last.IssuedAt, Since: last.IssuedAt, Version: last.Number,
		Text: fmt.Sprintf("[RESOLVED] %s hour %s: certified again by entry %d", last.Stream, certificate.HourOf(hour), last.Number),
	}
	if last.Action == string(certificate.Revoke) {
		i.Bad = 1
		i.Text = fmt.Sprintf("[REVOKED] %s hour %s: certificate taken back by entry %d: %s", last.Stream, certificate.HourOf(hour), last.Number, last.Reason)
	}
	return i
}

// keep stores how far changes were looked at: not past those of which it failed.
func (c *Certifier) keep(ctx context.Context, latest map[uint32]time.Time) error {
	for _, h := range c.wait {
		share := store.ShareOf(h.Stream)
		if before := h.StoredAt.Add(-time.Millisecond); !h.StoredAt.IsZero() && before.Before(latest[share]) {
			latest[share] = before
		}
	}
	risen := map[uint32]time.Time{}
	for share, at := range latest {
		if at.After(c.upTo[share]) {
			risen[share] = at
		}
	}
	if len(risen) == 0 {
		return nil
	}
	if err := c.store.SetCertifiedUpTo(ctx, risen); err != nil {
		return err
	}
	maps.Copy(c.upTo, risen)
	oldest := c.since()
	maps.DeleteFunc(c.seen, func(_ store.WindowKey, h store.ChangedHour) bool { return h.StoredAt.Before(oldest) })
	return nil
}
