package ingest

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/rollcallhq/rollcall/audit/wire"
)

func gzipped(t testing.TB, body []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write(body); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func zstded(t testing.TB, body []byte, opts ...zstd.EOption) []byte {
	t.Helper()
	z, err := zstd.NewWriter(nil, opts...)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = z.Close() }()
	return z.EncodeAll(body, nil)
}

func TestReportsAreTakenInEveryFormAndEncoding(t *testing.T) {
	m := newMemory()
	in := started(t, m, Config{Linger: time.Nanosecond})
	number := uint64(0)
	for _, form := range []struct {
		contentType string
		encode      func(testing.TB, ...wire.Report) []byte
	}{
		{"application/protobuf", bodyOf}, {"application/x-protobuf", bodyOf}, {"application/json", jsonOf}, {"application/json; charset=utf-8", jsonOf},
	} {
		for encoding, pack := range map[string]func([]byte) []byte{
			"": func(b []byte) []byte { return b }, "identity": func(b []byte) []byte { return b },
			"gzip": func(b []byte) []byte { return gzipped(t, b) }, "ZSTD": func(b []byte) []byte { return zstded(t, b) },
		} {
			number++
			t.Run(form.contentType+" "+encoding, func(t *testing.T) {
				body := pack(form.encode(t, reportOf("orders", number, "")))
				wantAccepted(t, post(in, body, "Content-Type", form.contentType, "Content-Encoding", encoding), 1)
			})
		}
	}
	if got := len(m.stored()); got != int(number) {
		t.Errorf("%d of %d stored", got, number)
	}
}

// changed returns the JSON of a good report with one text replaced.
func changed(t *testing.T, old, new string) []byte {
	t.Helper()
	good := string(jsonOf(t, reportOf("orders", 1, "web-17")))
	if !strings.Contains(good, old) {
		t.Fatalf("%s does not hold %s", good, old)
	}
	return []byte(strings.Replace(good, old, new, 1))
}

func withSource(t *testing.T, seen string) []byte {
	return changed(t, `"seconds":60`, `"seconds":60,"sources":[{"source":"0199f09c-1d2e-8abc-9def-012300000000","seen":`+seen+`}]`)
}

func TestBadInputIsRefusedWithItsPathAndTheServiceLivesOn(t *testing.T) {
	m := newMemory()
	in := started(t, m, Config{Linger: time.Nanosecond})
	const toJSON, toProto = "application/json", "application/protobuf"
	zeros := make([]byte, 64<<20)
	for _, c := range []struct {
		name, contentType, encoding string
		body                        []byte
		status                      int
		path                        string // of a fault; "-" where there is none
		reason                      string
	}{
		{"no content type", "", "", nil, 415, "-", reasonMediaType},
		{"a form", "application/x-www-form-urlencoded", "", []byte("a=b"), 415, "-", reasonMediaType},
		{"brotli", toJSON, "br", []byte("x"), 415, "-", reasonEncoding},
		{"gzip in gzip", toJSON, "gzip, gzip", gzipped(t, gzipped(t, []byte("{}"))), 415, "-", reasonEncoding},
		{"gzip in gzip said once", toJSON, "gzip", gzipped(t, gzipped(t, changed(t, "orders", "orders"))), 400, "", reasonUnreadable},
		{"not the gzip it says", toJSON, "gzip", changed(t, "orders", "orders"), 400, "-", reasonUnreadable},
		{"not the zstd it says", toJSON, "zstd", changed(t, "orders", "orders"), 400, "-", reasonUnreadable},
		{"gzip cut short", toJSON, "gzip", gzipped(t, bytes.Repeat([]byte("abc"), 1000))[:20], 400, "-", reasonUnreadable},
		{"gzip bomb", toJSON, "gzip", gzipped(t, zeros), 413, "-", reasonTooLarge},
		{"zstd bomb", toJSON, "zstd", zstded(t, zeros), 413, "-", reasonTooLarge},
		{"zstd with a huge window", toJSON, "zstd", zstded(t, zeros, zstd.WithWindowSize(64<<20), zstd.WithSingleSegment(true)), 413, "-", reasonTooLarge},
		{"10 MB", toJSON, "", make([]byte, 10<<20), 413, "-", reasonTooLarge},
		{"nothing", toJSON, "", nil, 400, "", reasonUnreadable},
		{"no JSON", toJSON, "", []byte("}{"), 400, "", reasonUnreadable},
		{"JSON cut short", toJSON, "", []byte(`{"reports":[{`), 400, "reports[0]", reasonUnreadable},
		{"no report", toJSON, "", []byte(`{"reports":[]}`), 400, "reports", reasonInvalid},
		{"no protobuf", toProto, "", []byte("\xff\xff\xff\xff"), 400, "", reasonUnreadable},
		{"unknown key", toJSON, "", changed(t, `"hop":`, `"hopp":1,"hop":`), 400, "reports[0].hopp", reasonUnreadable},
		{"key twice", toJSON, "", changed(t, `"hop":`, `"hop":"x","hop":`), 400, "reports[0].hop", reasonUnreadable},
		{"negative count", toJSON, "", changed(t, `"seconds":60`, `"seconds":60,"unplaced":{"tooOld":-1}`), 400, "reports[0].windows[0].unplaced.tooOld", reasonUnreadable},
		{"number zero", toJSON, "", changed(t, `"number":1`, `"number":0`), 400, "reports[0].number", reasonInvalid},
		{"name with a quote", toJSON, "", changed(t, `"stream":"orders"`, `"stream":"or'ders"`), 400, "reports[0].stream", reasonInvalid},
		{"name with a slash", toJSON, "", changed(t, `"stream":"orders"`, `"stream":"or/ders"`), 400, "reports[0].stream", reasonInvalid},
		{"name with a newline", toJSON, "", changed(t, `"hop":"app"`, `"hop":"app\n"`), 400, "reports[0].hop", reasonInvalid},
		{"window of 1970", toJSON, "", changed(t, "2026-11-22T05:10:00Z", "1970-01-01T00:00:00Z"), 400, "reports[0].windows[0].start", reasonInvalid},
		{"window of 2200", toJSON, "", changed(t, "2026-11-22T05:10:00Z", "2200-01-01T00:00:00Z"), 400, "reports[0].windows[0].start", reasonInvalid},
		{"window not aligned", toJSON, "", changed(t, "2026-11-22T05:10:00Z", "2026-11-22T05:10:01Z"), 400, "reports[0].windows[0].start", reasonInvalid},
		{"window of another length", toJSON, "", changed(t, `"seconds":60`, `"seconds":10`), 400, "reports[0].windows[0].seconds", reasonLength},
		{"roll that is no Roaring", toJSON, "", withSource(t, `{"roaring":"AAAAAAAAAAAA"}`), 400, "reports[0].windows[0].sources[0].seen.roaring", reasonUnreadable},
		{"roll of hostile Roaring", toJSON, "", withSource(t, `{"roaring":"OzD//wEAAAAAAP//"}`), 400, "reports[0].windows[0].sources[0].seen.roaring", reasonUnreadable},
		{"range backwards", toJSON, "", withSource(t, `{"ranges":[[9,3]]}`), 400, "reports[0].windows[0].sources[0].seen.ranges[0]", reasonUnreadable},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := counted(t, in.metrics.refused, viaHTTP, c.reason)
			header := []string{"Content-Type", c.contentType}
			if c.encoding != "" {
				header = append(header, "Content-Encoding", c.encoding)
			}
			p := wantProblem(t, post(in, c.body, header...), c.status)
			if c.path == "-" && len(p.Errors) > 0 || c.path != "-" && (len(p.Errors) == 0 || p.Errors[0].Path != c.path) {
				t.Errorf("faults %+v; want one at %q", p.Errors, c.path)
			}
			if after := counted(t, in.metrics.refused, viaHTTP, c.reason); after != before+1 {
				t.Errorf("not counted as %s", c.reason)
			}
		})
	}
	if len(m.stored()) != 0 {
		t.Errorf("bad input was stored: %v", m.stored())
	}
	if in.room.TryAcquire(in.config.QueueBytes) {
		in.room.Release(in.config.QueueBytes)
	} else {
		t.Error("room is still held by what was refused")
	}
	wantAccepted(t, post(in, bodyOf(t, reportOf("orders", 1, ""))), 1)
}

func TestABombCostsNoMoreThanItsLimits(t *testing.T) {
	in := started(t, newMemory(), Config{})
	zeros := make([]byte, 256<<20)
	for encoding, bomb := range map[string][]byte{
		"gzip": gzipped(t, zeros), "zstd": zstded(t, zeros, zstd.WithWindowSize(8<<20)),
	} {
		t.Run(encoding, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			begin := time.Now()
			wantProblem(t, post(in, bomb, "Content-Encoding", encoding), http.StatusRequestEntityTooLarge)
			took := time.Since(begin)
			runtime.ReadMemStats(&after)
			cost := after.TotalAlloc - before.TotalAlloc
			t.Logf("%d bytes of %s: %d KiB allocated in %s", len(bomb), encoding, cost>>10, took)
			if cost > 14<<20 { // the window of zstd and one body
				t.Errorf("%d MiB allocated", cost>>20)
			}
		})
	}
}

func TestBackfillTakesOldWindowsOnlyWhenAsked(t *testing.T) {
	m := newMemory()
	in := started(t, m, Config{Linger: time.Nanosecond})
	old := reportOf("orders", 1, "")
	old.Windows[0].Start = testNow.Add(-20 * 24 * time.Hour).Truncate(time.Minute)
	older := reportOf("orders", 2, "")
	older.Windows[0].Start = testNow.Add(-31 * 24 * time.Hour).Truncate(time.Minute)
	wantProblem(t, post(in, bodyOf(t, old)), http.StatusBadRequest)
	wantAccepted(t, postTo(in, "/api/v1/reports?backfill=true", bodyOf(t, old)), 1)
	wantProblem(t, postTo(in, "/api/v1/reports?backfill=true", bodyOf(t, older)), http.StatusBadRequest)
	wantProblem(t, postTo(in, "/api/v1/reports?backfill=maybe", bodyOf(t, old)), http.StatusBadRequest)
	wantProblem(t, postTo(in, "/api/v1/reports?backfil=true", bodyOf(t, old)), http.StatusBadRequest)
}

// serve runs the handler behind a real server, where connections break and dawdle.
func serve(t *testing.T, in *Intake) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(in.Handler())
	t.Cleanup(s.Close)
	return s
}

// send posts protobuf to a real server.
func send(t *testing.T, url string, body io.Reader) *http.Response {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), testLimit)
	t.Cleanup(cancel)
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, body)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/protobuf")
	answer, err := (&http.Client{Timeout: testLimit}).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = answer.Body.Close() })
	return answer
}

func TestASenderOf10MBHearsWhyItIsRefused(t *testing.T) {
	s := serve(t, started(t, newMemory(), Config{}))
	answer := send(t, s.URL, io.LimitReader(zeroReader{}, 10<<20))
	if answer.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("status %d", answer.StatusCode)
	}
}

type zeroReader struct{}

func (zeroReader) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

func TestASlowBodyIsGivenUpAndOthersAreServedMeanwhile(t *testing.T) {
	in := started(t, newMemory(), Config{BodyTimeout: 200 * time.Millisecond})
	s := serve(t, in)
	conn, err := (&net.Dialer{}).DialContext(context.Background(), "tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"); err != nil {
		t.Fatal(err)
	}
	wantAccepted(t, post(in, bodyOf(t, reportOf("orders", 1, ""))), 1)
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	if answer.StatusCode != http.StatusRequestTimeout || counted(t, in.metrics.refused, viaHTTP, reasonSlow) != 1 {
		t.Errorf("status %d", answer.StatusCode)
	}
}

func TestAnAnswerMayTakeLongerThanABodyMay(t *testing.T) {
	m, gate := newMemory(), make(chan struct{})
	m.gate = gate
	s := serve(t, started(t, m, Config{BodyTimeout: 50 * time.Millisecond}))
	timer := time.AfterFunc(300*time.Millisecond, func() { close(gate) })
	defer timer.Stop()
	answer := send(t, s.URL, bytes.NewReader(bodyOf(t, reportOf("orders", 1, ""))))
	if answer.StatusCode != http.StatusOK {
		t.Errorf("status %d", answer.StatusCode)
	}
}

func FuzzHandler(f *testing.F) {
	f.Add("application/json", "", []byte(`{"reports":[]}`))
	f.Add("application/protobuf", "gzip", gzipped(f, []byte("x")))
	f.Add("application/protobuf", "zstd", zstded(f, []byte("x")))
	in := started(f, newMemory(), Config{Linger: time.Nanosecond})
	f.Fuzz(func(t *testing.T, contentType, encoding string, body []byte) {
		w := post(in, body, "Content-Type", contentType, "Content-Encoding", encoding)
		if w.Code >= 500 {
			t.Errorf("status %d: %s", w.Code, w.Body)
		}
		if !in.room.TryAcquire(in.config.QueueBytes) {
			t.Fatal("room is still held")
		}
		in.room.Release(in.config.QueueBytes)
	})
}
