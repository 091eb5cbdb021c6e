package web

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"
)

var built = fstest.MapFS{
	".gitkeep":            {},
	"index.html":          {Data: []byte("<!doctype html><title>Rollcall</title>")},
	"theme.js":            {Data: []byte("1")},
	"assets/main-abcd.js": {Data: []byte("2")},
}

func ask(t *testing.T, h http.Handler, method, target string, header ...string) (*http.Response, string) {
	t.Helper()
	r := httptest.NewRequest(method, target, nil)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	res := w.Result()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatalf("read answer to %s: %v", target, err)
	}
	return res, string(body)
}

func TestEveryPageRouteAnswersThePage(t *testing.T) {
	cases := map[string]int{
		"/": 200, "/hours": 200, "/hours?span=7d": 200, "/h/orders/2026-11-22T05": 200,
		"/w/orders.v1/2026-11-22T05:09:00Z?edge=app..agent": 200,
		"/uid/0199f09c-1d2e-8abc-9def-012300000001":         200, "/uid/%3Cb%3E": 200,
		"/incidents": 200, "/incidents/5f0a1cf0-2b5e-5d0e-9d3c-000000000001": 200, "/incidents/5f0a1cf0-2b5e-5d0e-9d3c-000000000001/mute?for=4h": 200,
		"/latency/orders.v1?of=app..agent": 200, "/schemas/orders.v1": 200, "/latency": 404, "/schemas/": 404,
		"/h/": 404, "/w": 404, "/nothing": 404, "/hours/x": 404, "/../../etc/passwd": 404, "/index.html": 404,
	}
	for target, want := range cases {
		res, body := ask(t, handler(built), "GET", target)
		if res.StatusCode != want || !strings.Contains(body, "Rollcall") {
			t.Errorf("GET %s: %d %q, want %d and the page", target, res.StatusCode, body, want)
		}
	}
}

func TestFilesAreServedWithTheirTypeAndCaching(t *testing.T) {
	cases := []struct{ target, kind, caching string }{
		{"/", "text/html; charset=utf-8", "no-cache"},
		{"/theme.js", "text/javascript; charset=utf-8", "no-cache"},
		{"/assets/main-abcd.js", "text/javascript; charset=utf-8", "public, max-age=31536000, immutable"},
	}
	for _, c := range cases {
		res, _ := ask(t, handler(built), "GET", c.target)
		if got := res.Header.Get("Content-Type"); got != c.kind {
			t.Errorf("%s: type %q, want %q", c.target, got, c.kind)
		}
		if got := res.Header.Get("Cache-Control"); got != c.caching {
			t.Errorf("%s: caching %q, want %q", c.target, got, c.caching)
		}
	}
}

func TestAMissingAssetIsNotThePage(t *testing.T) {
	if res, body := ask(t, handler(built), "GET", "/assets/old-1234.js"); res.StatusCode != 404 || strings.Contains(body, "<") {
		t.Errorf("got %d %q, want a plain 404", res.StatusCode, body)
	}
}

func TestEveryAnswerForbidsInlineCodeAndOutsideRequests(t *testing.T) {
	for _, target := range []string{"/", "/assets/main-abcd.js", "/assets/none.js", "/nothing"} {
		res, _ := ask(t, handler(built), "GET", target)
		got := res.Header.Get("Content-Security-Policy")
		if !strings.Contains(got, "default-src 'self'") || strings.Contains(got, "unsafe") {
			t.Errorf("%s: policy %q", target, got)
		}
		if res.Header.Get("X-Content-Type-Options") != "nosniff" || res.Header.Get("Referrer-Policy") != "no-referrer" {
			t.Errorf("%s: headers %v", target, res.Header)
		}
	}
}

func TestAnUnchangedFileIsNotSentAgain(t *testing.T) {
	res, _ := ask(t, handler(built), "GET", "/")
	again, body := ask(t, handler(built), "GET", "/", "If-None-Match", res.Header.Get("ETag"))
	if again.StatusCode != http.StatusNotModified || body != "" {
		t.Errorf("got %d %q, want 304 without a body", again.StatusCode, body)
	}
}

func TestOnlyReadingIsAllowed(t *testing.T) {
	if res, _ := ask(t, handler(built), "POST", "/"); res.StatusCode != 405 || res.Header.Get("Allow") != "GET, HEAD" {
		t.Errorf("POST: %d, Allow %q", res.StatusCode, res.Header.Get("Allow"))
	}
	if res, body := ask(t, handler(built), "HEAD", "/"); res.StatusCode != 200 || body != "" {
		t.Errorf("HEAD: %d %q, want 200 and no body", res.StatusCode, body)
	}
}

func TestWithoutABuildTheHandlerSaysWhatToRun(t *testing.T) {
	res, body := ask(t, handler(fstest.MapFS{".gitkeep": {}}), "GET", "/")
	if res.StatusCode != 503 || !strings.Contains(body, "make build") {
		t.Errorf("got %d %q, want 503 naming make build", res.StatusCode, body)
	}
}

func TestTheEmbeddedHandlerNeverFails(t *testing.T) {
	if res, _ := ask(t, Handler(), "GET", "/"); res.StatusCode != 200 && res.StatusCode != 503 {
		t.Errorf("got %d, want the page or word of the missing build", res.StatusCode)
	}
}
