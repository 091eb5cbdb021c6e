package apachekafka_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"github.com/rollcallhq/rollcall/internal/apachekafka"
	"github.com/rollcallhq/rollcall/internal/testenv"
)

const limit = time.Minute

// dirVariable names the directory that this binary, started again, runs a broker in until it is killed.
const dirVariable = "ROLLCALL_TEST_APACHE_KAFKA"

func TestMain(m *testing.M) {
	if dir := os.Getenv(dirVariable); dir != "" {
		os.Exit(beParent(dir))
	}
	os.Exit(testenv.Main(m))
}

// beParent starts a broker, says its process id and waits to be killed.
func beParent(dir string) int {
	broker, err := apachekafka.Start(context.Background(), apachekafka.Config{Dir: dir})
	if err != nil {
		fmt.Println(err)
		return 1
	}
	fmt.Println(broker.PID())
	select {}
}

func client(t *testing.T, b *apachekafka.Broker, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	c, err := kgo.NewClient(append([]kgo.Opt{
		kgo.SeedBrokers(b.Brokers()...), kgo.DefaultProduceTopic("kept"), kgo.MetadataMinAge(100 * time.Millisecond),
		kgo.RetryBackoffFn(func(int) time.Duration { return 100 * time.Millisecond }),
	}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func deadline(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	t.Cleanup(cancel)
	return ctx
}

func createTopic(t *testing.T, c *kgo.Client) {
	t.Helper()
	if _, err := kadm.NewClient(c).CreateTopic(deadline(t), 1, 1, nil, "kept"); err != nil {
		t.Fatal(err)
	}
}

func produce(t *testing.T, c *kgo.Client, values ...string) {
	t.Helper()
	for _, v := range values {
		if err := c.ProduceSync(deadline(t), kgo.StringRecord(v)).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
}

// consumed reads n records of the topic from its start, committed ones only.
func consumed(t *testing.T, b *apachekafka.Broker, n int) []string {
	t.Helper()
	c := client(t, b, kgo.ConsumeTopics("kept"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	var values []string
	for len(values) < n {
		fetches := c.PollFetches(deadline(t))
		if err := fetches.Err0(); err != nil {
			t.Fatal(err)
		}
		fetches.EachRecord(func(r *kgo.Record) { values = append(values, string(r.Value)) })
	}
	return values
}

func TestKilledBrokerComesBackWithItsRecordsOnItsPort(t *testing.T) {
	b := testenv.OwnApacheKafka(t, apachekafka.Config{})
	before := b.Addr()
	c := client(t, b)
	createTopic(t, c)
	produce(t, c, "one", "two")
	if err := b.Kill(); err != nil {
		t.Fatal(err)
	}
	if b.PID() != 0 {
		t.Errorf("it has process id %d after it was killed", b.PID())
	}
	if err := b.Restart(deadline(t)); err != nil {
		t.Fatal(err)
	}
	if err := b.Restart(deadline(t)); err == nil {
		t.Error("a broker that runs was started again")
	}
	produce(t, c, "three") // the client of before finds it
	if err := b.Stop(deadline(t)); err != nil {
		t.Fatal(err)
	}
	if err := b.Restart(deadline(t)); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"one", "two", "three"}, consumed(t, b, 3)); d != "" || b.Addr() != before {
		t.Errorf("at %s, was at %s:\n%s", b.Addr(), before, d)
	}
}

func TestTransactionsWorkOnOneBroker(t *testing.T) {
	b := testenv.OwnApacheKafka(t, apachekafka.Config{})
	c := client(t, b, kgo.TransactionalID("hop"))
	createTopic(t, c)
	for value, end := range map[string]kgo.TransactionEndTry{"aborted": kgo.TryAbort, "committed": kgo.TryCommit} {
		if err := c.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		produce(t, c, value)
		if err := c.EndTransaction(deadline(t), end); err != nil {
			t.Fatal(err)
		}
	}
	if d := cmp.Diff([]string{"committed"}, consumed(t, b, 1)); d != "" {
		t.Error(d)
	}
}

func TestUsersNeedTheirPassword(t *testing.T) {
	b := testenv.OwnApacheKafka(t, apachekafka.Config{Users: map[string]string{"alice": "wonder-land"}})
	const user, good, bad = "alice", "wonder-land", "looking-glass"
	for name, mechanism := range map[string]func(password string) sasl.Mechanism{
		"PLAIN":         func(p string) sasl.Mechanism { return plain.Auth{User: user, Pass: p}.AsMechanism() },
		"SCRAM-SHA-256": func(p string) sasl.Mechanism { return scram.Auth{User: user, Pass: p}.AsSha256Mechanism() },
		"SCRAM-SHA-512": func(p string) sasl.Mechanism { return scram.Auth{User: user, Pass: p}.AsSha512Mechanism() },
	} {
		if err := client(t, b, kgo.SASL(mechanism(good))).Ping(deadline(t)); err != nil {
			t.Errorf("%s: the right password is refused: %v", name, err)
		}
		if err := client(t, b, kgo.SASL(mechanism(bad))).Ping(deadline(t)); !errors.Is(err, kerr.SaslAuthenticationFailed) {
			t.Errorf("%s: a wrong password is answered by %v", name, err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	if err := client(t, b).Ping(ctx); err == nil {
		t.Error("nobody in particular is let in")
	}
}

func TestUserWhoseNameWouldNeedQuotesIsRefused(t *testing.T) {
	for name, password := range map[string]string{`al"ice`: "x", "alice": "x y", "": "x", "bob": ""} {
		_, err := apachekafka.Start(deadline(t), apachekafka.Config{Dir: t.TempDir(), Users: map[string]string{name: password}})
		if err == nil || !strings.Contains(err.Error(), strconv.Quote(name)) {
			t.Errorf("%q with password %q: %v", name, password, err)
		}
	}
}

func TestBrokerThatCannotStartSaysWhy(t *testing.T) {
	b := testenv.OwnApacheKafka(t, apachekafka.Config{})
	_, err := apachekafka.Start(deadline(t), apachekafka.Config{Dir: t.TempDir(), Properties: map[string]string{"num.io.threads": "none"}})
	if err == nil || !strings.Contains(err.Error(), "num.io.threads") {
		t.Errorf("a wrong property: %v", err)
	}
	if err := b.Kill(); err != nil {
		t.Fatal(err)
	}
	identity := filepath.Join(filepath.Dir(b.LogPath()), "data", "meta.properties")
	if err := os.WriteFile(identity, []byte("version=1\nnode.id=7\ncluster.id=other\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	err = b.Restart(deadline(t))
	if err == nil || !strings.Contains(err.Error(), "its log ends with") || !strings.Contains(err.Error(), "node id 7") {
		t.Errorf("another node's data: %v", err)
	}
	if b.PID() != 0 {
		t.Errorf("it has process id %d although it did not start", b.PID())
	}
}

func TestWithoutJarsOrJavaItSaysWhatIsMissing(t *testing.T) {
	for variable, name := range map[string]string{"ROLLCALL_CACHE": "make kafka", "JAVA_HOME": "Java"} {
		t.Run(variable, func(t *testing.T) {
			t.Setenv(variable, t.TempDir())
			if variable == "JAVA_HOME" {
				t.Setenv("ROLLCALL_CACHE", jars(t))
			}
			_, err := apachekafka.Start(deadline(t), apachekafka.Config{Dir: t.TempDir()})
			if !errors.Is(err, apachekafka.ErrMissing) || !strings.Contains(err.Error(), name) {
				t.Errorf("%v; want %q named", err, name)
			}
		})
	}
}

// jars returns a cache that looks as if the jars were there.
func jars(t *testing.T) string {
	t.Helper()
	cache := t.TempDir()
	dir := filepath.Join(cache, "apache-kafka-"+apachekafka.Version)
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "kafka_2.13-"+apachekafka.Version+".jar"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	return cache
}

func TestTooOldAJavaIsNotTaken(t *testing.T) {
	t.Setenv("ROLLCALL_CACHE", jars(t))
	home := t.TempDir()
	t.Setenv("JAVA_HOME", home)
	if err := os.Mkdir(filepath.Join(home, "bin"), 0o700); err != nil {
		t.Fatal(err)
	}
	for version, want := range map[string]string{"1.8.0_392": "version 1;", "11.0.21": "version 11;"} {
		program := "#!/bin/sh\necho 'openjdk version \"" + version + "\"' >&2\n"
		if err := os.WriteFile(filepath.Join(home, "bin", "java"), []byte(program), 0o700); err != nil {
			t.Fatal(err)
		}
		_, err := apachekafka.Start(deadline(t), apachekafka.Config{Dir: t.TempDir()})
		if !errors.Is(err, apachekafka.ErrMissing) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", version, err)
		}
	}
}

func TestBrokerEndsWithTheProcessThatStartedIt(t *testing.T) {
	testenv.ApacheKafka(t) // there is one here
	parent := exec.Command(os.Args[0])
	parent.Env = append(os.Environ(), dirVariable+"="+t.TempDir())
	said, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	line := make([]byte, 1000)
	n, err := said.Read(line)
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(string(bytes.TrimSpace(line[:n])))
	if err != nil {
		t.Fatalf("the parent says %s", line[:n])
	}
	if err := syscall.Kill(pid, 0); err != nil {
		t.Fatalf("no broker at %d: %v", pid, err)
	}
	_ = parent.Process.Kill()
	_ = parent.Wait()
	tick, late := time.NewTicker(20*time.Millisecond), time.NewTimer(limit)
	defer tick.Stop()
	defer late.Stop()
	for !gone(pid) {
		select {
		case <-tick.C:
		case <-late.C:
			_ = syscall.Kill(pid, syscall.SIGKILL)
			t.Fatal("the broker outlived the process that started it")
		}
	}
}

// gone says whether a process has ended; who adopted it may not have waited for it yet.
func gone(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return true
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && bytes.Contains(stat, []byte(") Z "))
}

// TestVersionIsThatOfTheScript holds the version that is looked for to the one that is fetched.
func TestVersionIsThatOfTheScript(t *testing.T) {
	pom, err := os.ReadFile(filepath.Join("..", "..", "scripts", "kafka", "pom.xml"))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(pom, []byte("\n  <version>"+apachekafka.Version+"</version>\n")) {
		t.Errorf("scripts/kafka/pom.xml is not of version %s", apachekafka.Version)
	}
}
