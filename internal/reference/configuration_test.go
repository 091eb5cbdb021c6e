package reference_test

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/rollcallhq/rollcall/inspector/api"
	"github.com/rollcallhq/rollcall/internal/cli"
	"github.com/rollcallhq/rollcall/internal/store"
)

// meanings explains the settings of a stream; every field must be here.
var meanings = map[string]string{
	"windowSeconds":               "Length of a window: 10, 60, 300, 600 or 3600. Default 60. A change takes effect from a future hour on.",
	"windowFrom":                  "The first window of a changed length, on the hour; the server chooses one when it is absent.",
	"graceSeconds":                "How long after its end no window closes, so that every emitter has had time to say it exists. Default 10.",
	"settleSeconds":               "How long a window may be `settling` before it is `unknown`. Default 120.",
	"skewMillis":                  "How far the clocks of hosts may differ. Each later hop has to get this much further. Default 2000.",
	"edges":                       "Required edges, as `app..agent`. They belong to every window, also when a hop is silent. Default: every edge that reports name.",
	"expectTraffic":               "An hour without any event is not normal: it opens an [incident](../how-to/be-called-when-events-are-lost.md). Verdicts do not depend on it.",
	"owner":                       "Who to ask. Shown beside the stream.",
	"hops.NAME.rewrites":          "The hop changes payloads on purpose. Kept and shown; verdicts do not depend on it.",
	"certify.auto":                "Every hour is [certified](../how-to/certify-an-hour.md) once nothing stands in the way; else when somebody asks. Verdicts do not depend on it.",
	"certify.allow":               "What may be in an hour that is certified without anybody having waived it: any of `lost`, `corrupt`, `rejected`, `duplicated`, `unplaced`. Verdicts do not depend on it.",
	"objectives.completeness":     "The share of the events produced that must not be lost. [Objectives](../how-to/be-called-when-events-are-lost.md#objectives) call people when their budget burns; verdicts do not depend on them.",
	"objectives.latencyP99Millis": "Within how many ms 99 % of the events must reach the last hops.",
	"objectives.timeliness":       "The share of the events whose window must be closed `timelySeconds` after its end. A backlog then calls people at once instead of after 30 minutes.",
	"objectives.timelySeconds":    "At most 3600; 300 where it is absent.",
	"objectives.validity":         "The share of the events checked that must not break their schema. A window with more opens an incident.",
	"alertOn":                     "What opens an incident wherever it is found: any of `invalid`, `corrupt`, `duplicated`. Absent: these are marks beside the verdict, and nobody is called.",
}

// configurationPage lists the flags of serve and the settings of a stream.
func configurationPage(t *testing.T) string {
	var b strings.Builder
	b.WriteString("# Configuration\n\n" +
		"`rollcall serve` is configured by flags, by variables of the environment, and by a YAML file (`--config FILE`). The command line wins over the\n" +
		"environment, and the environment over the file. The file's keys are the flags' names; an unknown key is refused with its line.\n\n" +
		"Without `--tokens` everybody may do everything, so the server listens on loopback only; another address is refused. With tokens it listens\n" +
		"beyond loopback over TLS, or with `--insecure-http`, which warns at every start.\n" +
		"[Give people and hops tokens](../how-to/give-people-and-hops-tokens.md) shows it.\n\n" +
		"| flag and key | variable | default | meaning |\n|---|---|---|---|\n")
	flags := reflect.TypeFor[cli.Serve]()
	for i := range flags.NumField() {
		if f := flags.Field(i); f.Tag.Get("kong") != "-" {
			b.WriteString(flagRow(f))
		}
	}
	b.WriteString("\n## Streams\n\n" +
		"The settings of a stream are set by `PUT /api/v1/streams/{stream}`, or under `streams:` in the file, by the stream's name. All are optional; one that is\n" +
		"absent takes its default. What the file says is put in force at every start.\n\n" +
		"| setting | meaning |\n|---|---|\n")
	left := len(meanings)
	for _, name := range settings("", reflect.TypeFor[api.Settings]()) {
		if meanings[name] == "" {
			t.Errorf("setting %s has no meaning in this test", name)
		}
		left--
		fmt.Fprintf(&b, "| `%s` | %s |\n", name, meanings[name])
	}
	if left != 0 {
		t.Errorf("%d meanings are of no setting", left)
	}
	b.WriteString("\n```yaml\nlisten: 127.0.0.1:8080\ndata: /var/lib/rollcall\nstreams:\n  orders:\n    edges: [app..agent, agent..warehouse]\n    graceSeconds: 10\n    owner: growth\n```\n")
	b.WriteString("\n## Retention\n\n" +
		"How many days what is kept stands under `retention:` in the file; [what is kept](../explanation/what-is-kept.md) says why. A term that would have something said that is not so is\n" +
		"refused, and one above 3650. Give all processes the same.\n\n| key | default | meaning |\n|---|---|---|\n" + retentionRows(t) +
		"\n```yaml\nretention:\n  windowsDays: 3650\n  talliesDays: 90\n```\n")
	b.WriteString("\n## Notifications\n\n" +
		"Who is called of incidents stands under `notify:` in the file; [how to](../how-to/be-called-when-events-are-lost.md). `page` is the address of the page, for\n" +
		"links. `hold` (30s) is how long an incident must stand before anybody is called, `calm` (5m) how long it must be over before that is told, `unacked` (30m) after how\n" +
		"long one that nobody acknowledged is told again, and `worse` (10) how many times as many events a window as told are told again; a negative one is none. `receivers` is a list:\n\n| key | meaning |\n|---|---|\n")
	for i := range reflect.TypeFor[cli.Receiver]().NumField() {
		name := reflect.TypeFor[cli.Receiver]().Field(i).Tag.Get("yaml")
		if receiverMeanings[name] == "" {
			t.Errorf("key %s of a receiver has no meaning in this test", name)
		}
		fmt.Fprintf(&b, "| `%s` | %s |\n", name, receiverMeanings[name])
	}
	b.WriteString("\n`limits` says over what receivers are told that Rollcall itself is not well, and heartbeats stop:\n\n| key | meaning |\n|---|---|\n" + limitRows(t))
	b.WriteString("\n```yaml\nnotify:\n  page: https://rollcall.example.org\n  receivers:\n    - name: oncall\n      type: webhook\n      url: https://hooks.example.org/rollcall\n" +
		"      secretFile: /etc/rollcall/oncall.secret\n    - name: alertmanager\n      type: alertmanager\n      url: http://10.0.0.7:9093\n      allowPrivate: true\n```\n")
	return b.String()
}

// limitMeanings explains what stands under limits:; every key must be here.
var limitMeanings = map[string]string{
	"ingestLag":    "Records of `rollcall.reports` that wait to be stored. Default 100 000.",
	"reconcileAge": "Seconds since every stream was last looked at. Default 60.",
	"quarantined":  "Records that could not be read and were put aside within five minutes. Default 10.",
}

// limitRows lists the keys under limits:.
func limitRows(t *testing.T) string {
	var b strings.Builder
	limits := reflect.TypeFor[cli.Limits]()
	for i := range limits.NumField() {
		name := limits.Field(i).Tag.Get("yaml")
		if limitMeanings[name] == "" {
			t.Errorf("limit %s has no meaning in this test", name)
		}
		fmt.Fprintf(&b, "| `%s` | %s |\n", name, limitMeanings[name])
	}
	return b.String()
}

// retentionMeanings explains what stands under retention:; every key must be here.
var retentionMeanings = map[string]string{
	"evidenceDays":      "What windows are judged from: rolls by emitter, progress, announcements, emitters that are closed. At least 32.",
	"windowsDays":       "The rolls of windows, and verdicts that were complete at once and stayed so. At least `evidenceDays`, as are the four below.",
	"foreignDays":       "UIDs that Rollcall did not number, a row each.",
	"talliesDays":       "Latencies, outcomes of schemas, reasons.",
	"incidentsDays":     "Incidents, since they were resolved, and who acknowledged them.",
	"notificationsDays": "What receivers were told, and no less than its incident.",
	"silencesDays":      "Silences, since they ended. At least 1.",
	"quarantineDays":    "What could not be read. At least 1.",
}

// retentionRows lists the keys under retention:, with the defaults of the store.
func retentionRows(t *testing.T) string {
	var b strings.Builder
	usual := reflect.ValueOf(store.Retention{}.WithDefaults())
	of := reflect.TypeFor[cli.Retention]()
	for i := range of.NumField() {
		name := of.Field(i).Tag.Get("yaml")
		if retentionMeanings[name] == "" {
			t.Errorf("term %s has no meaning in this test", name)
		}
		fmt.Fprintf(&b, "| `%s` | `%d` | %s |\n", name, usual.FieldByName(of.Field(i).Name).Int(), retentionMeanings[name])
	}
	return b.String()
}

// receiverMeanings explains the keys of a receiver; every one must be here.
var receiverMeanings = map[string]string{
	"name": "Its name in metrics and timelines: 1 to 64 characters of `A-Z a-z 0-9 . _ -`.",
	"type": "`webhook` (CloudEvents 1.0, structured mode, JSON), `alertmanager` (API v2), `slack` (incoming webhook), `pagerduty` (Events API v2) or `heartbeat` (a GET each minute while all is well).",
	"url":  "The address of the webhook or heartbeat, the base of Alertmanager's, or PagerDuty's where it is not `https://events.pagerduty.com/v2/enqueue`. Not followed elsewhere. Slack's is a secret and not given here.",
	"secretFile": "A file that holds the receiver's secret: for a webhook what calls are signed with, at least 16 bytes; for Slack the address of the incoming webhook; for PagerDuty the routing key, " +
		"32 letters and digits; for a heartbeat its address, in the place of `url`. White space around it is left out; 4096 bytes at most.",
	"secretVariable": "The name of an environment variable that holds the secret, in the place of `secretFile`.",
	"caFile":         "Certificates to trust the receiver by instead of the system's, PEM.",
	"allowPrivate":   "The address may be of this host or of a private network. Otherwise it is refused when it is dialled.",
}

func flagRow(f reflect.StructField) string {
	tag := func(name string) string { return f.Tag.Get(name) }
	name := tag("name")
	if name == "" {
		name = strings.ToLower(f.Name)
	}
	usual := "-"
	if v := tag("default"); v != "" {
		usual = "`" + v + "`"
	}
	meaning := strings.ReplaceAll(tag("help"), "${enum}", strings.ReplaceAll(tag("enum"), ",", ", "))
	return fmt.Sprintf("| `--%s` | `%s` | %s | %s |\n", name, tag("env"), usual, meaning)
}

// settings returns the names of the fields of a settings type, with dots between.
func settings(prefix string, of reflect.Type) []string {
	var names []string
	for i := range of.NumField() {
		f := of.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		name = prefix + name
		at := f.Type
		if at.Kind() == reflect.Map {
			name, at = name+".NAME", at.Elem()
		}
		if at.Kind() == reflect.Pointer {
			at = at.Elem()
		}
		if at.Kind() == reflect.Struct && at.PkgPath() == of.PkgPath() {
			names = append(names, settings(name+".", at)...)
			continue
		}
		names = append(names, name)
	}
	return names
}
