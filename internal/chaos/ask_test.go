package chaos

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/rollcallhq/rollcall/inspector/api"
)

// asker asks a server as any client would.
type asker struct {
	base string // http://host:port
	http http.Client
}

func newAsker(base string) *asker {
	return &asker{base: base, http: http.Client{Timeout: 30 * time.Second}}
}

func (a *asker) do(ctx context.Context, method, path string, body []byte, out any) error {
	request, err := http.NewRequestWithContext(ctx, method, a.base+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	answer, err := a.http.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return err
	}
	if answer.StatusCode/100 != 2 {
		return fmt.Errorf("%s %s: %s: %s", method, path, answer.Status, text)
	}
	switch out := out.(type) {
	case nil:
		return nil
	case *string:
		*out = string(text)
		return nil
	}
	return json.Unmarshal(text, out)
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

// windows returns the verdicts of a stream of the last hour.
func (a *asker) windows(ctx context.Context, stream string) ([]api.Window, error) {
	from, to := time.Now().Add(-time.Hour).UTC(), time.Now().Add(time.Minute).UTC()
	query := url.Values{"from": {from.Format(time.RFC3339)}, "to": {to.Format(time.RFC3339)}}
	return list[api.Window](ctx, a, "/api/v1/streams/"+stream+"/windows", query)
}

// names returns the UIDs of one kind in one window.
func (a *asker) names(ctx context.Context, w api.Window, kind string) ([]string, error) {
	path := "/api/v1/streams/" + w.Stream + "/windows/" + w.Start.UTC().Format(time.RFC3339) + "/uids"
	uids, err := list[api.UID](ctx, a, path, url.Values{"edge": {w.Edge}, "kind": {kind}})
	if err != nil {
		return nil, err
	}
	names := make([]string, len(uids))
	for i, u := range uids {
		names[i] = u.UID
	}
	return names, nil
}

// metric sums the series of the server's metric whose labels contain with.
func (a *asker) metric(ctx context.Context, name, with string) (int64, error) {
	var text string
	if err := a.do(ctx, http.MethodGet, "/metrics", nil, &text); err != nil {
		return 0, err
	}
	sum := int64(0)
	for line := range strings.SplitSeq(text, "\n") {
		series, value, _ := strings.Cut(line, " ")
		if base, labels, _ := strings.Cut(series, "{"); base != name || !strings.Contains(labels, with) {
			continue
		}
		n, err := strconv.ParseFloat(value, 64)
		if err != nil {
			return 0, fmt.Errorf("metric %s: %w", series, err)
		}
		sum += int64(n)
	}
	return sum, nil
}

// configure sets a stream up with short windows.
func (a *asker) configure(ctx context.Context, stream string, edges ...string) error {
	grace, settle, skew := seconds(grace), seconds(settle), uint32(skew.Milliseconds())
	body, err := json.Marshal(api.Settings{
		WindowSeconds: seconds(windowLength), GraceSeconds: &grace, SettleSeconds: &settle, SkewMillis: &skew, Edges: edges, Owner: "chaos",
	})
	if err != nil {
		return err
	}
	return a.do(ctx, http.MethodPut, "/api/v1/streams/"+stream, body, nil)
}

func seconds(d time.Duration) uint32 { return uint32(d / time.Second) }
