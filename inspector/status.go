package inspector

import (
	"context"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/rollcallhq/rollcall/inspector/api"
	"github.com/rollcallhq/rollcall/internal/store"
)

const (
	pingTimeout     = 3 * time.Second
	quarantinePiece = 16       // records read at once: each may hold megabytes
	quarantineBytes = 16 << 20 // of bodies in one page
)

func (s *Inspector) getStatus(ctx context.Context, _ *struct{}) (*answer[api.Status], error) {
	out := api.Status{Kafka: "off"}
	if s.Status != nil {
		out = s.Status(ctx)
	}
	out.Version, out.Store = s.config.Version, "ok"
	if s.ping(ctx) != nil {
		out.Store = "away"
	}
	if out.LastPass != nil {
		out.ReconcileAgeMillis = max(0, s.Now().Sub(*out.LastPass).Milliseconds())
	}
	return reply(out), nil
}

func (s *Inspector) ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, pingTimeout)
	defer cancel()
	return s.Store.Ping(ctx)
}

func (s *Inspector) listQuarantine(ctx context.Context, in *struct{ PageParams }) (*answer[api.Page[api.Quarantined]], error) {
	limit, after, err := in.read()
	if err != nil {
		return nil, err
	}
	out := api.Page[api.Quarantined]{Items: []api.Quarantined{}}
	bytes := 0
	for len(out.Items) < limit && bytes < quarantineBytes {
		piece, err := s.Store.Quarantined(ctx, after, min(quarantinePiece, limit-len(out.Items)))
		if err != nil {
			return nil, err
		}
		if len(piece) == 0 {
			return reply(out), nil
		}
		for _, q := range piece {
			out.Items = append(out.Items, quarantinedOf(q))
			bytes += len(q.Body)
		}
		after = piece[len(piece)-1].ID
	}
	if more, err := s.Store.Quarantined(ctx, after, 1); err != nil {
		return nil, err
	} else if len(more) > 0 {
		out.Next = cursor(after)
	}
	return reply(out), nil
}

func quarantinedOf(q store.Quarantined) api.Quarantined {
	return api.Quarantined{
		ID: q.ID, At: q.At.UTC(), Topic: q.Topic, Partition: q.Partition, Offset: q.Offset, Reason: q.Reason, Bytes: len(q.Body), Body: q.Body,
	}
}

// plainRoutes are those that are not calls of the JSON API. Each of them is described in spec.go.
func (s *Inspector) plainRoutes() {
	s.engine.POST(reportsRoute, takenBy(&s.Reports))
	s.engine.POST(samplesRoute, takenBy(&s.Samples))
	s.engine.GET("/api/v1/stream", s.live)
	s.engine.GET("/healthz", func(c *gin.Context) { c.JSON(http.StatusOK, api.Health{Status: "ok"}) })
	s.engine.GET("/readyz", s.ready)
	s.engine.GET("/metrics", gin.WrapH(promhttp.HandlerFor(s.Registry, promhttp.HandlerOpts{})))
	s.engine.GET("/openapi.yaml", func(c *gin.Context) { c.Data(http.StatusOK, "application/openapi+yaml", s.spec) })
}

// takenBy passes a request on to the intake, where this server has one.
func takenBy(intake *http.Handler) gin.HandlerFunc {
	return func(c *gin.Context) {
		if *intake == nil {
			writeProblem(c, notFound("this server does not have the role ingest"))
			return
		}
		(*intake).ServeHTTP(c.Writer, c.Request)
	}
}

func (s *Inspector) ready(c *gin.Context) {
	if why := s.unready(c.Request.Context()); why != "" {
		p := newProblem(http.StatusServiceUnavailable, "%s", why)
		p.retryAfter = "2"
		writeProblem(c, p)
		return
	}
	c.JSON(http.StatusOK, api.Health{Status: "ok"})
}

// unready says why the server cannot do its part; it is empty when it can.
func (s *Inspector) unready(ctx context.Context) string {
	if s.ping(ctx) != nil {
		return "the store does not answer"
	}
	if s.Ready != nil {
		if err := s.Ready(ctx); err != nil {
			return err.Error()
		}
	}
	return ""
}
