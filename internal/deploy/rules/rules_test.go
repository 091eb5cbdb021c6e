// Package rules_test holds deploy/prometheus/rules to the behaviour that each alert promises, with Prometheus' own rule engine over series in
// time. It is a module of its own, so that the dependencies of Prometheus are none of Rollcall's.
package rules_test

import (
	"context"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/promql/promqltest"
	"github.com/prometheus/prometheus/rules"
)

const (
	root = "../../.."
	step = 15 * time.Second // between two evaluations, and two samples
)

// alerts are those of the files that are mounted into Prometheus, by name.
func alerts(t *testing.T) map[string]rulefmt.Rule {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, "deploy/prometheus/rules/*.yml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%d files of rules, %v", len(files), err)
	}
	all := map[string]rulefmt.Rule{}
	for _, file := range files {
		groups, errs := rulefmt.ParseFile(file, false)
		if len(errs) > 0 {
			t.Fatal(errs)
		}
		for _, g := range groups.Groups {
			for _, r := range g.Rules {
				all[r.Alert] = r
			}
		}
	}
	return all
}

// fired evaluates an alert over the series from the beginning on, and returns from when until when it fired, and what it said first.
func fired(t *testing.T, r rulefmt.Rule, series string, until time.Duration) (times []time.Duration, said []string) {
	t.Helper()
	load := "load 15s\n"
	for line := range strings.Lines(series) {
		if line = strings.TrimSpace(line); line != "" { // an empty line would end what is loaded
			load += "  " + line + "\n"
		}
	}
	storage := promqltest.LoadedStorage(t, load)
	defer func() { _ = storage.Close() }()
	query := rules.EngineQueryFunc(promqltest.NewTestEngine(t, false, 0, promqltest.DefaultMaxSamplesPerQuery), storage)
	expr, err := parser.ParseExpr(r.Expr)
	if err != nil {
		t.Fatal(err)
	}
	rule := rules.NewAlertingRule(r.Alert, expr, time.Duration(r.For), time.Duration(r.KeepFiringFor), labels.FromMap(r.Labels),
		labels.FromMap(r.Annotations), labels.EmptyLabels(), "", true, slog.New(slog.DiscardHandler))
	for at := time.Duration(0); at <= until; at += step {
		if _, err := rule.Eval(context.Background(), 0, time.UnixMilli(0).Add(at), query, nil, 0); err != nil {
			t.Fatal(err)
		}
		firing := 0
		for _, a := range rule.ActiveAlerts() {
			if a.State != rules.StateFiring {
				continue
			}
			if firing++; len(times) == 0 {
				said = append(said, a.Annotations.Get("summary"))
			}
		}
		if firing > 0 {
			times = append(times, at)
		}
	}
	slices.Sort(said)
	return times, said
}

// each alert: series over time, when it fires, and what it says.
var cases = map[string][]struct {
	name   string
	series string
	from   time.Duration // of firing; negative: it does not
	to     time.Duration
	says   []string
}{
	"RollcallLoss": {
		{"a loss that is filled", `
			rollcall_events{stream="orders",edge="app..sink",kind="lost",instance="a"} 0x19 312x40 0x60
			rollcall_events{stream="orders",edge="app..sink",kind="lost",instance="b"} 0x19 312x40 0x60
			rollcall_events{stream="clicks",edge="app..sink",kind="lost",instance="a"} 0x120
			rollcall_events{stream="orders",edge="app..sink",kind="duplicated",instance="a"} 5x120`,
			6 * time.Minute, 15 * time.Minute, []string{"312 events of orders app..sink are lost in windows that ended within the last hour"}},
		{"nothing is lost", `rollcall_events{stream="orders",edge="app..sink",kind="lost"} 0x120`, -1, 0, nil},
		{"of two edges each is told", `
			rollcall_events{stream="orders",edge="app..agent",kind="lost"} 1x120
			rollcall_events{stream="orders",edge="agent..sink",kind="lost"} 2x120`,
			time.Minute, 30 * time.Minute, []string{"1 events of orders app..agent are lost in windows that ended within the last hour", "2 events of orders agent..sink are lost in windows that ended within the last hour"}},
	},
	"RollcallLossOpen": {
		{"a loss that stays, beside what else is open", `
			rollcall_incidents_open{cause="loss",instance="a"} 0x19 2x80 0x20
			rollcall_incidents_open{cause="loss",instance="b"} 0x19 2x80 0x20
			rollcall_incidents_open{cause="unknown",instance="a"} 7x120`,
			15 * time.Minute, 25 * time.Minute, []string{"2 incidents of lost events are open, however old their windows are"}},
		{"a loss that is filled soon", `rollcall_incidents_open{cause="loss"} 0x10 1x30 0x80`, -1, 0, nil},
		{"something else is open", `
			rollcall_incidents_open{cause="loss"} 0x120
			rollcall_incidents_open{cause="delayed"} 3x120`, -1, 0, nil},
	},
	"RollcallUnknown": {
		{"a hop is silent", `rollcall_windows{stream="orders",edge="app..sink",state="unknown"} 0x3 2x116`,
			6 * time.Minute, 30 * time.Minute, []string{"2 windows of orders app..sink cannot be judged: a hop or a lane is silent"}},
		{"silent for a moment", `rollcall_windows{stream="orders",edge="app..sink",state="unknown"} 0x3 1x15 0x100`, -1, 0, nil},
	},
	"RollcallWatermarkBehind": {
		{"it goes on", `rollcall_complete_until_timestamp_seconds{stream="orders"} 0+15x400`, -1, 0, nil},
		{"it stands", `rollcall_complete_until_timestamp_seconds{stream="orders"} 0x400`,
			35*time.Minute + 15*time.Second, 90 * time.Minute, []string{"orders is complete only up to 35m 15s ago"}},
		{"windows of a minute, and it stands", `
			rollcall_complete_until_timestamp_seconds{stream="orders",instance="a"} 0x400
			rollcall_complete_until_timestamp_seconds{stream="orders",instance="b"} 0x400
			rollcall_window_seconds{stream="orders",instance="a"} 60x400
			rollcall_window_seconds{stream="orders",instance="b"} 60x400`,
			36*time.Minute + 15*time.Second, 90 * time.Minute, []string{"orders is complete only up to 36m 15s ago"}},
		{"windows of an hour, each complete soon after its end", `
			rollcall_complete_until_timestamp_seconds{stream="hourly"} 0x248 3600x160
			rollcall_window_seconds{stream="hourly"} 3600x400`, -1, 0, nil},
		{"windows of 20 minutes, and it stands", `
			rollcall_complete_until_timestamp_seconds{stream="hourly"} 0x400
			rollcall_window_seconds{stream="hourly"} 1200x400`,
			55*time.Minute + 15*time.Second, 90 * time.Minute, []string{"hourly is complete only up to 55m 15s ago"}},
	},
	"RollcallDown": {
		{"one of three", `
			up{job="rollcall",instance="ingest:8080"} 1x120
			up{job="rollcall",instance="reconcile:8080"} 1x20 0x100
			up{job="other",instance="x"} 0x120`,
			7*time.Minute + 15*time.Second, 30 * time.Minute, []string{"Rollcall at reconcile:8080 does not answer"}},
	},
	"RollcallReconcileAge": {
		{"passes go on", `rollcall_reconcile_oldest_pass_timestamp_seconds 0+15x120`, -1, 0, nil},
		{"they end, seen by two", `
			rollcall_reconcile_oldest_pass_timestamp_seconds{instance="a"} 0x120
			rollcall_reconcile_oldest_pass_timestamp_seconds{instance="b"} 60x120`,
			4*time.Minute + 15*time.Second, 30 * time.Minute, []string{"there are streams that nobody looked at for 3m 15s"}},
	},
	"RollcallFiguresStale": {
		{"read every half minute", `rollcall_figures_timestamp_seconds 0 0+15x120`, -1, 0, nil},
		{"read no more", `rollcall_figures_timestamp_seconds 0x120`, 4*time.Minute + 15*time.Second, 30 * time.Minute,
			[]string{"the figures are 4m 15s old: the store does not answer, and no other alert on streams can be trusted"}},
	},
	"RollcallIngestLag": {
		{"a backlog that is worked off", `rollcall_ingest_kafka_lag_records 0x10 200000x12 0x100`, -1, 0, nil},
		{"a backlog that stands", `rollcall_ingest_kafka_lag_records 0x10 200000x110`, 7*time.Minute + 45*time.Second, 30 * time.Minute,
			[]string{"200k reports wait in Kafka to be stored"}},
	},
	"RollcallCertifyFailing": {
		{"a moment", `rollcall_certify_failures_total{instance="a"} 0x20 3x100`, -1, 0, nil},
		{"it goes on", `rollcall_certify_failures_total{instance="a"} 0x20 0+1x100`, 15*time.Minute + 30*time.Second, 30 * time.Minute,
			[]string{"certificates cannot be issued or taken back: 20 attempts failed in 5 minutes"}},
	},
	"RollcallCertificatesWaiting": {
		{"a moment", `rollcall_certificates_waiting_partitions{instance="a"} 0x10 2x15 0x95`, -1, 0, nil},
		{"of two processes one waits", `
			rollcall_certificates_waiting_partitions{instance="a"} 0x20 2x100
			rollcall_certificates_waiting_partitions{instance="b"} 0x120`, 10*time.Minute + 15*time.Second, 30 * time.Minute,
			[]string{"nothing is certified or taken back on 2 partitions of the topic of certificates: it is not read on"}},
	},
	"RollcallQuarantine": {
		{"one a minute is under the limit", `rollcall_ingest_quarantined_total{what="reports",reason="unreadable"} 0+0.25x120`, -1, 0, nil},
		{"many", `rollcall_ingest_quarantined_total{what="reports",reason="unreadable"} 0x20 0+5x100`, 7 * time.Minute, 30 * time.Minute,
			[]string{"records of reports cannot be read and are put aside"}},
		{"the first ones, that no counter saw rise", `rollcall_check_ok{check="quarantine_rate"} 1x20 0x20 1x80`, 6*time.Minute + 15*time.Second, 10*time.Minute + 15*time.Second,
			[]string{"records of reports cannot be read and are put aside"}},
	},
	"RollcallReceiverFailing": {
		{"one attempt again", `rollcall_notifications_total{receiver="oncall",outcome="retried"} 0x20 1x100`, -1, 0, nil},
		{"again and again", `rollcall_notifications_total{receiver="oncall",outcome="retried"} 0x20 0+1x100`, 6*time.Minute + 15*time.Second, 30 * time.Minute,
			[]string{"the receiver oncall does not take what it is told"}},
		{"given up once", `
			rollcall_notifications_total{receiver="oncall",outcome="gave_up"} 0x20 1x300
			rollcall_notifications_total{receiver="other",outcome="gave_up"} 0x320
			rollcall_notifications_total{receiver="oncall",outcome="sent"} 0+9x320`, 5*time.Minute + 15*time.Second, 65*time.Minute - 15*time.Second,
			[]string{"the receiver oncall does not take what it is told"}},
	},
	"RollcallUnwell": {
		{"every process says so", `
			rollcall_check_ok{check="store_away",instance="a"} 1x20 0x100
			rollcall_check_ok{check="store_away",instance="b"} 1x20 0x100
			rollcall_check_ok{check="ingest_lag",instance="a"} 1x120`, 6*time.Minute + 15*time.Second, 30 * time.Minute, []string{"Rollcall says that it is not well: store_away"}},
		{"another does its part", `
			rollcall_check_ok{check="store_away",instance="a"} 0x120
			rollcall_check_ok{check="store_away",instance="b"} 1x120`, -1, 0, nil},
	},
	"RollcallBlind": {
		{"nobody is there", `up 1x20`, 2 * time.Minute, 30 * time.Minute, []string{"no process of Rollcall that judges answers"}},
		{"it died", `rollcall_check_ok{check="store_away"} 1x20 _x100`, 12 * time.Minute, 30 * time.Minute, []string{"no process of Rollcall that judges answers"}},
		{"it is there", `rollcall_check_ok{check="store_away"} 0x120`, -1, 0, nil},
	},
	"RollcallAlive": {
		{"all is well until it is not", `
			rollcall_check_ok{check="store_away"} 1x120
			rollcall_check_ok{check="ingest_lag"} 1x40 0x80`, 0, 10 * time.Minute, []string{"Rollcall lives and is well"}},
		{"it dies", `rollcall_check_ok{check="store_away"} 1x20 _x100`, 0, 10*time.Minute - 15*time.Second, []string{"Rollcall lives and is well"}},
	},
}

func TestEachAlertFiresWhenItSaysAndEndsWhenItIsOver(t *testing.T) {
	all := alerts(t)
	for alert, of := range cases {
		for _, c := range of {
			t.Run(alert+"/"+c.name, func(t *testing.T) {
				until := 30 * time.Minute
				if c.to > until || strings.Contains(c.series, "x400") {
					until = 90 * time.Minute
				}
				times, said := fired(t, all[alert], c.series, until)
				switch {
				case c.from < 0 && len(times) > 0:
					t.Fatalf("it fires from %s on: %q", times[0], said)
				case c.from < 0:
				case len(times) == 0:
					t.Fatal("it never fires")
				case times[0] != c.from || times[len(times)-1] != min(c.to, until):
					t.Errorf("it fires from %s to %s, want %s to %s", times[0], times[len(times)-1], c.from, c.to)
				}
				if c.from >= 0 && !slices.Equal(said, c.says) {
					t.Errorf("it says %q, want %q", said, c.says)
				}
			})
		}
	}
	for _, alert := range slices.Sorted(maps.Keys(all)) {
		if len(cases[alert]) == 0 {
			t.Errorf("%s is not tried here", alert)
		}
	}
}

func TestEveryAlertHasASeverityASummaryAndAPlaceInTheGuide(t *testing.T) {
	guide, err := os.ReadFile(filepath.Join(root, "docs/how-to/watch-with-prometheus.md"))
	if err != nil {
		t.Fatal(err)
	}
	for name, r := range alerts(t) {
		if !regexp.MustCompile(`^(critical|warning|none)$`).MatchString(r.Labels["severity"]) || r.Annotations["summary"] == "" {
			t.Errorf("%s: labels %v, annotations %v", name, r.Labels, r.Annotations)
		}
		if !strings.Contains(string(guide), "`"+name+"`") {
			t.Errorf("the guide does not tell of %s", name)
		}
	}
}
