package keydir

import (
	"context"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rollcallhq/rollcall/internal/access"
	"github.com/rollcallhq/rollcall/internal/certificate"
)

var testNow = time.Date(2026, 11, 22, 5, 0, 0, 0, time.UTC)

func create(t *testing.T) (dir string, k certificate.Key) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "data", "keys")
	k, err := Create(dir, testNow)
	if err != nil {
		t.Fatal(err)
	}
	return dir, k
}

func read(t *testing.T, dir string) *certificate.Keys {
	t.Helper()
	all, err := Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func signing(t *testing.T, dir string, at time.Time) certificate.Hash {
	t.Helper()
	k, err := read(t, dir).Signing(at)
	if err != nil {
		t.Fatal(err)
	}
	return k.ID
}

func TestKeysAreForTheirOwnerAlone(t *testing.T) {
	dir, k := create(t)
	for path, want := range map[string]fs.FileMode{dir: 0o700, privateFile(dir, k.ID): 0o600, listFile(dir): 0o600} {
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v; want %v", path, info.Mode(), err, want)
		}
	}
	if err := os.Chmod(privateFile(dir, k.ID), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(dir); err == nil || !strings.Contains(err.Error(), "chmod 0600") {
		t.Errorf("a private key that everybody can read: %v", err)
	}
}

func TestAKeyTakesOverAtItsTimeAndTheOldOneVerifiesForEver(t *testing.T) {
	dir, first := create(t)
	if _, err := Create(dir, testNow); err == nil || !strings.Contains(err.Error(), "keys rotate") {
		t.Errorf("a second first key: %v", err)
	}
	second, err := Rotate(dir, testNow.Add(10*time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	for at, want := range map[time.Duration]certificate.Hash{0: first.ID, 10*time.Minute - 1: first.ID, 10 * time.Minute: second.ID} {
		if got := signing(t, dir, testNow.Add(at)); got != want {
			t.Errorf("after %s signs %s; want %s", at, got, want)
		}
	}
	if _, err := Rotate(dir, testNow.Add(time.Minute)); err == nil || !strings.Contains(err.Error(), "later instant") {
		t.Errorf("a key before the next one: %v", err)
	}
	if _, err := Retire(dir, first.ID, testNow); err == nil || !strings.Contains(err.Error(), "signs now") {
		t.Errorf("the key that signs is retired: %v", err)
	}
	for range 2 { // a second time changes nothing
		k, err := Retire(dir, first.ID, testNow.Add(time.Hour))
		if err != nil || !k.RetiredAt.Equal(testNow.Add(time.Hour)) {
			t.Fatalf("%+v, %v", k, err)
		}
	}
	if _, err := Retire(dir, certificate.Hash{1}, testNow); err == nil {
		t.Error("a key of nobody is retired")
	}
	signed, err := certificate.Sign(certificate.Content{
		Stream: "orders", Hour: certificate.HourOf(testNow), Action: certificate.Certify, Number: 1, IssuedAt: testNow, IssuedBy: "anna", Hops: []certificate.Hop{{Hop: "app"}},
	}, &first)
	if err != nil {
		t.Fatal(err)
	}
	if _, checks := certificate.Verify(signed, read(t, dir)); !certificate.Good(checks) {
		t.Errorf("what the retired key signed: %s", certificate.Faults(checks))
	}
}

func TestADistrustedKeyIsNoneOfOurs(t *testing.T) {
	dir, k := create(t)
	stranger := certificate.Hash{7}
	if err := Distrust(dir, k.ID); err == nil || !strings.Contains(err.Error(), "keys retire") {
		t.Errorf("a key of ours is distrusted: %v", err)
	}
	if err := Distrust(dir, stranger); err != nil || !read(t, dir).Distrusted[stranger] {
		t.Errorf("%v, %v", err, read(t, dir).Distrusted)
	}
	if got := signing(t, dir, testNow); got != k.ID {
		t.Errorf("the list was not kept: %s signs", got)
	}
}

func TestADirectoryThatDoesNotBelongTogetherIsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(dir string, id certificate.Hash) error
		says  string
	}{
		"another private part": {func(dir string, id certificate.Hash) error {
			k, err := newKey(testNow)
			if err != nil {
				return err
			}
			if err := writePrivate(dir, k); err != nil {
				return err
			}
			return os.Rename(privateFile(dir, k.ID), privateFile(dir, id))
		}, "not the private part"},
		"no key at all": {func(dir string, id certificate.Hash) error {
			return os.WriteFile(privateFile(dir, id), []byte("x"), 0o600)
		}, "no PEM block"},
		"another id":       {replaceInList(`"id": "`, `"id": "00`), "not a SHA-256"},
		"another alg":      {replaceInList(`"ed25519"`, `"rsa"`), "is not ed25519"},
		"an unknown field": {replaceInList(`"items"`, `"item"`), "unknown field"},
		"no JSON":          {func(dir string, _ certificate.Hash) error { return os.WriteFile(listFile(dir), []byte("{"), 0o600) }, "not a list of keys"},
		"no list":          {func(dir string, _ certificate.Hash) error { return os.Remove(listFile(dir)) }, "no such file"},
	} {
		t.Run(name, func(t *testing.T) {
			dir, k := create(t)
			if err := c.spoil(dir, k.ID); err != nil {
				t.Fatal(err)
			}
			if _, err := Read(dir); err == nil || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "-----") {
				t.Errorf("%v; want %q", err, c.says)
			}
		})
	}
	dir, k := create(t)
	if err := os.Remove(privateFile(dir, k.ID)); err != nil {
		t.Fatal(err)
	}
	if all := read(t, dir); all.Find(k.ID) == nil || all.Find(k.ID).Private != nil {
		t.Error("a directory that only verifies is refused")
	}
}

// replaceInList changes the list as a text.
func replaceInList(from, to string) func(string, certificate.Hash) error {
	return func(dir string, _ certificate.Hash) error {
		text, err := os.ReadFile(listFile(dir))
		if err != nil {
			return err
		}
		before, after, _ := strings.Cut(string(text), from)
		return os.WriteFile(listFile(dir), []byte(before+to+after), 0o600)
	}
}

func TestPublicKeysAreReadFromPEMAndFromTheListOfTheAPI(t *testing.T) {
	dir, k := create(t)
	pem := filepath.Join(t.TempDir(), "public.pem")
	if err := os.WriteFile(pem, []byte(k.PublicPEM()), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{pem, listFile(dir)} {
		all, err := ReadPublic(path)
		if err != nil || len(all.All) != 1 || all.All[0].ID != k.ID || all.All[0].Private != nil {
			t.Errorf("%s: %+v, %v", path, all, err)
		}
	}
	_, other := create(t)
	if err := os.WriteFile(pem, []byte(k.PublicPEM()+"\n"+other.PublicPEM()), 0o644); err != nil {
		t.Fatal(err)
	}
	if all, err := ReadPublic(pem); err != nil || len(all.All) != 2 || all.Find(other.ID) == nil {
		t.Errorf("two in one file: %+v, %v", all, err)
	}
	if err := os.WriteFile(pem, []byte(k.PublicPEM()+"and more"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadPublic(pem); err == nil {
		t.Error("something else after the key is taken")
	}
	if _, err := ReadPublic(privateFile(dir, k.ID)); err == nil || !strings.Contains(err.Error(), "PUBLIC KEY") {
		t.Errorf("a private key is taken: %v", err)
	}
}

func TestAServerFollowsItsKeysAndMakesTheFirstOne(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keys")
	for range 2 {
		if err := Ensure(dir, testNow); err != nil {
			t.Fatal(err)
		}
	}
	metrics, err := access.NewMetrics(prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	f, err := Follow(dir, metrics, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Stop(context.Background()) })
	if n := len(f.Keys().All); n != 1 {
		t.Fatalf("%d keys", n)
	}
	if _, err := Rotate(dir, testNow); err != nil {
		t.Fatal(err)
	}
	until(t, func() bool { return len(f.Keys().All) == 2 })
	newest := f.Keys().Newest(testNow)
	if err := os.Chmod(privateFile(dir, newest.ID), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Rotate(dir, testNow.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(privateFile(dir, newest.ID), 0o600); err != nil {
		t.Fatal(err)
	}
	until(t, func() bool { return len(f.Keys().All) == 3 })
}

func until(t *testing.T, holds func() bool) {
	t.Helper()
	tick, limit := time.NewTicker(20*time.Millisecond), time.NewTimer(10*time.Second)
	defer tick.Stop()
	defer limit.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-limit.C:
			t.Fatal("the change is not followed")
		}
	}
}

// Whoever comes second is told so, or comes after; no key is lost.
func TestKeysMadeAtOnceAreAllKept(t *testing.T) {
	dir, _ := create(t)
	var made, all sync.WaitGroup
	made.Add(1)
	var mu sync.Mutex
	var ids []certificate.Hash
	for range 8 {
		all.Go(func() {
			made.Wait()
			if k, err := Rotate(dir, testNow.Add(time.Hour)); err == nil {
				mu.Lock()
				ids = append(ids, k.ID)
				mu.Unlock()
			} else if !strings.Contains(err.Error(), "being changed by another process") {
				t.Error(err)
			}
		})
	}
	made.Done()
	all.Wait()
	keys := read(t, dir)
	for _, id := range ids {
		if k := keys.Find(id); k == nil || k.Private == nil {
			t.Errorf("key %s is lost", id)
		}
	}
	if len(ids) == 0 || len(keys.All) != len(ids)+1 {
		t.Errorf("%d were made, and there are %d with the first", len(ids), len(keys.All))
	}
}
