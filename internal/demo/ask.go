package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/rollcallhq/rollcall/inspector/api"
)

const askTimeout = 30 * time.Second

// asker asks the server as any client would.
type asker struct {
	base string
	http *http.Client
}

func newAsker(server string) *asker {
	return &asker{base: server + "/api/v1/streams/" + stream, http: &http.Client{Timeout: askTimeout}}
}

// configure sets the stream up: short windows, and both edges required.
func (a *asker) configure(ctx context.Context) error {
	grace, settle, skew := uint32(2), uint32(120), uint32(200) // one clock: little skew
	body, err := json.Marshal(api.Settings{
		WindowSeconds: uint32(windowLength / time.Second), GraceSeconds: &grace, SettleSeconds: &settle, SkewMillis: &skew,
		Edges: []string{edgeRelay, edgeSink}, Owner: "demo",
	})
	if err != nil {
		return fmt.Errorf("encode the settings: %w", err)
	}
	return a.do(ctx, http.MethodPut, "", body, nil)
}

// windows returns the verdicts of windows that start in [from, to).
func (a *asker) windows(ctx context.Context, from, to time.Time) ([]api.Window, error) {
	query := url.Values{"from": {from.Format(time.RFC3339)}, "to": {to.Format(time.RFC3339)}}
	return list[api.Window](ctx, a, "/windows", query)
}

// names returns what Rollcall says of one kind in one window.
func (a *asker) names(ctx context.Context, w api.Window, kind string) ([]saying, error) {
	query := url.Values{"edge": {w.Edge}, "kind": {kind}}
	uids, err := list[api.UID](ctx, a, "/windows/"+w.Start.UTC().Format(time.RFC3339)+"/uids", query)
	if err != nil {
		return nil, err
	}
	said := make([]saying, len(uids))
	for i, u := range uids {
		said[i] = saying{claim{w.Edge, kind}, u.UID}
	}
	return said, nil
}

// slow returns how many events of windows that start in [from, to) took longer than the demo calls slow to the relay.
func (a *asker) slow(ctx context.Context, from, to time.Time) (uint64, error) {
	query := url.Values{"from": {from.Format(time.RFC3339)}, "to": {to.Format(time.RFC3339)}, "edge": {edgeRelay}, "limit": {"1"}}
	var page api.LatencyPage
	if err := a.do(ctx, http.MethodGet, "/latency?"+query.Encode(), nil, &page); err != nil {
		return 0, err
	}
	var n uint64
	for _, whole := range page.Whole {
		if whole.Edge != edgeRelay {
			continue
		}
		for _, b := range whole.Buckets {
			if b.Lower >= float64(slow/time.Millisecond) {
				n += b.Count
			}
		}
	}
	return n, nil
}

func list[T any](ctx context.Context, a *asker, path string, query url.Values) ([]T, error) {
	query.Set("limit", "1000")
	var all []T
	for {
		var page api.Page[T]
		if err := a.do(ctx, http.MethodGet, path+"?"+query.Encode(), nil, &page); err != nil {
			return nil, err
		}
		all = append(all, page.Items...)
		if page.Next == "" {
			return all, nil
		}
		query.Set("cursor", page.Next)
	}
}

func (a *asker) do(ctx context.Context, method, path string, body []byte, out any) error {
	request, err := http.NewRequestWithContext(ctx, method, a.base+path, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	request.Header.Set("Content-Type", "application/json")
	answer, err := a.http.Do(request)
	if err != nil {
		return fmt.Errorf("ask the server: %w", err)
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return fmt.Errorf("%s %s: read the answer: %w", method, path, err)
	}
	if answer.StatusCode/100 != 2 {
		return fmt.Errorf("%s %s: the server answers %d: %s", method, path, answer.StatusCode, text)
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(text, out); err != nil {
		return fmt.Errorf("%s %s: read the answer: %w", method, path, err)
	}
	return nil
}
