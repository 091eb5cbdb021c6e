// Package inspector answers what people and programs ask of the audit: which
// windows are complete, which UIDs are lost, what a verdict rests on. It owns the
// HTTP API under /api/v1, its OpenAPI document, its live stream and the settings
// of the HTTP server. It must not know how verdicts are made, nor how reports are
// stored: it reads through narrow interfaces and turns domain types into JSON.
package inspector

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/rollcallhq/rollcall/audit/wire"
	"github.com/rollcallhq/rollcall/inspector/api"
	"github.com/rollcallhq/rollcall/internal/access"
	"github.com/rollcallhq/rollcall/internal/certificate"
	"github.com/rollcallhq/rollcall/internal/store"
)

// Streams tells what streams there are and how far they have got.
type Streams interface {
	Streams(ctx context.Context, now time.Time) ([]store.StreamInfo, error)
	Stream(ctx context.Context, stream string, now time.Time) (store.StreamInfo, bool, error)
	Watermark(ctx context.Context, stream, hop string, now time.Time) (time.Time, *store.Blocked, bool, error)
}

// Windows tells the verdicts of a stream and what they rest on. A nil edge asks for all edges.
type Windows interface {
	Windows(ctx context.Context, stream string, from, to, now time.Time, edge *store.Edge) ([]store.Verdict, error)
	Revisions(ctx context.Context, stream string, start time.Time, edge store.Edge) ([]store.Verdict, error)
	Named(ctx context.Context, stream string, start time.Time, edge store.Edge, kind, after string, limit int, now time.Time) ([]store.Named, string, bool, error)
	ResolveWaiver(ctx context.Context, ask store.WaiverRequest, now time.Time) (store.Resolution, bool, error)
	Evidence(ctx context.Context, stream string, start time.Time, edge *store.Edge, now time.Time) (store.Evidence, bool, error)
}

// Hours rolls windows up. No streams asks for all.
type Hours interface {
	Hours(ctx context.Context, streams []string, from, to, now time.Time) ([]store.Hour, error)
	HourOfEdge(ctx context.Context, stream string, hour time.Time, edge *store.Edge, now time.Time) (store.Hour, []store.Verdict, error)
}

// Causes tells what the events of an incident have in common.
type Causes interface {
	Hints(ctx context.Context, incident *store.Incident, now time.Time) ([]store.Hint, error)
}

// Traces tells all that is known of one event.
type Traces interface {
	Trace(ctx context.Context, uid wire.UID) ([]store.Trace, error)
	TraceForeign(ctx context.Context, uid string) ([]store.Trace, error)
}

// Auditor is all that is concluded from reports.
type Auditor interface {
	Streams
	Windows
	Hours
	Causes
	Objectives
	Traces
}

// Settings keeps what people decided about streams.
type Settings interface {
	Settings(ctx context.Context, streams []string) (map[string]store.Settings, error)
	PutSettings(ctx context.Context, settings store.Settings, now time.Time) error
	HasReports(ctx context.Context, stream string) (bool, error)
}

// Emitters tells which instances run, and what there is beside them that can hold a window.
type Emitters interface {
	Emitters(ctx context.Context, stream string) ([]store.Emitter, error)
	HasSource(ctx context.Context, stream string, source wire.UID) (bool, error)
	Hops(ctx context.Context, streams []string) (map[string][]store.HopSummary, error)
}

// Closings keeps what people closed.
type Closings interface {
	AddClosing(ctx context.Context, closing store.Closing) error
	Closings(ctx context.Context, stream string) ([]store.Closing, error)
}

// Store is what the inspector reads and writes beside verdicts. Errors that wrap store.ErrAway become 503.
type Store interface {
	Settings
	Emitters
	Closings
	Waivers
	Epochs
	Watermarks
	Incidents
	Latencies
	Schemas
	Certificates
	Quarantined(ctx context.Context, after string, limit int) ([]store.Quarantined, error)
	Ping(ctx context.Context) error
}

// Issuer issues certificates.
type Issuer interface {
	Issue(ctx context.Context, stream string, hour time.Time, who string) (store.Issue, error)
}

// Feed tells changed verdicts and incidents, and new certificates. A subscriber that is too slow finds its channel closed and must subscribe again.
type Feed interface {
	Subscribe() (changes <-chan store.Changes, cancel func())
}

// Deps are what the inspector is built from.
type Deps struct {
	Auditor Auditor // nil in a server whose role has no inspector: the API then answers 404
	Store   Store
	Feed    Feed         // nil: no changes are told, only heartbeats
	Access  Access       // who may do what; nil: everybody may do everything, and is called local
	Reports http.Handler // POST /api/v1/reports; nil in a server whose role has no ingest: answers 404
	Samples http.Handler // POST /api/v1/samples, as Reports
	Pages   http.Handler // everything that is not the API; nil: answers 404
	// Digests makes the digests of what hops took over in an hour from what is stored now. Chain reads the topic of certificates, and Keys are those
	// that sign; where this server has no keys both are nil.
	Digests func(ctx context.Context, stream string, hour certificate.Hour) ([]certificate.Hop, error)
	Chain   Chain
	Keys    func() *certificate.Keys
	Issuer  Issuer // nil as they are
	// Status fills in what this package cannot know: Kafka, lag, reports, quarantined, the last pass, dirty marks, demo.
	// Nil leaves them empty with Kafka "off".
	Status func(ctx context.Context) api.Status
	// Ready says why this server cannot do its part, beside the store being away; nil: nothing else is asked.
	Ready    func(ctx context.Context) error
	Registry *prometheus.Registry // served at /metrics; this package's metrics are registered in it
	Log      *slog.Logger
	Now      func() time.Time // nil: time.Now
}

// Config sets limits; zero values take the defaults.
type Config struct {
	Version      string
	Heartbeat    time.Duration // of the live stream; default 15 s
	Subscribers  int           // of the live stream at once; default 200
	QueryTimeout time.Duration // for one call; default 25 s
	Patience     time.Duration // how long a call may take before the store is asked whether it is there at all; default 5 s
}

func (c Config) withDefaults() Config {
	if c.Heartbeat <= 0 {
		c.Heartbeat = 15 * time.Second
	}
	if c.Subscribers <= 0 {
		c.Subscribers = 200
	}
	if c.QueryTimeout <= 0 {
		c.QueryTimeout = 25 * time.Second
	}
	if c.Patience <= 0 {
		c.Patience = 5 * time.Second
	}
	return c
}

// Inspector is the HTTP API and everything it needs.
type Inspector struct {
	Deps
	config      Config
	engine      *gin.Engine
	failures    *access.Failures
	crossOrigin *http.CrossOriginProtection
	api         huma.API
	hub         *hub
	metrics     metrics
	spec        []byte        // OpenAPI 3.1, YAML
	puts        chan struct{} // holds one value while settings are changed: one change at a time
}

// New builds the API. It dials nothing and starts nothing; an error tells of metrics registered
// twice or of a document that could not be written.
func New(deps Deps, config Config) (*Inspector, error) {
	if deps.Now == nil {
		deps.Now = time.Now
	}
	s := &Inspector{
		Deps: deps, config: config.withDefaults(), puts: make(chan struct{}, 1), failures: access.NewFailures(), crossOrigin: http.NewCrossOriginProtection(),
	}
	if err := s.metrics.register(deps.Registry); err != nil {
		return nil, err
	}
	s.hub = newHub(deps.Feed, s.describe, s.config.Subscribers, deps.Now(), s.metrics.dropped)
	s.engine = s.newEngine()
	s.api = newAPI(s.engine, s.config.Version)
	s.routes()
	spec, err := s.writeSpec()
	if err != nil {
		return nil, err
	}
	s.spec = spec
	return s, nil
}

// Handler serves the API, the pages, health and metrics.
func (s *Inspector) Handler() http.Handler { return s.engine }

// Start begins to pass changes on to the live streams.
func (s *Inspector) Start() { s.hub.start() }

// Stop ends the live streams, so that the HTTP server can shut down; new ones are refused. It waits for what Start began.
func (s *Inspector) Stop(ctx context.Context) error { return s.hub.stop(ctx) }

func (s *Inspector) routes() {
	s.streamRoutes()
	s.windowRoutes()
	s.latencyRoutes()
	s.emitterRoutes()
	s.hourRoutes()
	s.waiverRoutes()
	s.epochRoutes()
	s.watermarkRoutes()
	s.incidentRoutes()
	s.schemaRoutes()
	s.certificateRoutes()
	s.gateRoutes()
	s.plainRoutes()
}
