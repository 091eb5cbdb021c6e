package deploy_test

import (
	"encoding/json"
	"io/fs"
	"maps"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

func TestTheRulesOfPrometheusAreMountedWhereItReadsThem(t *testing.T) {
	var file struct {
		Rules []string `yaml:"rule_files"`
	}
	if err := yaml.Unmarshal(read(t, "deploy/prometheus/prometheus.yml"), &file); err != nil || len(file.Rules) != 1 {
		t.Fatalf("%q, %v", file.Rules, err)
	}
	for _, v := range project(t).Services["prometheus"].Volumes {
		if v.Target != filepath.Dir(file.Rules[0]) {
			continue
		}
		if found, err := filepath.Glob(filepath.Join(v.Source, filepath.Base(file.Rules[0]))); err != nil || len(found) == 0 {
			t.Errorf("no rules in %s, %v", v.Source, err)
		}
		asked := regexp.MustCompile(`rollcall_[a-z_]+`).FindAllString(string(read(t, "deploy/prometheus/rules/rollcall.yml")), -1)
		for _, name := range asked {
			if documented(t)[name] == "" {
				t.Errorf("a rule asks for %s, which there is not", name)
			}
		}
		return
	}
	t.Errorf("nothing is mounted at %s", file.Rules[0])
}

func TestPrometheusAsksEveryProcessOfRollcallAsOneItMayAsk(t *testing.T) {
	var file struct {
		Scrapes []struct {
			Job    string `yaml:"job_name"`
			Scheme string `yaml:"scheme"`
			TLS    struct {
				CA string `yaml:"ca_file"`
			} `yaml:"tls_config"`
			Auth struct {
				Token string `yaml:"credentials_file"`
			} `yaml:"authorization"`
			Targets []struct {
				At []string `yaml:"targets"`
			} `yaml:"static_configs"`
		} `yaml:"scrape_configs"`
	}
	if err := yaml.Unmarshal(read(t, "deploy/prometheus/prometheus.yml"), &file); err != nil {
		t.Fatal(err)
	}
	p := project(t)
	_, ours := services(p)
	scrape := file.Scrapes[0]
	var asked []string
	for _, at := range scrape.Targets[0].At {
		host, port, err := net.SplitHostPort(at)
		if err != nil || port != "8080" {
			t.Errorf("target %s: %v", at, err)
		}
		asked = append(asked, host)
	}
	if slices.Sort(asked); !slices.Equal(asked, ours) || scrape.Scheme != "https" {
		t.Errorf("it asks %q by %s, want %q by https", asked, scrape.Scheme, ours)
	}
	for _, path := range []string{scrape.TLS.CA, scrape.Auth.Token} {
		if !slices.ContainsFunc(p.Services["prometheus"].Secrets, mountedAt(path)) {
			t.Errorf("%q is no secret of prometheus", path)
		}
	}
}

// documented are the metrics of docs/reference/metrics.md with their types.
func documented(t *testing.T) map[string]string {
	all := map[string]string{"up": "gauge"}
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\| (\\w+) ").FindAllSubmatch(read(t, "docs/reference/metrics.md"), -1) {
		all[string(m[1])] = string(m[2])
	}
	return all
}

// words are those of an expression that are no functions, labels or strings.
func words(expr string) []string {
	expr = regexp.MustCompile(`"[^"]*"|\{[^}]*\}|\[[^]]*\]|\b(by|without) *\([^)]*\)`).ReplaceAllString(expr, " ")
	expr = regexp.MustCompile(`\b[a-z_0-9]+ *\(`).ReplaceAllString(expr, " ")
	var found []string
	for _, w := range regexp.MustCompile(`[a-z][a-z_]+`).FindAllString(expr, -1) {
		if w != "sum" && w != "min" && w != "max" {
			found = append(found, w)
		}
	}
	return found
}

// board is what the tests read of the dashboard.
type board struct {
	Panels []struct {
		ID          int
		Title       string
		Description string
		Datasource  struct{ UID, Type string }
		Targets     []struct{ Expr, RawSQL string }
	}
}

func dashboard(t *testing.T) board {
	t.Helper()
	var b board
	if err := json.Unmarshal(read(t, "deploy/grafana/dashboards/rollcall.json"), &b); err != nil {
		t.Fatal(err)
	}
	return b
}

func TestTheDashboardShowsMetricsThatThereAre(t *testing.T) {
	known, shown := documented(t), map[string]bool{}
	for _, p := range dashboard(t).Panels {
		if p.Title == "" || p.Description == "" || len(p.Targets) == 0 {
			t.Errorf("panel %d %q has no title, description or question", p.ID, p.Title)
		}
		for _, target := range p.Targets {
			if (target.Expr == "") == (p.Datasource.UID == "prometheus") || (target.RawSQL == "") == (p.Datasource.UID == "clickhouse") {
				t.Errorf("%q asks %q by %+v", p.Title, p.Datasource.UID, target)
			}
			for _, word := range words(target.Expr) {
				name := strings.TrimSuffix(word, "_bucket")
				shown[name] = true
				if known[name] == "" || (known[name] == "histogram") != (name != word) {
					t.Errorf("%q asks for %s, which is %q", p.Title, word, known[name])
				}
			}
			if strings.Count(target.Expr, "(") != strings.Count(target.Expr, ")") {
				t.Errorf("%q: brackets of %s", p.Title, target.Expr)
			}
		}
	}
	for name, kind := range known {
		if kind != "histogram" && !shown[name] && !slices.Contains(notShown, name) {
			t.Errorf("%s is on no panel", name)
		}
	}
}

// notShown are metrics that say nothing a panel does not say by others.
var notShown = []string{"rollcall_access_files_total", "rollcall_access_requests_total", "rollcall_ingest_inserts_total", "rollcall_ingest_requests_total"}

func TestGrafanaIsGivenTheSourceAndTheDashboard(t *testing.T) {
	var source struct {
		Datasources []struct{ UID, Type, URL string }
	}
	var boards struct {
		Providers []struct {
			Options struct{ Path string }
		}
	}
	unmarshal(t, "deploy/grafana/provisioning/datasources/prometheus.yaml", &source)
	unmarshal(t, "deploy/grafana/provisioning/dashboards/rollcall.yaml", &boards)
	var second struct {
		Datasources []struct {
			UID, Type string
			JSON      struct{ Host, Username, DefaultDatabase string } `yaml:"jsonData"`
			Secure    struct{ Password string }                        `yaml:"secureJsonData"`
		}
	}
	unmarshal(t, "deploy/grafana/provisioning/datasources/clickhouse.yaml", &second)
	grafana := project(t).Services["grafana"]
	path := strings.TrimSuffix(strings.TrimPrefix(second.Datasources[0].Secure.Password, "$__file{"), "}")
	if s := second.Datasources[0]; s.UID != "clickhouse" || s.Type != "grafana-clickhouse-datasource" || s.JSON.Host != "clickhouse" || !slices.ContainsFunc(grafana.Secrets, mountedAt(path)) {
		t.Errorf("source %+v", s)
	}
	plugin := grafana.Environment["GF_PLUGINS_PREINSTALL_SYNC"]
	if plugin == nil || !regexp.MustCompile(`^grafana-clickhouse-datasource@\d+\.\d+\.\d+$`).MatchString(*plugin) {
		t.Error("the plugin of the ClickHouse source is not pinned")
	}
	if s := source.Datasources[0]; s.UID != "prometheus" || s.Type != "prometheus" || s.URL != "http://prometheus:9090" {
		t.Errorf("source %+v", s)
	}
	mounted := map[string]string{}
	for _, v := range project(t).Services["grafana"].Volumes {
		mounted[v.Target] = filepath.Base(v.Source)
	}
	if mounted[boards.Providers[0].Options.Path] != "dashboards" || mounted["/etc/grafana/provisioning"] != "provisioning" {
		t.Errorf("mounted are %v", mounted)
	}
}

func unmarshal(t *testing.T, path string, into any) {
	t.Helper()
	if err := yaml.Unmarshal(read(t, path), into); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

// TestTheSecretsScriptMakesEverySecretOnce also holds that nobody else can reach them.
func TestTheSecretsScriptMakesEverySecretOnceAndForItsOwnerAlone(t *testing.T) {
	dir := secrets(t, program(t))
	before := contents(t, dir)
	p := project(t)
	for name, secret := range p.Secrets {
		rel, err := filepath.Rel(filepath.Join(p.WorkingDir, "secrets"), secret.File)
		if err != nil {
			t.Fatal(err)
		}
		if before[rel] == "" {
			t.Errorf("secret %s: the script makes no %s", name, rel)
		}
		if strings.HasSuffix(rel, "password") && (strings.Contains(before[rel], "\n") || len(before[rel]) < 32) {
			t.Errorf("%s is short, or has a line break", rel)
		}
	}
	for _, own := range []string{dir, filepath.Join(dir, "access"), filepath.Join(dir, "access/tokens"), filepath.Join(dir, "access/tls-key.pem"), filepath.Join(dir, "keys"), filepath.Join(dir, "keys/keys.json"), filepath.Join(dir, "admin-token"), filepath.Join(dir, "hops-token")} {
		if info, err := os.Stat(own); err != nil || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s: %v, %v; others can reach it", own, info.Mode(), err)
		}
	}
	makeSecrets(t, dir, program(t))
	if after := contents(t, dir); !maps.Equal(before, after) {
		t.Error("a second run changes what is there")
	}
}

func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		rel, _ := filepath.Rel(dir, path)
		all[rel] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}
