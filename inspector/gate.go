package inspector

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/rollcallhq/rollcall/inspector/api"
	"github.com/rollcallhq/rollcall/internal/access"
	"github.com/rollcallhq/rollcall/internal/certificate"
	"github.com/rollcallhq/rollcall/internal/store"
)

func (s *Inspector) gateRoutes() {
	get(s, "get-certificate", "/streams/{stream}/hours/{hour}/certificate",
		"The gate for schedulers: 200 certified, 404 not yet, 409 incomplete or unknown, 410 revoked", s.getCertificate)
	register(s, call{id: "issue-certificate", method: http.MethodPost, path: "/streams/{stream}/hours/{hour}/certificate",
		summary: "Certify an hour: 201; 200 where a certificate stands and nothing changed; 409 with what stands in the way; 425 while it is settling"}, s.issueCertificate)
}

// entry is an answer that is an envelope, as it stands in the chain.
type entry struct {
	Status int
	ETag   string `header:"ETag" doc:"hash of the entry"`
	Body   json.RawMessage
}

func entryOf(status int, c *store.Certificate) *entry {
	return &entry{Status: status, ETag: fmt.Sprintf(`"%x"`, c.Hash), Body: c.Envelope}
}

type gateInput struct {
	StreamParam
	Hour string `path:"hour" doc:"in UTC, as 2026-11-22T05"`
}

// getCertificate asks for the hour itself only where no entry speaks of it.
func (s *Inspector) getCertificate(ctx context.Context, in *gateInput) (*entry, error) {
	hour, err := readKnownHour(in.Hour)
	if err != nil {
		return nil, err
	}
	if err := checkName("path.stream", in.Stream); err != nil {
		return nil, err
	}
	last, there, err := s.Store.LastCertificate(ctx, in.Stream, hour)
	switch {
	case err != nil:
		return nil, err
	case there && last.Action == actionRevoke:
		return nil, revokedProblem(in, &last)
	case there:
		return entryOf(http.StatusOK, &last), nil
	}
	h, err := s.knownHour(ctx, in.Stream, hour)
	if err != nil {
		return nil, err
	}
	if len(h.SettledBars()) > 0 {
		return nil, barredProblem(&h, lasting(h.Bars))
	}
	p := notFound("hour %s of %s is not certified yet: %s", in.Hour, in.Stream, notYet(&h))
	p.retryAfter = "10"
	return nil, p
}

// actionRevoke is the action of the entry that takes a certificate back.
const actionRevoke = string(certificate.Revoke)

// knownHour rolls up an hour of which anything is known. Gates are asked often: what is wrong with the question is looked for only where there is no
// answer.
func (s *Inspector) knownHour(ctx context.Context, stream string, hour time.Time) (store.Hour, error) {
	now := s.Now()
	hours, err := s.Auditor.Hours(ctx, []string{stream}, hour, hour.Add(time.Hour), now)
	if err != nil || len(hours) == 1 {
		return append(hours, store.Hour{})[0], err
	}
	if _, err := s.stream(ctx, stream, now); err != nil {
		return store.Hour{}, err
	}
	if hour.After(now) {
		return store.Hour{}, notFound("hour %s lies in the future", hour.Format(hourForm))
	}
	return store.Hour{}, notFound("stream %s has no window in hour %s", stream, hour.Format(hourForm))
}

func revokedProblem(in *gateInput, last *store.Certificate) *problem {
	return newProblem(http.StatusGone, "the certificate of hour %s of %s was revoked at %s: %s", in.Hour, in.Stream, stamp(last.IssuedAt), last.Reason)
}

// notYet says what an hour without a certificate waits for.
func notYet(h *store.Hour) string {
	switch {
	case slices.Contains(h.Bars, store.BarRunning):
		return "it runs until " + stamp(h.Start.Add(time.Hour))
	case slices.Contains(h.Bars, store.BarSettling):
		return "it is settling"
	case len(h.Bars) > 0:
		return barText(h, h.Bars[0])
	}
	return "it is complete, and nobody has asked for its certificate (\"rollcall certify\", or certify.auto in the stream's settings)"
}

// lasting leaves out what time alone may take away.
func lasting(bars []string) []string {
	return slices.DeleteFunc(slices.Clone(bars), func(bar string) bool { return bar == store.BarRunning || bar == store.BarSettling })
}

// barredProblem says what stands in the way of a certificate.
func barredProblem(h *store.Hour, bars []string) *problem {
	words := make([]string, len(bars))
	for i, bar := range bars {
		words[i] = barText(h, bar)
	}
	p := newProblem(http.StatusConflict, "hour %s of %s cannot be certified: %s", h.Start.UTC().Format(hourForm), h.Stream, strings.Join(words, "; "))
	for i, bar := range bars {
		p.Errors = append(p.Errors, api.Fault{Path: "hour." + bar, Message: words[i]})
	}
	return p
}

// barText says in words what stands in the way.
func barText(h *store.Hour, bar string) string {
	if events, waived := h.Bad(bar); waived > 0 {
		return fmt.Sprintf("%d events are %s, of which %d are waived", events, bar, waived)
	} else if events > 0 {
		return fmt.Sprintf("%d events are %s and not waived", events, bar)
	}
	switch bar {
	case "unknown":
		return "some of it is unknown: nobody can say that nothing is missing"
	case store.BarEdges:
		return "the stream's settings name no edges, and an edge nobody ever reported cannot be discovered: set edges"
	case "no-traffic":
		return "it has no event at all, and the stream expects traffic"
	case store.BarRunning:
		return "it still runs"
	case store.BarSettling:
		return "it is settling"
	}
	return bar
}

func (s *Inspector) issueCertificate(ctx context.Context, in *gateInput) (*entry, error) {
	hour, err := readKnownHour(in.Hour)
	if err != nil {
		return nil, err
	}
	if hour.After(s.Now()) {
		return nil, fault("path.hour", "hour %s lies in the future", in.Hour)
	}
	if _, err := s.knownHour(ctx, in.Stream, hour); err != nil {
		return nil, err
	}
	if s.Issuer == nil {
		return nil, newProblem(http.StatusNotImplemented, "this server has no keys to sign certificates with: give it --keys")
	}
	issue, err := s.Issuer.Issue(ctx, in.Stream, hour, access.From(ctx).Name)
	if err != nil {
		return nil, s.issueProblem(in, err)
	}
	h := &issue.Hour
	switch {
	case issue.Action == actionRevoke || len(h.SettledBars()) > 0:
		return nil, barredProblem(h, lasting(h.Bars))
	case len(h.Bars) > 0 && !issue.Stands():
		return nil, s.earlyProblem(h)
	case issue.Action != "":
		return entryOf(http.StatusCreated, issue.Last), nil
	case issue.Stands():
		return entryOf(http.StatusOK, issue.Last), nil
	}
	return nil, fmt.Errorf("inspector: nothing stands in the way of hour %s of %s, and it was not certified", in.Hour, in.Stream)
}

// earlyProblem answers for an hour of which time will tell, or whose stream has no edges.
func (s *Inspector) earlyProblem(h *store.Hour) *problem {
	if slices.Contains(h.Bars, store.BarEdges) {
		return barredProblem(h, []string{store.BarEdges})
	}
	p := newProblem(http.StatusTooEarly, "hour %s of %s cannot be certified yet: %s", h.Start.UTC().Format(hourForm), h.Stream, notYet(h))
	wait := time.Second
	if next := h.Next.Sub(s.Now()); next > wait {
		wait = next.Round(time.Second)
	}
	p.retryAfter = fmt.Sprint(int(wait / time.Second))
	return p
}

// issueProblem tells of a chain that cannot be written to now. What became of an entry may not be known: to ask again is right.
func (s *Inspector) issueProblem(in *gateInput, err error) error {
	if errors.Is(err, store.ErrAway) || errors.Is(err, context.Canceled) {
		return err
	}
	s.Log.Warn("a certificate could not be issued", "stream", in.Stream, "hour", in.Hour, "error", err)
	p := newProblem(http.StatusServiceUnavailable, "the certificate could not be written to its chain, or it is not known whether it was; ask again: the server's log says why")
	p.retryAfter = "5"
	return p
}
