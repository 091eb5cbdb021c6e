package inspector

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"
)

// metrics counts what the API does. The labels are bounded: routes are those registered.
type metrics struct {
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	panics   prometheus.Counter
	failures prometheus.Counter
	dropped  prometheus.Counter
	visits   *prometheus.CounterVec
	refused  *prometheus.CounterVec
}

func (m *metrics) register(r *prometheus.Registry) error {
	if r == nil {
		return errors.New("inspector: no registry given for metrics")
	}
	m.requests = prometheus.NewCounterVec(prometheus.CounterOpts{Name: "rollcall_http_requests_total", Help: "Requests answered."}, []string{"route", "method", "code"})
	m.seconds = prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "rollcall_http_seconds", Help: "Time to answer.", Buckets: prometheus.ExponentialBuckets(0.001, 4, 8)}, []string{"route"})
	m.panics = prometheus.NewCounter(prometheus.CounterOpts{Name: "rollcall_http_panics_total", Help: "Requests that ended in a panic."})
	m.failures = prometheus.NewCounter(prometheus.CounterOpts{Name: "rollcall_http_failures_total", Help: "Calls of the API that failed for a reason of our own."})
	m.dropped = prometheus.NewCounter(prometheus.CounterOpts{Name: "rollcall_live_dropped_total", Help: "Live streams ended because their reader was too slow."})
	m.visits = prometheus.NewCounterVec(prometheus.CounterOpts{Name: "rollcall_access_requests_total", Help: "Requests by the role of their token: none without a good one, local where the server has no tokens."}, []string{"role", "code"})
	m.refused = prometheus.NewCounterVec(prometheus.CounterOpts{Name: "rollcall_access_refused_total", Help: "Requests refused at the door (missing, malformed, unknown, expired, revoked, too_many, role, other_site)."}, []string{"reason"})
	for _, c := range []prometheus.Collector{m.requests, m.seconds, m.panics, m.failures, m.dropped, m.visits, m.refused} {
		if err := r.Register(c); err != nil {
			return fmt.Errorf("inspector: register metrics: %w", err)
		}
	}
	return nil
}

// newEngine returns a router without routes of its own that answers every request with a page or a problem.
func (s *Inspector) newEngine() *gin.Engine {
	gin.SetMode(gin.ReleaseMode) // gin prints every route to stdout otherwise
	e := gin.New()
	e.HandleMethodNotAllowed = true
	e.RedirectTrailingSlash = false
	e.UseRawPath, e.UnescapePathValues = true, true // a foreign UID may hold an escaped slash
	_ = e.SetTrustedProxies(nil)                    // nil cannot fail: it names no network
	e.Use(s.count, s.journal, s.recover, headers, s.sameSite, s.guard)
	e.NoRoute(s.noRoute)
	e.NoMethod(noMethod)
	return e
}

func (s *Inspector) count(c *gin.Context) {
	start := time.Now()
	c.Next()
	route := c.FullPath()
	if route == "" {
		route = "page"
	}
	s.metrics.requests.WithLabelValues(route, method(c.Request.Method), strconv.Itoa(c.Writer.Status())).Inc()
	s.metrics.seconds.WithLabelValues(route).Observe(time.Since(start).Seconds())
}

// method bounds the label: a client may send any word.
func method(m string) string {
	switch m {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodOptions, http.MethodPatch:
		return m
	}
	return "other"
}

// recover turns a panic into a problem that tells nothing of the inside.
func (s *Inspector) recover(c *gin.Context) {
	defer func() {
		reason := recover()
		if reason == nil {
			return
		}
		if err, ok := reason.(error); ok && peerGone(err) {
			c.Abort()
			return
		}
		s.metrics.panics.Inc()
		s.Log.Error("a request ended in a panic", "method", c.Request.Method, "route", c.FullPath(), "panic", fmt.Sprint(reason), "stack", string(debug.Stack()))
		if !c.Writer.Written() {
			writeProblem(c, newProblem(http.StatusInternalServerError, "the server could not answer; its log says why"))
		}
		c.Abort()
	}()
	c.Next()
}

// peerGone tells a reader that went away from a fault of ours.
func peerGone(err error) bool {
	return errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, http.ErrAbortHandler)
}

func isAPI(path string) bool { return path == "/api" || strings.HasPrefix(path, "/api/") }

func (s *Inspector) noRoute(c *gin.Context) {
	path := c.Request.URL.Path
	switch {
	case isAPI(path):
		writeProblem(c, notFound("there is no call %s %s; /openapi.yaml lists them", c.Request.Method, path))
	case c.Request.Method != http.MethodGet && c.Request.Method != http.MethodHead:
		c.Header("Allow", "GET, HEAD")
		noMethod(c)
	case s.Pages == nil:
		writeProblem(c, notFound("this server has no pages"))
	default:
		c.Status(http.StatusOK) // gin begins with 404 here; the pages say what it is
		s.Pages.ServeHTTP(c.Writer, c.Request)
	}
}

func noMethod(c *gin.Context) {
	writeProblem(c, newProblem(http.StatusMethodNotAllowed, "%s is not possible on %s; possible: %s", c.Request.Method, c.Request.URL.Path, c.Writer.Header().Get("Allow")))
}
