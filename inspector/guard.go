package inspector

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/rollcallhq/rollcall/internal/access"
)

// Access tells who a request comes from, by all values of its header Authorization.
type Access interface {
	// Check returns access.ErrMissing, ErrMalformed or ErrUnknown, or the caller with ErrExpired or ErrRevoked.
	Check(authorization []string, now time.Time) (access.Caller, error)
}

const (
	reportsRoute = "/api/v1/reports"
	samplesRoute = "/api/v1/samples"
)

// rules is the one table of who may call what: for every route the least role. A route that is not in it is nobody's.
var rules = map[string]access.Role{
	"GET /healthz":      access.Open,
	"GET /readyz":       access.Open,
	"GET /openapi.yaml": access.Known,
	"GET /metrics":      access.Viewer,

	"POST " + reportsRoute: access.Ingest, // with ?backfill=true access.Operator
	"POST " + samplesRoute: access.Ingest,

	"GET /api/v1/stream":                                  access.Viewer,
	"GET /api/v1/status":                                  access.Viewer,
	"GET /api/v1/quarantine":                              access.Viewer,
	"GET /api/v1/uids/:uid":                               access.Viewer,
	"GET /api/v1/hours":                                   access.Viewer,
	"GET /api/v1/streams":                                 access.Viewer,
	"GET /api/v1/streams/:stream":                         access.Viewer,
	"GET /api/v1/streams/:stream/emitters":                access.Viewer,
	"GET /api/v1/streams/:stream/hours/:hour":             access.Viewer,
	"GET /api/v1/streams/:stream/hours/:hour/certificate": access.Viewer,
	"GET /api/v1/streams/:stream/hours/:hour/waivers":     access.Viewer,
	"GET /api/v1/streams/:stream/waivers":                 access.Viewer,
	"GET /api/v1/streams/:stream/epochs":                  access.Viewer,
	"GET /api/v1/streams/:stream/latency":                 access.Viewer,
	"GET /api/v1/streams/:stream/objectives":              access.Viewer,
	"GET /api/v1/streams/:stream/watermark":               access.Viewer,
	"GET /api/v1/streams/:stream/watermark/history":       access.Viewer,
	"GET /api/v1/streams/:stream/windows":                 access.Viewer,
	"GET /api/v1/streams/:stream/windows/:start":          access.Viewer,
	"GET /api/v1/streams/:stream/windows/:start/evidence": access.Viewer,
	"GET /api/v1/streams/:stream/windows/:start/uids":     access.Viewer,
	"GET /api/v1/streams/:stream/schemas":                 access.Viewer,
	"GET /api/v1/streams/:stream/samples":                 access.Viewer,
	"GET /api/v1/streams/:stream/certificates":            access.Viewer,
	"GET /api/v1/streams/:stream/chain":                   access.Viewer,
	"GET /api/v1/streams/:stream/hours/:hour/digests":     access.Viewer,
	"GET /api/v1/keys":                                    access.Viewer,
	"GET /api/v1/incidents":                               access.Viewer,
	"GET /api/v1/incidents/:id":                           access.Viewer,
	"GET /api/v1/silences":                                access.Viewer,

	"POST /api/v1/streams/:stream/hours/:hour/certificate": access.Operator,
	"PUT /api/v1/streams/:stream":                          access.Operator,
	"POST /api/v1/streams/:stream/emitters/:id/close":      access.Operator,
	"POST /api/v1/streams/:stream/sources/:id/close":       access.Operator,
	"POST /api/v1/streams/:stream/lanes/close":             access.Operator,
	"POST /api/v1/streams/:stream/hours/:hour/waivers":     access.Operator,
	"POST /api/v1/streams/:stream/epochs":                  access.Operator,
	"POST /api/v1/incidents/:id/ack":                       access.Operator,
	"POST /api/v1/silences":                                access.Operator,
	"DELETE /api/v1/silences/:id":                          access.Operator,
}

// leastOf is the role that a request asks for. The pages hold no data and are open; of a call that does not exist only those
// with a token hear so.
func leastOf(c *gin.Context) access.Role {
	switch route := c.FullPath(); {
	case route == "" && isAPI(c.Request.URL.Path):
		return access.Known
	case route == "":
		return access.Open
	case route == reportsRoute && backfills(c.Request.URL.Query()):
		return access.Operator
	default:
		return rules[c.Request.Method+" "+route]
	}
}

// backfills says whether reports come with ?backfill=true, or anything else but a plain no.
func backfills(query url.Values) bool {
	for _, value := range query["backfill"] {
		if wide, err := strconv.ParseBool(value); err != nil || wide {
			return true
		}
	}
	return false
}

// Why a request is not let in, beside the errors of access.
var (
	errRole      = errors.New("role")
	errOtherSite = errors.New("the request was made by another site")
)

// tooMany says that a client showed too many wrong tokens.
type tooMany struct {
	wait time.Duration
	err  error
}

func (t *tooMany) Error() string {
	return "too many requests without a good token came from this address"
}
func (t *tooMany) Unwrap() error { return t.err }

// guard lets a request in whose caller may make it, and says so in its context.
func (s *Inspector) guard(c *gin.Context) {
	v, least := visitOf(c), leastOf(c)
	if least == access.Open {
		c.Next()
		return
	}
	caller, err := s.caller(c.Request)
	v.caller = caller
	switch {
	case err != nil:
		v.refused = s.limited(c.Request, err)
		writeProblem(c, s.unknownProblem(c, v.refused))
	case !caller.Role.May(least):
		v.refused = errRole
		writeProblem(c, roleProblem(c, caller.Role, least))
	default:
		c.Request = c.Request.WithContext(access.With(c.Request.Context(), caller))
		c.Next()
	}
}

// caller says who makes a request. Where there are no tokens everybody is local and may do everything.
func (s *Inspector) caller(r *http.Request) (access.Caller, error) {
	if s.Access == nil {
		return access.Caller{Name: access.Local, Role: access.Admin}, nil
	}
	return s.Access.Check(r.Header.Values("Authorization"), s.Now())
}

// limited counts a failed authentication of its client, and makes it one of too many where it is. A good token is never
// refused for the bad ones of others behind its address. Reading without a token, as a page does at first, counts for nothing.
func (s *Inspector) limited(r *http.Request, err error) error {
	if errors.Is(err, access.ErrMissing) && !changes(r.Method) {
		return err
	}
	if wait := s.failures.Note(r.RemoteAddr, s.Now()); wait > 0 {
		return &tooMany{wait, err}
	}
	return err
}

// unknownProblem answers who showed no good token: 401, or 429 to one who did too often.
func (s *Inspector) unknownProblem(c *gin.Context, err error) *problem {
	var often *tooMany
	if errors.As(err, &often) {
		p := newProblem(http.StatusTooManyRequests, "%s; the last: %s", often, often.err)
		p.retryAfter = strconv.Itoa(int(math.Ceil(often.wait.Seconds())))
		return p
	}
	challenge := `Bearer realm="rollcall"`
	if !errors.Is(err, access.ErrMissing) {
		challenge += `, error="invalid_token"`
	}
	c.Header("WWW-Authenticate", challenge)
	return newProblem(http.StatusUnauthorized, "%s", err)
}

func roleProblem(c *gin.Context, has, least access.Role) *problem {
	if least == "" {
		return newProblem(http.StatusForbidden, "no role may make this call")
	}
	c.Header("WWW-Authenticate", fmt.Sprintf(`Bearer realm="rollcall", error="insufficient_scope", scope=%q`, least))
	return newProblem(http.StatusForbidden, "this call needs the role %s; the token has the role %s", least, has)
}

// stillMay says whether a request that goes on for long would still be let in: its token may have been revoked meanwhile.
func (s *Inspector) stillMay(r *http.Request, least access.Role) bool {
	caller, err := s.caller(r)
	return err == nil && caller.Role.May(least)
}

// sameSite refuses requests that would change something and that another site made a browser send.
func (s *Inspector) sameSite(c *gin.Context) {
	if err := s.crossOrigin.Check(c.Request); err != nil {
		visitOf(c).refused = errOtherSite
		writeProblem(c, newProblem(http.StatusForbidden, "%s", errOtherSite))
		return
	}
	c.Next()
}

// changes says whether a method may change something.
func changes(method string) bool {
	return method != http.MethodGet && method != http.MethodHead && method != http.MethodOptions
}
