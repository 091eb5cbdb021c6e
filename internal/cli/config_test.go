package cli

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcallhq/rollcall/inspector/api"
)

// serveWith runs "serve" with a configuration file and returns what serve was given.
func serveWith(t *testing.T, text string, args ...string) (Serve, outcome) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "rollcall.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var given Serve
	env := Env{Serve: func(_ context.Context, s Serve) error { given = s; return nil }}
	got := runWith(t, env, "", append([]string{"serve", "--config", path}, args...)...)
	return given, got
}

func TestConfigurationFileGivesEveryFlagAndStreams(t *testing.T) {
	given, got := serveWith(t, `
role: ingest
listen: 127.0.0.1:9999
data: /var/lib/rollcall
kafka-brokers: [a:9092, b:9092]
clickhouse-addr: [c:9000]
clickhouse-user: u
clickhouse-password: "p#1"
clickhouse-database: d
log-level: debug
tokens: /etc/rollcall/tokens
tls-cert: /etc/rollcall/cert.pem
tls-key: /etc/rollcall/key.pem
insecure-http: true
clickhouse-password-file: /run/secrets/c
clickhouse-tls: true
clickhouse-ca-file: /etc/c.pem
kafka-sasl: scram-sha-512
kafka-user: k
kafka-password-file: /run/secrets/k
kafka-tls: true
kafka-ca-file: /etc/k.pem
samples-days: 30
log-format: json
metrics-streams: 50
debug-listen: 127.0.0.1:6060
streams:
  flights:
    windowSeconds: 10
    edges: [app..relay]
retention:
  evidenceDays: 60
  windowsDays: 400
  foreignDays: 90
  talliesDays: 91
  incidentsDays: 92
  notificationsDays: 93
  silencesDays: 94
  quarantineDays: 95
`)
	if got.code != Good {
		t.Fatalf("exit code %d: %s", got.code, got.failed)
	}
	want := Serve{
		Config: given.Config, Role: "ingest", Listen: "127.0.0.1:9999", Data: "/var/lib/rollcall", KafkaBrokers: []string{"a:9092", "b:9092"},
		ClickhouseAddr: []string{"c:9000"}, ClickhouseUser: "u", ClickhousePassword: "p#1", ClickhouseDatabase: "d", LogLevel: "debug",
		Tokens: "/etc/rollcall/tokens", TLSCert: "/etc/rollcall/cert.pem", TLSKey: "/etc/rollcall/key.pem", InsecureHTTP: true,
		ClickhousePasswordFile: "/run/secrets/c", ClickhouseTLS: true, ClickhouseCAFile: "/etc/c.pem",
		KafkaSASL: "scram-sha-512", KafkaUser: "k", KafkaPasswordFile: "/run/secrets/k", KafkaTLS: true, KafkaCAFile: "/etc/k.pem",
		SamplesDays: 30, LogFormat: "json", MetricsStreams: 50, DebugListen: "127.0.0.1:6060",
		Streams: map[string]api.Settings{"flights": {WindowSeconds: 10, Edges: []string{"app..relay"}}},
		Retention: Retention{
			EvidenceDays: 60, WindowsDays: 400, ForeignDays: 90, TalliesDays: 91, IncidentsDays: 92, NotificationsDays: 93, SilencesDays: 94, QuarantineDays: 95,
		},
	}
	if diff := cmp.Diff(want, given); diff != "" {
		t.Error(diff)
	}
}

func TestCommandLineWinsOverEnvironmentAndEnvironmentOverFile(t *testing.T) {
	t.Setenv("ROLLCALL_LISTEN", "127.0.0.1:2")
	t.Setenv("ROLLCALL_LOG_LEVEL", "warn")
	given, got := serveWith(t, "listen: 127.0.0.1:1\nlog-level: debug\ndata: /d\n", "--listen", "127.0.0.1:3")
	if got.code != Good {
		t.Fatalf("exit code %d: %s", got.code, got.failed)
	}
	if diff := cmp.Diff([]string{"127.0.0.1:3", "warn", "/d"}, []string{given.Listen, given.LogLevel, given.Data}); diff != "" {
		t.Error(diff)
	}
}

func TestConfigurationFileFromEnvironmentIsRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c.yaml")
	if err := os.WriteFile(path, []byte("listen: 127.0.0.1:7\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("ROLLCALL_CONFIG", path)
	var given Serve
	got := runWith(t, Env{Serve: func(_ context.Context, s Serve) error { given = s; return nil }}, "", "serve")
	if got.code != Good || given.Listen != "127.0.0.1:7" {
		t.Errorf("exit code %d, listen %q: %s", got.code, given.Listen, got.failed)
	}
}

func TestConfigurationFaultIsToldWithItsLine(t *testing.T) {
	for name, c := range map[string]struct{ text, says string }{
		"unknown key":             {"listen: a:1\nlistne: b:2\n", `rollcall.yaml:2: unknown key "listne"; did you mean "listen"?`},
		"a key like none":         {"colour: b\n", `rollcall.yaml:1: unknown key "colour"; known are clickhouse-addr, `},
		"unknown key of a stream": {"streams:\n  flights:\n    windowSecs: 10\n", `rollcall.yaml:3: unknown field "windowSecs"; did you mean "windowSeconds"?`},
		"unknown key within":      {"streams:\n  flights:\n    certify:\n      alow: [lost]\n", `rollcall.yaml:4: unknown field "alow"; did you mean "allow"?`},
		"unknown term":            {"listen: a:1\nretention:\n  windowDays: 10\n", `rollcall.yaml:2: retention: [3:3] unknown field "windowDays"`},
		"wrong kind of value":     {"streams:\n  flights:\n    owner: x\n    graceSeconds: soon\n", "rollcall.yaml:4: "},
		"duplicate key":           {"listen: a:1\nlisten: b:2\n", `rollcall.yaml:2: mapping key "listen" already defined`},
		"not a mapping":           {"- listen\n", "rollcall.yaml:1: it must be a list of"},
		"keys where a value goes": {"data:\n  dir: x\n", "rollcall.yaml:1: data: it needs a value"},
		"no value":                {"data:\n", "rollcall.yaml:1: data: it has no value"},
		"bad value":               {"log-level: loud\n", "--log-level must be one of"},
	} {
		t.Run(name, func(t *testing.T) {
			_, got := serveWith(t, c.text)
			if got.code != WrongUse || !strings.Contains(got.failed, c.says) {
				t.Errorf("exit code %d, %q, want it to say %q", got.code, got.failed, c.says)
			}
		})
	}
}

func TestMissingConfigurationFileIsWrongUse(t *testing.T) {
	got := runWith(t, Env{}, "", "serve", "--config", filepath.Join(t.TempDir(), "none.yaml"))
	if got.code != WrongUse || !strings.Contains(got.failed, "none.yaml") {
		t.Errorf("exit code %d, %q", got.code, got.failed)
	}
}
