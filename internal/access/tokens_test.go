package access

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"
)

func open(t *testing.T, path string, m *Metrics, log *logged) *Tokens {
	t.Helper()
	tokens, err := OpenTokens(path, m, log.logger())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := tokens.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return tokens
}

func TestATokenIsTakenUntilItExpires(t *testing.T) {
	path, log := inDir(t, "tokens"), &logged{}
	text := create(t, path, "anna", Operator, testNow.Add(time.Hour))
	tokens := open(t, path, newMetrics(t), log)
	for _, c := range []struct {
		name   string
		header []string
		after  time.Duration
		want   error
	}{
		{"the token", []string{"Bearer " + text}, 0, nil},
		{"another case of the scheme", []string{"bearer " + text}, 0, nil},
		{"just before", []string{"Bearer " + text}, time.Hour - 1, nil},
		{"just then", []string{"Bearer " + text}, time.Hour, ErrExpired},
		{"none", nil, 0, ErrMissing},
		{"empty", []string{""}, 0, ErrMalformed},
		{"no scheme", []string{text}, 0, ErrMalformed},
		{"another scheme", []string{"Basic " + text}, 0, ErrMalformed},
		{"nothing after it", []string{"Bearer "}, 0, ErrMalformed},
		{"two", []string{"Bearer " + text, "Bearer " + text}, 0, ErrMalformed},
		{"blanks", []string{"Bearer  " + text}, 0, ErrMalformed},
		{"one letter less", []string{"Bearer " + text[:len(text)-1]}, 0, ErrUnknown},
		{"one letter more", []string{"Bearer " + text + "A"}, 0, ErrUnknown},
		{"another secret", []string{"Bearer " + text[:len(text)-1] + other(text)}, 0, ErrUnknown},
		{"another id", []string{"Bearer " + mark + "AAAAAAAA" + text[len(mark)+idLength:]}, 0, ErrUnknown},
		{"the id alone", []string{"Bearer " + text[:len(mark)+idLength]}, 0, ErrUnknown},
		{"something else", []string{"Bearer x"}, 0, ErrUnknown},
	} {
		t.Run(c.name, func(t *testing.T) {
			who, err := tokens.Check(c.header, testNow.Add(c.after))
			if !errors.Is(err, c.want) || (err == nil) != (c.want == nil && who.Role == Operator) {
				t.Errorf("%+v, %v; want %v", who, err, c.want)
			}
			if errors.Is(c.want, ErrExpired) && who.Name != "anna" {
				t.Error("the log cannot say whose token has expired")
			}
		})
	}
}

// other returns a letter that the text does not end with.
func other(text string) string {
	if strings.HasSuffix(text, "A") {
		return "B"
	}
	return "A"
}

func TestTokensAreNotAlikeAndNotInTheFile(t *testing.T) {
	path := inDir(t, "tokens")
	seen := map[string]bool{}
	for _, name := range []string{"a", "b", "c", "d"} {
		text := create(t, path, name, Ingest, time.Time{})
		secret := text[len(mark)+idLength+1:]
		if seen[secret] || len(secret) != secretLength {
			t.Fatalf("the secret of %s: %d characters, seen %v", name, len(secret), seen[secret])
		}
		seen[secret] = true
		if file, err := os.ReadFile(path); err != nil || strings.Contains(string(file), secret) {
			t.Fatalf("the file holds the secret, or %v", err)
		}
	}
}

func TestARevocationIsInForceWithinASecond(t *testing.T) {
	path, log := inDir(t, "tokens"), &logged{}
	text := create(t, path, "anna", Viewer, time.Time{})
	stays := create(t, path, "bert", Viewer, time.Time{})
	tokens := open(t, path, newMetrics(t), log)
	if _, err := tokens.Check([]string{"Bearer " + text}, testNow); err != nil {
		t.Fatal(err)
	}
	revoke(t, path, "anna")
	eventually(t, time.Second, "revoked", func() bool {
		_, err := tokens.Check([]string{"Bearer " + text}, testNow)
		return errors.Is(err, ErrRevoked)
	})
	if who, err := tokens.Check([]string{"Bearer " + stays}, testNow); err != nil || who.Name != "bert" {
		t.Errorf("%+v, %v", who, err)
	}
	fresh := create(t, path, "carl", Admin, time.Time{})
	eventually(t, time.Second, "a new token taken", func() bool {
		who, err := tokens.Check([]string{"Bearer " + fresh}, testNow)
		return err == nil && who == Caller{Name: "carl", Role: Admin}
	})
}

func TestABrokenFileIsRefusedAndTheOldStays(t *testing.T) {
	path, log, m := inDir(t, "tokens"), &logged{}, newMetrics(t)
	text := create(t, path, "anna", Viewer, testNow.Add(time.Hour))
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	tokens := open(t, path, m, log)
	stale, refused := m.stale.WithLabelValues("tokens"), m.files.WithLabelValues("tokens", "refused")
	if at := valueOf(t, m.expires.WithLabelValues("tokens")); at != float64(testNow.Add(time.Hour).Unix()) {
		t.Errorf("expires at %v", at)
	}
	for i, breakIt := range []struct {
		says string
		do   func()
	}{
		{"line 3: ", func() { write(t, path, string(good)+text+"\n", 0o600) }},
		{"chmod", func() { write(t, path, string(good)+"# seen\n", 0o644) }},
		{"no such file", func() { _ = os.Remove(path) }},
	} {
		breakIt.do()
		eventually(t, 2*time.Second, breakIt.says, func() bool { return valueOf(t, refused) == float64(i+1) && valueOf(t, stale) == 1 })
		if !strings.Contains(log.String(), breakIt.says) {
			t.Errorf("the log does not say %q:\n%s", breakIt.says, log)
		}
		if _, err := tokens.Check([]string{"Bearer " + text}, testNow); err != nil {
			t.Errorf("the old token is refused: %v", err)
		}
	}
	write(t, path, string(good), 0o600)
	eventually(t, 2*time.Second, "mended", func() bool { return valueOf(t, stale) == 0 })
	if strings.Contains(log.String(), text) || strings.Count(log.String(), "is refused") != 3 {
		t.Errorf("the log holds a token, or says a thing other than once:\n%s", log)
	}
	if _, err := OpenTokens(inDir(t, "none"), newMetrics(t), log.logger()); err == nil {
		t.Error("a file that is not there was opened")
	}
}

func TestARefusalIsSaidOnceHoweverOftenTheFileIsLookedAt(t *testing.T) {
	path, log, m := inDir(t, "tokens"), &logged{}, newMetrics(t)
	create(t, path, "anna", Viewer, time.Time{})
	tokens := open(t, path, m, log)
	if err := tokens.Stop(t.Context()); err != nil { // from here on only this test looks
		t.Fatal(err)
	}
	for broken := 1; broken <= 2; broken++ {
		write(t, path, strings.Repeat("\n", broken)+"anna", 0o600)
		for range 3 {
			tokens.kept.look()
		}
		said, refused := strings.Count(log.String(), "is refused"), valueOf(t, m.files.WithLabelValues("tokens", "refused"))
		if said != broken || refused != float64(broken) {
			t.Errorf("of %d broken files it was said %d times and counted %v times", broken, said, refused)
		}
	}
}

func TestFailuresAreBoundedByAddressAndInMemory(t *testing.T) {
	f := NewFailures()
	for i := range failuresAtOnce {
		if wait := f.Note("192.0.2.1:"+"99", testNow); wait != 0 {
			t.Fatalf("failure %d waits %s", i, wait)
		}
	}
	if wait := f.Note("192.0.2.1:7", testNow); wait != failureEvery {
		t.Errorf("one too many waits %s", wait)
	}
	if wait := f.Note("[::ffff:192.0.2.1]:7", testNow); wait == 0 {
		t.Error("the same address written otherwise does not wait")
	}
	if wait := f.Note("192.0.2.2:7", testNow); wait != 0 {
		t.Errorf("another address waits %s", wait)
	}
	if wait := f.Note("192.0.2.1:7", testNow.Add(failureEvery)); wait != 0 {
		t.Errorf("after its time it waits %s", wait)
	}
	for i := range failuresAtOnce + 1 {
		wait := f.Note([]string{"[2001:db8::1]:1", "[2001:db8::ffff:2]:1"}[i%2], testNow)
		if (wait > 0) != (i == failuresAtOnce) {
			t.Errorf("failure %d of one network of IPv6 waits %s", i, wait)
		}
	}
	for i := range 5 * addressesKept {
		f.Note(netAddr(i), testNow)
		if n := len(f.new) + len(f.old); n > 2*addressesKept {
			t.Fatalf("%d addresses remembered", n)
		}
	}
}

func netAddr(i int) string {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 1).String()
}
