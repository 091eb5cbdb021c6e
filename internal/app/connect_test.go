package app

import (
	"context"
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rollcallhq/rollcall/internal/apachekafka"
	"github.com/rollcallhq/rollcall/internal/embedded"
	"github.com/rollcallhq/rollcall/internal/store"
	"github.com/rollcallhq/rollcall/internal/testenv"
)

func TestASecretIsTheOneLineOfItsFile(t *testing.T) {
	for name, c := range map[string]struct{ text, secret, says string }{
		"a line":             {"pass word\n", "pass word", ""},
		"no line break":      {"password", "password", ""},
		"of another system":  {"password\r\n", "password", ""},
		"blanks are part":    {" p ", " p ", ""},
		"nothing":            {"", "", "is empty"},
		"an empty line":      {"\n", "", "is empty"},
		"two lines":          {"user\npassword\n", "", "more than one line"},
		"not a password":     {strings.Repeat("x", longestSecret+1), "", "more than 4096 bytes"},
		"as long as it gets": {strings.Repeat("x", longestSecret), strings.Repeat("x", longestSecret), ""},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "secret")
			if err := os.WriteFile(path, []byte(c.text), 0o400); err != nil {
				t.Fatal(err)
			}
			got, err := ReadSecret(path)
			if c.says == "" && (err != nil || got != c.secret) {
				t.Errorf("%q, %v; want %q", got, err, c.secret)
			}
			if c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), path)) {
				t.Errorf("%v; want it to name the file and to say %q", err, c.says)
			}
		})
	}
	if _, err := ReadSecret("/none/secret"); err == nil {
		t.Error("a file that is not there is taken for a password")
	}
}

func TestWhatDoesNotBelongTogetherIsRefusedBeforeTheStart(t *testing.T) {
	kafka, some := []string{"k:9092"}, &tls.Config{}
	for name, c := range map[string]struct {
		config Config
		says   string // empty: it belongs together
	}{
		"all embedded":                 {Config{ClickHouse: store.Config{User: "default"}, KafkaAccess: KafkaAccess{SASL: NoSASL}}, ""},
		"all given":                    {Config{KafkaBrokers: kafka, KafkaAccess: KafkaAccess{SASL: Plain, User: "u", Password: "p", TLS: some}}, ""},
		"a user without a mechanism":   {Config{KafkaBrokers: kafka, KafkaAccess: KafkaAccess{User: "u"}}, "say by --kafka-sasl"},
		"a mechanism without user":     {Config{KafkaBrokers: kafka, KafkaAccess: KafkaAccess{SASL: Plain, Password: "p"}}, "--kafka-sasl plain: give --kafka-user"},
		"a mechanism without password": {Config{KafkaBrokers: kafka, KafkaAccess: KafkaAccess{SASL: ScramSHA256, User: "u"}}, "--kafka-password-file too"},
		"SASL and no brokers":          {Config{KafkaAccess: KafkaAccess{SASL: Plain, User: "u", Password: "p"}}, "--kafka-brokers"},
		"TLS and no brokers":           {Config{KafkaAccess: KafkaAccess{TLS: some}}, "--kafka-brokers"},
		"a password and no ClickHouse": {Config{ClickHouse: store.Config{Password: "p"}}, "--clickhouse-addr"},
		"TLS and no ClickHouse":        {Config{ClickHouse: store.Config{TLS: some}}, "--clickhouse-addr"},
		"a profiler for all":           {Config{Debug: "0.0.0.0:6060"}, "loopback only"},
		"a profiler nowhere":           {Config{Debug: "6060"}, "--debug-listen"},
		"a profiler":                   {Config{Debug: "localhost:6060"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			c.config.Listen = "127.0.0.1:0"
			err := c.config.Check()
			if (err == nil) != (c.says == "") || err != nil && !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v; want %q", err, c.says)
			}
		})
	}
}

func TestCertificatesToTrustWantTLSAndMustBeSome(t *testing.T) {
	cert, key := selfSigned(t, t.TempDir())
	if c, err := ClientTLS(true, cert); err != nil || c.RootCAs == nil {
		t.Errorf("%+v, %v", c, err)
	}
	if c, err := ClientTLS(true, ""); err != nil || c == nil || c.RootCAs != nil {
		t.Errorf("%+v, %v; want to trust whom the system trusts", c, err)
	}
	if c, err := ClientTLS(false, ""); err != nil || c != nil {
		t.Errorf("%+v, %v; want no TLS", c, err)
	}
	for _, wrong := range []struct {
		use  bool
		file string
	}{{false, cert}, {true, key}, {true, "/none/ca"}} {
		if _, err := ClientTLS(wrong.use, wrong.file); err == nil {
			t.Errorf("%+v is taken", wrong)
		}
	}
}

// behindTLS puts TLS before a service and returns where.
func behindTLS(t *testing.T, to, certFile, keyFile string) string {
	t.Helper()
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{pair}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			service, err := net.Dial("tcp", to)
			if err != nil {
				client.Close()
				continue
			}
			for _, pair := range [][2]net.Conn{{client, service}, {service, client}} {
				go func() {
					defer pair[0].Close()
					defer pair[1].Close()
					_, _ = io.Copy(pair[0], pair[1])
				}()
			}
		}
	}()
	return listener.Addr().String()
}

func TestTheStoreIsReachedByTLSThatIsTrusted(t *testing.T) {
	addr, database := testenv.ClickHouse(t)
	cert, key := selfSigned(t, t.TempDir())
	trust, err := ClientTLS(true, cert)
	if err != nil {
		t.Fatal(err)
	}
	config := store.Config{Addrs: []string{behindTLS(t, addr, cert, key)}, Database: database, User: "default", TLS: trust}
	s, err := store.Connect(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	config.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	if s, err = store.Connect(t.Context(), config); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("%v, %v; want a server that the system does not trust refused", s, err)
	}
}

// Each attempt has a ClickHouse of its own: the embedded one may die of the next connection after one it refused.
func TestAWrongUserOrPasswordOfClickHouseIsSaidInWords(t *testing.T) {
	for _, config := range []store.Config{{User: "nobody"}, {User: "default", Password: "wrong-word"}} {
		t.Run(config.User, func(t *testing.T) {
			own, err := embedded.StartClickHouse(t.Context(), embedded.ClickHouseConfig{Dir: t.TempDir(), Library: testenv.Library(t), Unsynced: true})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = own.Stop(context.Background()) })
			config.Addrs = []string{own.Addr()}
			_, err = Start(t.Context(), Config{Listen: "127.0.0.1:0", Data: t.TempDir(), ClickHouse: config, Log: slog.New(slog.DiscardHandler)})
			if err == nil || !strings.Contains(err.Error(), `user "`+config.User+`" is refused by ClickHouse: the name or the password is wrong`) || !strings.Contains(err.Error(), own.Addr()) {
				t.Errorf("%v; want it to name the server and the user", err)
			}
			if err != nil && strings.Contains(err.Error(), "wrong-word") {
				t.Errorf("the password is shown: %v", err)
			}
		})
	}
}

// serverBehind starts a server whose store is behind a gate.
func serverBehind(t *testing.T, debug string) (*App, *testenv.Gate) {
	t.Helper()
	addr, database := testenv.ClickHouse(t)
	gate := testenv.NewGate(t, addr)
	a, err := Start(t.Context(), Config{
		Listen: "127.0.0.1:0", Data: t.TempDir(), Debug: debug, KafkaBrokers: testenv.Kafka(t),
		ClickHouse: store.Config{Addrs: []string{gate.Addr()}, Database: database, User: "default"}, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return a, gate
}

// statusOf is what a server answers to GET.
func statusOf(ctx context.Context, t *testing.T, url string) int {
	t.Helper()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	return answer.StatusCode
}

func TestWhileTheStoreHangsTheServerLivesAndIsNotReady(t *testing.T) {
	a, gate := serverBehind(t, "")
	ctx, cancel := context.WithTimeout(t.Context(), testLimit)
	defer cancel()
	states := func() [2]int {
		return [2]int{statusOf(ctx, t, a.URL()+"/healthz"), statusOf(ctx, t, a.URL()+"/readyz")}
	}
	ready := func(when string) {
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for states() != [2]int{200, 200} {
			select {
			case <-tick.C:
			case <-ctx.Done():
				t.Fatalf("%s it is not ready", when)
			}
		}
	}
	ready("with a store")
	gate.Shut()
	if got := states(); got != [2]int{200, 503} {
		t.Errorf("with a store that hangs it answers %v", got)
	}
	gate.Open()
	ready("with the store back")
}

func TestTheProfilerIsOnItsOwnAddressAndOnlyWhereAskedFor(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	free := listener.Addr().String()
	listener.Close()
	a, _ := serverBehind(t, free)
	if got := statusOf(t.Context(), t, "http://"+free+"/debug/pprof/heap"); got != http.StatusOK {
		t.Errorf("the profiler answers %d", got)
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, a.URL()+"/debug/pprof/heap", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Accept", "application/json")
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if text, _ := io.ReadAll(answer.Body); answer.StatusCode == http.StatusOK && !strings.Contains(string(text), "<html") {
		t.Errorf("the address of the API shows the profiler: %.80s", text)
	}
	if err := a.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if conn, err := net.Dial("tcp", free); err == nil {
		conn.Close()
		t.Error("the profiler outlives the server")
	}
}

// secureKafka is an Apache Kafka that speaks TLS alone and knows the user rollcall with the password right-word. It returns the
// certificate to trust too.
func secureKafka(t *testing.T) (brokers []string, certFile string) {
	t.Helper()
	certFile, keyFile := selfSigned(t, t.TempDir())
	var both []byte
	for _, path := range []string{keyFile, certFile} {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		both = append(both, text...)
	}
	pair := filepath.Join(t.TempDir(), "pair.pem")
	if err := os.WriteFile(pair, both, 0o600); err != nil {
		t.Fatal(err)
	}
	return testenv.OwnApacheKafka(t, apachekafka.Config{
		Users: map[string]string{"rollcall": "right-word"},
		Properties: map[string]string{
			"listener.security.protocol.map": "CLIENT:SASL_SSL,INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT",
			"ssl.keystore.type":              "PEM", "ssl.keystore.location": pair,
		},
	}).Brokers(), certFile
}

func TestKafkaIsReachedByTLSWithEachMechanismAndARefusalIsSaidInWords(t *testing.T) {
	if testing.Short() {
		t.Skip("a real Apache Kafka is not for -short")
	}
	brokers, certFile := secureKafka(t)
	trust, err := ClientTLS(true, certFile)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), testLimit)
	defer cancel()
	reach := func(k KafkaAccess) error {
		a := &App{config: Config{KafkaBrokers: brokers, KafkaAccess: k}}
		return a.startKafka(ctx)
	}
	for _, mechanism := range []string{Plain, ScramSHA256, ScramSHA512} {
		t.Run(mechanism, func(t *testing.T) {
			if err := reach(KafkaAccess{SASL: mechanism, User: "rollcall", Password: "right-word", TLS: trust}); err != nil {
				t.Error(err)
			}
			err := reach(KafkaAccess{SASL: mechanism, User: "rollcall", Password: "wrong-word", TLS: trust})
			if err == nil || !strings.Contains(err.Error(), `user "rollcall" is refused by Kafka`) || strings.Contains(err.Error(), "wrong-word") {
				t.Errorf("a wrong password: %v", err)
			}
		})
	}
	err = reach(KafkaAccess{SASL: Plain, User: "rollcall", Password: "right-word", TLS: &tls.Config{MinVersion: tls.VersionTLS12}})
	if err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("a server that the system does not trust: %v", err)
	}
}
