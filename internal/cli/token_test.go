package cli

import (
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/rollcallhq/rollcall/inspector/api"
	"github.com/rollcallhq/rollcall/internal/access"
)

var tokenForm = regexp.MustCompile(`^rollcall_[A-Z2-7]{8}_[A-Z2-7]{26}\n$`)

func TestATokenIsMadeListedAndRevoked(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tokens")
	t.Setenv("ROLLCALL_TOKENS", path)
	made := runWith(t, Env{}, "", "token", "create", "anna", "--role", "operator", "--expires", "720h")
	if made.code != Good || !tokenForm.MatchString(made.out) || !strings.Contains(made.failed, "Token anna, role operator, expires 20") {
		t.Fatalf("exit code %d, %q, %q", made.code, made.out, made.failed)
	}
	var program struct{ Name, Role, State, Token, Expires string }
	asked := runWith(t, Env{}, "", "token", "create", "sink", "--role", "ingest", "--expires", "never", "--output", "json")
	if err := json.Unmarshal([]byte(asked.out), &program); err != nil || !tokenForm.MatchString(program.Token+"\n") || program.Role != "ingest" ||
		program.State != "live" || program.Expires != "" || asked.failed != "" {
		t.Fatalf("%v, %s, %s", err, asked.out, asked.failed)
	}
	listed := runWith(t, Env{}, "", "token", "list")
	if listed.code != Good || !regexp.MustCompile(`(?m)^anna +operator +live .*\nsink +ingest +live .* never +-$`).MatchString(listed.out) {
		t.Errorf("%s", listed.out)
	}
	for range 2 {
		if got := runWith(t, Env{}, "", "token", "revoke", "anna"); got.code != Good || !strings.Contains(got.out, "evoked") {
			t.Errorf("exit code %d, %q, %q", got.code, got.out, got.failed)
		}
	}
	all := runWith(t, Env{}, "", "token", "list", "--output", "json").out
	var page api.Page[toldToken]
	if err := json.Unmarshal([]byte(all), &page); err != nil || len(page.Items) != 2 || page.Items[0].State != "revoked" || page.Items[0].Revoked == nil {
		t.Errorf("%v, %s", err, all)
	}
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, token := range []string{strings.TrimSpace(made.out), program.Token} {
		if secret := token[len(token)-26:]; strings.Contains(all+listed.out+string(file), secret) {
			t.Error("a token is shown again, or kept")
		}
	}
}

func TestATokenIsGoodForNinetyDaysUnlessSaidOtherwise(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tokens")
	runWith(t, Env{}, "", "token", "create", "anna", "--role", "viewer", "--tokens", path)
	f, err := access.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if one := f.Tokens()[0]; one.Expires.Sub(one.Created) != 90*24*time.Hour {
		t.Errorf("it is good for %s", one.Expires.Sub(one.Created))
	}
}

func TestAWrongTokenCommandSaysWhatIsWrong(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tokens")
	open := filepath.Join(filepath.Dir(path), "open")
	if err := os.WriteFile(open, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	runWith(t, Env{}, "", "token", "create", "anna", "--role", "viewer", "--tokens", path)
	for _, c := range []struct{ args, says string }{
		{"create bert --role root --tokens " + path, "--role must be one of"},
		{"create bert --tokens " + path, "missing flags: --role"},
		{"create bert --role viewer", "missing flags: --tokens"},
		{"create bert --role viewer --expires 3d --tokens " + path, "as 720h, or never"},
		{"create bert --role viewer --expires=-1h --tokens " + path, "as 720h, or never"},
		{"create a/b --role viewer --tokens " + path, `"a/b" is not a name`},
		{"create local --role viewer --tokens " + path, "says who acts without one"},
		{"create anna --role admin --tokens " + path, "a token anna is there already"},
		{"revoke bert --tokens " + path, `there is no token "bert"`},
		{"list --tokens " + path + ".none", "no such file"},
		{"list --tokens " + open, "chmod 0600"},
		{"create bert --role viewer --tokens " + open, "chmod 0600"},
	} {
		got := runWith(t, Env{}, "", append([]string{"token"}, strings.Fields(c.args)...)...)
		if got.code != WrongUse || !strings.Contains(got.failed, c.says) || got.out != "" {
			t.Errorf("%s: exit code %d, %q, %q", c.args, got.code, got.out, got.failed)
		}
	}
}

// private writes a file for its owner alone.
func private(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestATokenFileIsSentOverTLSToAServerThatIsTrusted(t *testing.T) {
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer s3cret" {
			problem(401, "no token")(w, r)
			return
		}
		pages[api.Stream]()(w, r)
	}))
	t.Cleanup(s.Close)
	ca := private(t, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})))
	token := private(t, "s3cret\n")
	loose := private(t, "s3cret\n")
	if err := os.Chmod(loose, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		code int
		args []string
		says string
	}{
		{Good, []string{"--ca-file", ca, "--token-file", token}, ""},
		{CannotAsk, []string{"--token-file", token}, "--ca-file names the certificates to trust"},
		{CannotAsk, []string{"--ca-file", ca}, "no token\nGive a token with --token-file, ROLLCALL_TOKEN_FILE or ROLLCALL_TOKEN."},
		{WrongUse, []string{"--ca-file", token}, "holds no certificate"},
		{WrongUse, []string{"--ca-file", ca, "--token-file", loose}, "chmod 0600"},
		{WrongUse, []string{"--ca-file", ca, "--token-file", private(t, " \n")}, "is empty"},
		{WrongUse, []string{"--ca-file", ca, "--token-file", token, "--token", "x"}, "both given"},
		{WrongUse, []string{"--ca-file", ca, "--token-file", token + "none"}, "no such file"},
	} {
		got := run(t, s, append(c.args, "streams")...)
		if got.code != c.code || !strings.Contains(got.failed, c.says) {
			t.Errorf("%v: exit code %d, %q", c.args, got.code, got.failed)
		}
	}
}

func TestARefusalForTheRoleIsToldInTheServersWords(t *testing.T) {
	s := server(t, map[string]http.HandlerFunc{"GET /streams": problem(403, "this call needs the role viewer; the token has the role ingest")})
	got := run(t, s, "--token", "x", "streams")
	if got.code != CannotAsk || !strings.Contains(got.failed, "needs the role viewer; the token has the role ingest") || strings.Contains(got.failed, "Give a token") {
		t.Errorf("exit code %d, %q", got.code, got.failed)
	}
}

func TestATokenIsNotTakenToWhereAServerRedirects(t *testing.T) {
	asked := false
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked = true }))
	t.Cleanup(other.Close)
	s := httptest.NewServer(http.RedirectHandler(other.URL, http.StatusTemporaryRedirect))
	t.Cleanup(s.Close)
	if got := run(t, s, "--token", "x", "streams"); got.code != CannotAsk || !strings.Contains(got.failed, "307") || asked {
		t.Errorf("exit code %d, %q, followed %v", got.code, got.failed, asked)
	}
}
