package cli

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcallhq/rollcall/inspector/api"
)

func configFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "rollcall.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestConfigCheckTellsTheLineOfAFaultAndStartsNothing(t *testing.T) {
	env := Env{
		Serve: func(context.Context, Serve) error { t.Error("it was started"); return nil },
		Check: func(s Serve) error {
			if s.Listen == "0.0.0.0:1" {
				return errors.New("listens too far")
			}
			return nil
		},
	}
	for name, c := range map[string]struct{ text, says string }{
		"good":             {"listen: 127.0.0.1:1\nkafka-brokers: [a:1, b:2]\ninsecure-http: true\n", ""},
		"empty":            {"", ""},
		"unknown key":      {"\nlistn: x\n", `rollcall.yaml:2: unknown key "listn"; did you mean "listen"?`},
		"bad word":         {"data: /d\nlog-level: loud\n", "rollcall.yaml:2: --log-level must be one of"},
		"bad truth":        {"data: /d\n\ninsecure-http: perhaps\n", "rollcall.yaml:3: --insecure-http"},
		"not to be served": {"listen: 0.0.0.0:1\n", "rollcall.yaml: listens too far"},
	} {
		t.Run(name, func(t *testing.T) {
			got := runWith(t, env, "", "config", "check", configFile(t, c.text))
			if c.says == "" && (got.code != Good || !strings.HasSuffix(got.out, "rollcall.yaml is good.\n")) {
				t.Errorf("exit code %d: %s%s", got.code, got.out, got.failed)
			}
			if c.says != "" && (got.code != WrongUse || !strings.Contains(got.failed, c.says)) {
				t.Errorf("exit code %d, %q; want it to say %q", got.code, got.failed, c.says)
			}
		})
	}
}

func TestConfigCheckJudgesTheReceiversToo(t *testing.T) {
	var checked Serve
	env := Env{Check: func(s Serve) error { checked = s; return nil }}
	got := runWith(t, env, "", "config", "check", configFile(t, `
notify:
  receivers: [{name: oncall, type: pagerduty, secretVariable: PAGER_KEY, caFile: /ca}]
  limits: {ingestLag: 5, reconcileAge: 6, quarantined: 7}
`))
	want := Notify{
		Receivers: []Receiver{{Name: "oncall", Type: "pagerduty", SecretVariable: "PAGER_KEY", CAFile: "/ca"}},
		Limits:    Limits{IngestLag: 5, ReconcileAge: 6, Quarantined: 7},
	}
	if diff := cmp.Diff(want, checked.Notify); diff != "" || got.code != Good {
		t.Errorf("exit code %d, %s\n%s", got.code, got.failed, diff)
	}
}

func TestConfigCheckGivesTheFileMoreWeightThanTheEnvironment(t *testing.T) {
	t.Setenv("ROLLCALL_LISTEN", "127.0.0.1:2")
	t.Setenv("ROLLCALL_DATA", "/from/here")
	var checked Serve
	env := Env{Check: func(s Serve) error { checked = s; return nil }}
	got := runWith(t, env, "", "config", "check", configFile(t, "listen: 127.0.0.1:1\nstreams: {orders: {owner: growth}}\n"))
	if got.code != Good || checked.Listen != "127.0.0.1:1" || checked.Data != "/from/here" || checked.Streams["orders"].Owner != "growth" {
		t.Errorf("exit code %d, %s, checked %+v", got.code, got.failed, checked)
	}
}

// printed runs "config print" with a value from each place.
func printed(t *testing.T, more ...string) (path string, got outcome) {
	t.Helper()
	path = configFile(t, "data: /d\nkafka-brokers: [a:1, b:2]\nclickhouse-password: from-file\nlisten: 127.0.0.1:1\nstreams:\n  orders: {owner: growth}\n")
	t.Setenv("ROLLCALL_CONFIG", path)
	t.Setenv("ROLLCALL_LOG_LEVEL", "warn")
	t.Setenv("ROLLCALL_KAFKA_USER", "k")
	return path, runWith(t, Env{}, "", append(more, "config", "print", "--listen", "127.0.0.1:3", "--kafka-user=l")...)
}

func TestConfigPrintSaysWhereEachValueComesFrom(t *testing.T) {
	path, got := printed(t, "--output", "json")
	var out struct {
		Items []struct {
			Key    string
			Value  any
			Secret bool
			From   string
		}
	}
	if err := json.Unmarshal([]byte(got.out), &out); err != nil || got.code != Good {
		t.Fatalf("exit code %d, %v: %s%s", got.code, err, got.out, got.failed)
	}
	from, value := map[string]string{}, map[string]any{}
	for _, e := range out.Items {
		from[e.Key], value[e.Key] = e.From, e.Value
	}
	for key, want := range map[string][2]any{
		"config":         {"variable ROLLCALL_CONFIG", path},
		"listen":         {"flag --listen", "127.0.0.1:3"},
		"log-level":      {"variable ROLLCALL_LOG_LEVEL", "warn"},
		"kafka-user":     {"flag --kafka-user", "l"},
		"data":           {"file " + path + ":1", "/d"},
		"kafka-brokers":  {"file " + path + ":2", []any{"a:1", "b:2"}},
		"kafka-sasl":     {"default", "none"},
		"streams.orders": {"file " + path + ":5", map[string]any{"owner": "growth"}},
	} {
		if diff := cmp.Diff(want, [2]any{from[key], value[key]}); diff != "" {
			t.Errorf("%s: %s", key, diff)
		}
	}
}

func TestConfigPrintNeverPrintsASecret(t *testing.T) {
	for _, output := range []string{"table", "json"} {
		_, got := printed(t, "--output", output)
		if strings.Contains(got.out, "from-file") {
			t.Errorf("%s shows the password:\n%s", output, got.out)
		}
	}
	_, got := printed(t)
	if !strings.Contains(strings.Join(strings.Fields(got.out), " "), "clickhouse-password (set, not shown) file ") {
		t.Errorf("it does not say that a password is set:\n%s", got.out)
	}
}

func TestConfigPrintRefusesWhatServeRefuses(t *testing.T) {
	got := runWith(t, Env{}, "", "config", "print", "--config", configFile(t, "listne: x\n"))
	if got.code != WrongUse || !strings.Contains(got.failed, `"listne"`) {
		t.Errorf("exit code %d: %s", got.code, got.failed)
	}
}

func TestHealthAsksWhetherTheServerIsReadyOrOnlyLives(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) { answer(w, 200, api.Health{Status: "ok"}) })
	mux.HandleFunc("/readyz", problem(http.StatusServiceUnavailable, "the store does not answer"))
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	if got := run(t, server, "health", "--live"); got.code != Good || got.out != "ok\n" {
		t.Errorf("--live: exit code %d: %s%s", got.code, got.out, got.failed)
	}
	if got := run(t, server, "health"); got.code != CannotAsk || !strings.Contains(got.failed, "the store does not answer") {
		t.Errorf("exit code %d: %s", got.code, got.failed)
	}
}
