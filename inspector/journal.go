package inspector

import (
	"crypto/rand"
	"errors"
	"log/slog"
	"regexp"
	"strconv"

	"github.com/gin-gonic/gin"

	"github.com/rollcallhq/rollcall/audit/wire"
	"github.com/rollcallhq/rollcall/internal/access"
)

// visit is what is told of a request in the access log. The caller of one that was refused has a name where its token was
// good once.
type visit struct {
	id      string
	caller  access.Caller
	refused error // by the door; nil where a handler answered
}

const (
	visitKey = "visit"
	maxName  = 200 // characters of a stream's name
)

// visitOf returns the visit that journal began.
func visitOf(c *gin.Context) *visit { return c.MustGet(visitKey).(*visit) }

// idForm is what is taken of X-Request-Id, which goes into the log and back to its sender.
var idForm = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// journal gives a request its id, counts it by role, and writes what it changed or was refused into the log.
func (s *Inspector) journal(c *gin.Context) {
	v := &visit{id: c.GetHeader("X-Request-Id")}
	if !idForm.MatchString(v.id) {
		v.id = rand.Text()[:16]
	}
	c.Set(visitKey, v)
	c.Header("X-Request-Id", v.id)
	c.Next()
	status := c.Writer.Status()
	s.metrics.visits.WithLabelValues(roleLabel(v), strconv.Itoa(status)).Inc()
	if v.refused != nil {
		s.metrics.refused.WithLabelValues(refusalLabel(v.refused)).Inc()
	}
	if level, told := levelOf(c, v); told {
		s.logVisit(c, v, level, status)
	}
}

// levelOf says at which level a request is logged, if it is. Changes are, and so is what was refused at the door but for
// readers without a token and for clients that were refused too often: these are counted only, lest they fill the log. Plain
// reports are data and no change, and many: they are logged at debug.
func levelOf(c *gin.Context, v *visit) (level slog.Level, told bool) {
	var often *tooMany
	changing := changes(c.Request.Method)
	switch {
	case errors.As(v.refused, &often), errors.Is(v.refused, access.ErrMissing) && !changing:
		return 0, false
	case v.refused != nil:
		return slog.LevelWarn, true
	case !changing || c.FullPath() == "":
		return 0, false
	case c.FullPath() == samplesRoute, c.FullPath() == reportsRoute && !backfills(c.Request.URL.Query()):
		return slog.LevelDebug, true
	}
	return slog.LevelInfo, true
}

// logVisit writes one line. What a client can choose is bounded and printable; the handler quotes it.
func (s *Inspector) logVisit(c *gin.Context, v *visit, level slog.Level, status int) {
	route := c.FullPath()
	if route == "" {
		route = "none"
	}
	line := []slog.Attr{
		slog.String("who", v.caller.Name), slog.String("role", roleLabel(v)), slog.String("method", method(c.Request.Method)),
		slog.String("route", route), slog.String("stream", wire.Printable(c.Param("stream"), maxName)), slog.Int("status", status),
		slog.String("remote", c.Request.RemoteAddr), slog.String("request", v.id),
	}
	if v.refused != nil {
		line = append(line, slog.String("refused", refusalLabel(v.refused)))
	}
	s.Log.LogAttrs(c.Request.Context(), level, "access", line...)
}

// roleLabel is the role a request was made with: local where there are no tokens, none where no good one was shown.
func roleLabel(v *visit) string {
	switch {
	case v.caller.Name == access.Local:
		return access.Local
	case v.caller.Role == "" || v.refused != nil && !errors.Is(v.refused, errRole):
		return "none"
	}
	return string(v.caller.Role)
}

// refusalLabel names why the door refused a request: one of a few words.
func refusalLabel(err error) string {
	var often *tooMany
	switch {
	case errors.As(err, &often):
		return "too_many"
	case errors.Is(err, errRole):
		return "role"
	case errors.Is(err, errOtherSite):
		return "other_site"
	case errors.Is(err, access.ErrMissing):
		return "missing"
	case errors.Is(err, access.ErrMalformed):
		return "malformed"
	case errors.Is(err, access.ErrExpired):
		return "expired"
	case errors.Is(err, access.ErrRevoked):
		return "revoked"
	}
	return "unknown"
}

// policy forbids a browser to do anything with an answer of the API but to show it; the pages have one of their own.
const policy = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// headers are those of every answer. Pages say otherwise of caching and of what a browser may load.
func headers(c *gin.Context) {
	h := c.Writer.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Content-Security-Policy", policy)
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
	if c.Request.TLS != nil {
		h.Set("Strict-Transport-Security", "max-age=31536000; includeSubDomains")
	}
	c.Next()
}
