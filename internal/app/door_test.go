package app

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/rollcallhq/rollcall/audit"
	"github.com/rollcallhq/rollcall/audit/wire"
	"github.com/rollcallhq/rollcall/inspector/api"
	"github.com/rollcallhq/rollcall/internal/access"
	"github.com/rollcallhq/rollcall/internal/testenv"
)

func TestBeyondLoopbackItWantsTokensAndThatNobodyCanReadThem(t *testing.T) {
	tokens, both := Door{Tokens: "t"}, Door{Tokens: "t", TLSCert: "c", TLSKey: "k"}
	for _, c := range []struct {
		name, listen string
		door         Door
		says         string // empty: it may listen
	}{
		{"loopback", "127.0.0.1:0", Door{}, ""},
		{"loopback of IPv6", "[::1]:0", Door{}, ""},
		{"localhost", "localhost:0", Door{}, ""},
		{"loopback with tokens", "127.0.0.1:0", tokens, ""},
		{"anywhere without tokens", "0.0.0.0:0", Door{}, "without --tokens"},
		{"anywhere with TLS alone", ":0", Door{TLSCert: "c", TLSKey: "k"}, "without --tokens"},
		{"anywhere with --insecure-http alone", ":0", Door{InsecureHTTP: true}, "without --tokens"},
		{"anywhere with tokens in clear", "[::]:0", tokens, "in clear"},
		{"a name that is not localhost", "rollcall.example:80", tokens, "in clear"},
		{"anywhere with tokens and TLS", "192.0.2.1:443", both, ""},
		{"anywhere behind a proxy", "192.0.2.1:80", Door{Tokens: "t", InsecureHTTP: true}, ""},
		{"a certificate without a key", "127.0.0.1:0", Door{TLSCert: "c"}, "belong together"},
		{"a key without a certificate", "127.0.0.1:0", Door{TLSKey: "k"}, "belong together"},
		{"TLS and --insecure-http", ":0", Door{Tokens: "t", TLSCert: "c", TLSKey: "k", InsecureHTTP: true}, "contradict"},
		{"no port", "127.0.0.1", Door{}, "give host:port"},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := c.door.check(c.listen)
			if (err == nil) != (c.says == "") || err != nil && !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v; want %q", err, c.says)
			}
		})
	}
}

func TestTokensThatCannotBeReadAreToldAtTheStart(t *testing.T) {
	for _, door := range []Door{{Tokens: "/none/tokens"}, {TLSCert: "/none/cert", TLSKey: "/none/key"}} {
		_, err := Start(t.Context(), Config{Listen: "127.0.0.1:0", Door: door, Data: t.TempDir(), Log: slog.New(slog.DiscardHandler)})
		if err == nil || !strings.Contains(err.Error(), "/none/") {
			t.Error(err)
		}
	}
}

// selfSigned writes a certificate of its own authority for 127.0.0.1, with its key.
func selfSigned(t *testing.T, dir string) (certFile, keyFile string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "rollcall"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	key, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for path, block := range map[string]*pem.Block{certFile: {Type: "CERTIFICATE", Bytes: cert}, keyFile: {Type: "PRIVATE KEY", Bytes: key}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return certFile, keyFile
}

// guarded is a server with everything embedded, TLS, and a token for each role.
type guarded struct {
	*App
	t      *testing.T
	client *http.Client
	door   Door
	tokens map[access.Role]string
}

func startGuarded(t *testing.T) *guarded {
	t.Helper()
	t.Setenv("ROLLCALL_LIBCHDB", testenv.Library(t))
	g := &guarded{t: t, tokens: map[access.Role]string{}}
	g.door.Tokens = filepath.Join(t.TempDir(), "tokens")
	g.door.TLSCert, g.door.TLSKey = selfSigned(t, t.TempDir())
	for _, role := range access.Roles() {
		one, text, err := access.NewToken("the-"+string(role), role, time.Time{}, time.Now())
		if err == nil {
			err = access.Change(g.door.Tokens, func(f *access.File) (bool, error) { return true, f.Add(one) })
		}
		if err != nil {
			t.Fatal(err)
		}
		g.tokens[role] = text
	}
	text, err := os.ReadFile(g.door.TLSCert)
	if err != nil {
		t.Fatal(err)
	}
	trusted := x509.NewCertPool()
	trusted.AppendCertsFromPEM(text)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: trusted}, ForceAttemptHTTP2: true}
	t.Cleanup(transport.CloseIdleConnections)
	g.client = &http.Client{Transport: transport}
	g.App, err = Start(t.Context(), Config{
		Listen: "127.0.0.1:0", Door: g.door, Data: t.TempDir(), Version: "test", Log: slog.New(slog.DiscardHandler),
		Streams: map[string]api.Settings{"flights": {Owner: "growth"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := g.Stop(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	until(t, "it is ready", func() bool { return g.ask("", "GET", "/readyz", "").StatusCode == http.StatusOK })
	return g
}

// ask sends a request with the token of a role, none where that is empty; the body is for the caller to read.
func (g *guarded) ask(role access.Role, method, path, body string) *http.Response {
	g.t.Helper()
	r, err := http.NewRequestWithContext(g.t.Context(), method, g.URL()+path, strings.NewReader(body))
	if err != nil {
		g.t.Fatal(err)
	}
	if role != "" {
		r.Header.Set("Authorization", "Bearer "+g.tokens[role])
	}
	answer, err := g.client.Do(r)
	if err != nil {
		g.t.Fatal(err)
	}
	g.t.Cleanup(func() { _ = answer.Body.Close() })
	return answer
}

func (g *guarded) text(answer *http.Response) string {
	g.t.Helper()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		g.t.Fatal(err)
	}
	return string(text)
}

func TestAServerWithTokensServesOverTLSThoseWhoHaveOne(t *testing.T) {
	g := startGuarded(t)
	for _, c := range []struct {
		role         access.Role
		method, path string
		status       int
	}{
		{"", "GET", "/healthz", 200}, {"", "GET", "/readyz", 200}, {"", "GET", "/metrics", 401}, {"", "GET", "/openapi.yaml", 401},
		{"", "GET", "/api/v1/streams", 401}, {"", "GET", "/api/v1/nothing", 401}, {"", "GET", "/nothing", 404},
		{access.Viewer, "GET", "/metrics", 200}, {access.Viewer, "GET", "/api/v1/streams", 200}, {access.Viewer, "GET", "/api/v1/nothing", 404},
		{access.Viewer, "PUT", "/api/v1/streams/orders", 403}, {access.Operator, "PUT", "/api/v1/streams/orders", 200},
		{access.Ingest, "GET", "/api/v1/streams", 403}, {access.Ingest, "GET", "/openapi.yaml", 200},
	} {
		answer := g.ask(c.role, c.method, c.path, `{"owner":"growth"}`)
		if answer.StatusCode != c.status || answer.ProtoMajor != 2 || answer.Header.Get("Strict-Transport-Security") == "" {
			t.Errorf("%s %s as %q: %d over HTTP/%d, %v; want %d", c.method, c.path, c.role, answer.StatusCode, answer.ProtoMajor, answer.Header, c.status)
		}
	}
	for stream, who := range map[string]string{"flights": access.Configuration, "orders": "the-operator"} {
		if text := g.text(g.ask(access.Viewer, "GET", "/api/v1/streams/"+stream, "")); !strings.Contains(text, `"settingsBy":"`+who+`"`) {
			t.Errorf("not set by %s: %s", who, text)
		}
	}
	for _, path := range []string{"/", "/theme.js", "/nothing", "/assets/none.js"} {
		h := g.ask("", "GET", path, "").Header
		for name, form := range map[string]string{
			"Content-Security-Policy": `^default-src 'self'.*frame-ancestors 'none'`, "X-Content-Type-Options": `^nosniff$`,
			"Referrer-Policy": `^no-referrer$`, "Cross-Origin-Resource-Policy": `^same-origin$`, "Strict-Transport-Security": `^max-age=31536000`,
		} {
			if !regexp.MustCompile(form).MatchString(h.Get(name)) {
				t.Errorf("%s: %s is %q", path, name, h.Get(name))
			}
		}
	}
}

func TestAHopReportsWithItsTokenOverTLSUntilItIsRevoked(t *testing.T) {
	g := startGuarded(t)
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte(g.tokens[access.Ingest]), 0o600); err != nil {
		t.Fatal(err)
	}
	transport, err := audit.NewHTTPTransport(audit.HTTPConfig{URL: g.URL(), TokenFile: file, CAFile: g.door.TLSCert})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now().UTC()
	emitter, err := wire.ParseUID("0199f0a0-1d2e-4abc-9def-000000000001")
	if err != nil {
		t.Fatal(err)
	}
	report := wire.Report{Stream: "orders", Hop: "app", Emitter: emitter, Number: 1, SentAt: now, State: wire.Running}
	if err := transport.Send(t.Context(), wire.Batch{Reports: []wire.Report{report}}); err != nil {
		t.Fatal(err)
	}
	stream := g.ask(access.Viewer, "GET", "/api/v1/stream", "")
	if stream.StatusCode != http.StatusOK {
		t.Fatalf("the live stream: %d", stream.StatusCode)
	}
	err = access.Change(g.door.Tokens, func(f *access.File) (bool, error) {
		_, _, hop := f.Revoke("the-ingest", now)
		_, _, reader := f.Revoke("the-viewer", now)
		return true, errors.Join(hop, reader)
	})
	if err != nil {
		t.Fatal(err)
	}
	revoked := time.Now()
	_ = g.text(stream) // to its end
	if took := time.Since(revoked); took > 2*time.Second {
		t.Errorf("the live stream ended only after %s", took)
	}
	report.Number = 2
	if err := transport.Send(t.Context(), wire.Batch{Reports: []wire.Report{report}}); err == nil || !strings.Contains(err.Error(), "the token was revoked") {
		t.Errorf("after the revocation: %v", err)
	}
}
