package deploy_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/RoaringBitmap/roaring/v2"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl/plain"

	"github.com/rollcallhq/rollcall/audit"
	"github.com/rollcallhq/rollcall/audit/wire"
	"github.com/rollcallhq/rollcall/ingest"
	"github.com/rollcallhq/rollcall/inspector/api"
	"github.com/rollcallhq/rollcall/internal/apachekafka"
	"github.com/rollcallhq/rollcall/internal/embedded"
	"github.com/rollcallhq/rollcall/internal/store"
	"github.com/rollcallhq/rollcall/internal/testenv"
)

const (
	runLimit = 3 * time.Minute
	poll     = 200 * time.Millisecond
)

// built is the program, built by the first test that needs it.
var built struct {
	once sync.Once
	dir  string
	err  error
	said []byte
}

// program returns the path of the program.
func program(t *testing.T) string {
	t.Helper()
	built.once.Do(func() {
		if built.dir, built.err = os.MkdirTemp("", "rollcall-deploy-"); built.err == nil {
			build := exec.Command("go", "build", "-buildvcs=false", "-o", filepath.Join(built.dir, "rollcall"), ".")
			build.Dir = root
			built.said, built.err = build.CombinedOutput()
		}
	})
	if built.err != nil {
		t.Fatalf("build the program: %v\n%s", built.err, built.said)
	}
	return filepath.Join(built.dir, "rollcall")
}

// secrets are those that the script makes, in a directory of the test's own.
func secrets(t *testing.T, program string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "secrets")
	makeSecrets(t, dir, program)
	return dir
}

func makeSecrets(t *testing.T, dir, program string) {
	t.Helper()
	if _, err := exec.LookPath("openssl"); err != nil && os.Getenv("CI") == "" {
		t.Skip(err)
	}
	script := exec.CommandContext(t.Context(), filepath.Join(root, "scripts/compose-secrets.sh"), dir)
	script.Env = append(os.Environ(), "ROLLCALL="+program)
	if said, err := script.CombinedOutput(); err != nil {
		t.Fatalf("make the secrets: %v\n%s", err, said)
	}
}

// site is what docker-compose.yml describes, without containers: the same program, flags, files and secrets, at other addresses.
type site struct {
	t       *testing.T
	project *types.Project
	secrets string            // directory that the script made
	mounted string            // directory that stands for /run/secrets
	replace map[string]string // what stands for what in the files
}

func newSite(t *testing.T) *site {
	s := &site{t: t, project: project(t), secrets: secrets(t, program(t)), mounted: t.TempDir()}
	for name, secret := range s.project.Secrets {
		s.copy(filepath.Join(s.secrets, strings.TrimPrefix(secret.File, filepath.Join(s.project.WorkingDir, "secrets"))), filepath.Join(s.mounted, name))
	}
	s.replace = map[string]string{"/run/secrets": s.mounted, "/etc/rollcall/access": filepath.Join(s.secrets, "access"), "/etc/rollcall/keys": filepath.Join(s.secrets, "keys")}
	return s
}

func (s *site) copy(from, to string) {
	s.t.Helper()
	text, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, text, 0o600)
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

// here puts what stands for it here in the place of what is in a container.
func (s *site) here(text string) string {
	for _, old := range slices.Sorted(maps.Keys(s.replace)) {
		text = strings.ReplaceAll(text, old, s.replace[old])
	}
	return text
}

func (s *site) secret(name string) string {
	s.t.Helper()
	text, err := os.ReadFile(filepath.Join(s.secrets, name))
	if err != nil {
		s.t.Fatal(err)
	}
	return string(text)
}

// startClickHouse starts one that has the files that are mounted into the container, and returns its address.
func (s *site) startClickHouse(ctx context.Context) string {
	s.t.Helper()
	dir := s.t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "config.d"), 0o700); err != nil {
		s.t.Fatal(err)
	}
	s.copy(filepath.Join(root, "deploy/clickhouse/rollcall.xml"), filepath.Join(dir, "config.d/rollcall.xml"))
	s.copy(filepath.Join(s.mounted, "clickhouse_users"), filepath.Join(dir, "config.d/users.xml"))
	// Unsynced, which the mounted file must undo.
	server, err := embedded.StartClickHouse(ctx, embedded.ClickHouseConfig{Dir: dir, Library: testenv.Library(s.t), Unsynced: true})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = server.Stop(context.Background()) })
	return server.Addr()
}

// startKafka starts an Apache Kafka with the properties that are mounted into the container, but for addresses and directories.
func (s *site) startKafka() string {
	s.t.Helper()
	properties := map[string]string{}
	for line := range strings.Lines(string(read(s.t, "deploy/kafka/server.properties"))) {
		key, value, found := strings.Cut(strings.TrimSpace(line), "=")
		if found && !strings.HasPrefix(key, "#") && !slices.Contains([]string{"listeners", "advertised.listeners", "controller.quorum.voters", "log.dirs"}, key) {
			properties[key] = s.here(value)
		}
	}
	return testenv.OwnApacheKafka(s.t, apachekafka.Config{Properties: properties}).Addr()
}

// process is a service of rollcall that runs here.
type process struct {
	url  string
	env  []string
	said *bytes.Buffer
	done chan struct{}
	err  error // of its end, once done is closed
}

// start runs a service of the compose file with its command, its variables and its configuration file.
func (s *site) start(ctx context.Context, service string) *process {
	s.t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		s.t.Fatal(err)
	}
	addr := listener.Addr().String()
	listener.Close()
	of := s.project.Services[service]
	s.replace["0.0.0.0:8080"], s.replace["https://localhost:8080"] = addr, "https://"+addr
	config := filepath.Join(s.t.TempDir(), "rollcall.yaml")
	if err := os.WriteFile(config, []byte(s.here(string(read(s.t, "deploy/rollcall.yaml")))), 0o600); err != nil {
		s.t.Fatal(err)
	}
	s.replace["/etc/rollcall/rollcall.yaml"] = config
	p := &process{url: "https://" + addr, said: &bytes.Buffer{}, done: make(chan struct{})}
	for name, value := range of.Environment {
		p.env = append(p.env, name+"="+s.here(*value))
	}
	args := serveArgs(s.t, of)
	for i := range args {
		args[i] = s.here(args[i])
	}
	command := exec.CommandContext(ctx, program(s.t), args...)
	command.Dir, command.Env, command.Stderr = s.t.TempDir(), p.env, p.said
	command.Cancel = func() error { return command.Process.Signal(syscall.SIGTERM) }
	command.WaitDelay = time.Minute
	if err := command.Start(); err != nil {
		s.t.Fatal(err)
	}
	go func() {
		p.err = command.Wait()
		close(p.done)
	}()
	return p
}

// healthy waits until the health check of the compose file is content.
func (s *site) healthy(ctx context.Context, service string, p *process) {
	s.t.Helper()
	check := s.project.Services[service].HealthCheck.Test
	until(ctx, s.t, "it is not healthy", func() bool {
		select {
		case <-p.done:
			s.t.Fatalf("%s ended: %v\n%s", service, p.err, p.said)
		default:
		}
		ask := exec.CommandContext(ctx, program(s.t), check[2:]...)
		ask.Env = p.env
		return ask.Run() == nil
	})
}

// until asks until it is so, or ctx ends.
func until(ctx context.Context, t *testing.T, else_ string, so func() bool) {
	t.Helper()
	tick := time.NewTicker(poll)
	defer tick.Stop()
	for !so() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatal(else_)
		}
	}
}

func TestTheServerOfTheComposeFileTakesReportsByHTTPAndKafkaAndNamesTheLost(t *testing.T) {
	if testing.Short() {
		t.Skip("a real Apache Kafka is not for -short")
	}
	s := newSite(t)
	ctx, cancel := context.WithTimeout(t.Context(), runLimit)
	t.Cleanup(cancel)
	s.replace["clickhouse:9000"], s.replace["kafka:9092"] = s.startClickHouse(ctx), s.startKafka()

	running, end := context.WithCancel(ctx)
	t.Cleanup(end)
	processes := map[string]*process{}
	names := []string{"ingest", "reconcile", "inspector"}
	if !knowsRoles(t) {
		names = []string{"inspector"}
	}
	for _, name := range names {
		processes[name] = s.start(running, name)
		s.healthy(ctx, name, processes[name])
	}
	inspector, intake := processes["inspector"], processes[names[0]]

	start := time.Now().UTC().Truncate(time.Minute).Add(-2 * time.Minute)
	source := wire.UID{1, 2, 3, 4, 5, 6, 0x80, 7, 0x80}
	s.sendByHTTP(ctx, intake.url, reportOf("app", "", start, source))
	s.sendByKafka(ctx, reportOf("sink", "app", start, source, 41))
	s.wantLost(ctx, inspector.url, start, source.WithSequence(41).String())
	s.wantSynced(ctx)
	s.wantKeys(ctx, inspector.url)
	for name, p := range processes {
		s.wantDocumented(ctx, name, p)
	}

	end()
	for name, p := range processes {
		if <-p.done; p.err != nil && running.Err() == nil {
			t.Errorf("%s: %v\n%s", name, p.err, p.said)
		}
		for line := range strings.Lines(p.said.String()) {
			if !json.Valid([]byte(line)) {
				t.Errorf("%s: a line of the log is not JSON: %s", name, line)
			}
		}
		for _, secret := range []string{"clickhouse-password", "kafka-password"} {
			if strings.Contains(p.said.String(), s.secret(secret)) {
				t.Errorf("%s logs the %s", name, secret)
			}
		}
	}
}

// reportOf is all that an emitter of a hop took over of one window: a hundred events of the source but those it lacks.
func reportOf(hop, after string, start time.Time, source wire.UID, lacks ...uint32) wire.Report {
	seen := roaring.New()
	seen.AddRange(0, 100)
	for _, n := range lacks {
		seen.Remove(n)
	}
	src := wire.Source{ID: source, Observations: seen.GetCardinality(), Bytes: 100}
	src.Rolls[wire.Seen] = seen
	r := wire.Report{
		Stream: "orders", Hop: hop, Emitter: wire.UID{0: byte(len(hop)), 6: 0x80, 8: 0x80}, Host: "host", Heartbeat: 5, Number: 1,
		SentAt: time.Now().UTC().Truncate(time.Millisecond), State: wire.Closed,
		Windows: []wire.Window{{Start: start, Seconds: 60, Sources: []wire.Source{src}}},
	}
	if after != "" {
		r.After = []string{after}
	}
	return r
}

func (s *site) sendByHTTP(ctx context.Context, url string, r wire.Report) {
	s.t.Helper()
	transport, err := audit.NewHTTPTransport(audit.HTTPConfig{
		URL: url, TokenFile: filepath.Join(s.secrets, "hops-token"), CAFile: filepath.Join(s.secrets, "access/tls-cert.pem"),
	})
	if err == nil {
		err = transport.Send(ctx, wire.Batch{Reports: []wire.Report{r}})
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *site) sendByKafka(ctx context.Context, r wire.Report) {
	s.t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(s.replace["kafka:9092"]), kgo.DefaultProduceTopic(ingest.Topic),
		kgo.SASL(plain.Auth{User: "hops", Pass: s.secret("kafka-hops-password")}.AsMechanism()))
	if err != nil {
		s.t.Fatal(err)
	}
	defer client.Close()
	body, err := wire.EncodeProto(wire.Batch{Reports: []wire.Report{r}})
	if err == nil {
		err = client.ProduceSync(ctx, &kgo.Record{Key: []byte(r.Stream), Value: body}).FirstErr()
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

// get asks with the token that Prometheus is given.
func (s *site) get(ctx context.Context, url string) (int, []byte) {
	s.t.Helper()
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM([]byte(s.secret("access/tls-cert.pem")))
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}
	defer transport.CloseIdleConnections()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+s.secret("prometheus-token"))
	answer, err := (&http.Client{Transport: transport}).Do(request)
	if err != nil {
		s.t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return answer.StatusCode, text
}

func (s *site) wantLost(ctx context.Context, base string, start time.Time, uid string) {
	s.t.Helper()
	at := base + "/api/v1/streams/orders/windows/" + start.Format(time.RFC3339) + "/uids?" + url.Values{"edge": {"app..sink"}, "kind": {"lost"}}.Encode()
	var lost api.Page[api.UID]
	until(ctx, s.t, "nothing is said to be lost", func() bool {
		status, text := s.get(ctx, at)
		if status != http.StatusOK {
			return false
		}
		if err := json.Unmarshal(text, &lost); err != nil {
			s.t.Fatal(err)
		}
		return len(lost.Items) > 0
	})
	if len(lost.Items) != 1 || lost.Items[0].UID != uid {
		s.t.Errorf("lost are %+v, want %s alone", lost.Items, uid)
	}
}

// wantKeys holds that what answers signs with the key that the script made.
func (s *site) wantKeys(ctx context.Context, base string) {
	s.t.Helper()
	var keys api.Page[api.Key]
	status, text := s.get(ctx, base+"/api/v1/keys")
	if err := json.Unmarshal(text, &keys); err != nil || status != http.StatusOK || len(keys.Items) != 1 || !keys.Items[0].Signing {
		s.t.Fatalf("keys answer %d, %s, %v; want one that signs", status, text, err)
	}
	if made := s.secret("keys/keys.json"); !strings.Contains(made, keys.Items[0].ID) {
		s.t.Errorf("it signs with %s, and the script made %s", keys.Items[0].ID, made)
	}
}

// wantSynced holds that the file mounted into ClickHouse is heeded, and that the user may do all that is needed.
func (s *site) wantSynced(ctx context.Context) {
	s.t.Helper()
	db, err := store.Connect(ctx, store.Config{
		Addrs: []string{s.replace["clickhouse:9000"]}, Database: "rollcall", User: "rollcall", Password: s.secret("clickhouse-password"),
	})
	if err != nil {
		s.t.Fatal(err)
	}
	defer db.Close()
	if synced, err := db.Synced(ctx); err != nil || !synced {
		s.t.Errorf("inserts are synced: %t, %v", synced, err)
	}
}

// wantDocumented holds that docs/reference/metrics.md knows every metric of ours that a whole server shows.
func (s *site) wantDocumented(ctx context.Context, name string, p *process) {
	s.t.Helper()
	status, text := s.get(ctx, p.url+"/metrics")
	if status != http.StatusOK {
		s.t.Errorf("%s: metrics answer %d to the token of Prometheus", name, status)
	}
	known, found := documented(s.t), regexp.MustCompile(`(?m)^# TYPE (rollcall_\w+) (\w+)$`).FindAllSubmatch(text, -1)
	if len(found) < 5 {
		s.t.Errorf("%s shows %d metrics of ours", name, len(found))
	}
	for _, m := range found {
		if known[string(m[1])] != string(m[2]) {
			s.t.Errorf("%s shows %s, a %s; documented is %q", name, m[1], m[2], known[string(m[1])])
		}
	}
}

func TestAWrongPasswordEndsTheServerOfTheComposeFileWithWordsForIt(t *testing.T) {
	if testing.Short() {
		t.Skip("a real Apache Kafka is not for -short")
	}
	s := newSite(t)
	ctx, cancel := context.WithTimeout(t.Context(), runLimit)
	t.Cleanup(cancel)
	s.replace["clickhouse:9000"], s.replace["kafka:9092"] = s.startClickHouse(ctx), s.startKafka()
	// ClickHouse last: the embedded one may die of the next connection after one it refused.
	for _, c := range []struct{ secret, says string }{
		{"kafka_password", `user "rollcall" is refused by Kafka: the name or the password is wrong`},
		{"clickhouse_password", `user "rollcall" is refused by ClickHouse: the name or the password is wrong`},
	} {
		file := filepath.Join(s.mounted, c.secret)
		good, err := os.ReadFile(file)
		if err == nil {
			err = os.WriteFile(file, []byte("wrong-word"), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
		p := s.start(ctx, "ingest")
		select {
		case <-p.done:
		case <-ctx.Done():
			t.Fatalf("%s: it goes on with a wrong password", c.secret)
		}
		if said := p.said.String(); p.err == nil || !strings.Contains(said, c.says) || strings.Contains(said, "wrong-word") {
			t.Errorf("%s: it ends with %v and\n%s\nwant it to say %q", c.secret, p.err, said, c.says)
		}
		if err := os.WriteFile(file, good, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
