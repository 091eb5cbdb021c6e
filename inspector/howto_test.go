package inspector

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rollcallhq/rollcall/internal/access"
	"github.com/rollcallhq/rollcall/internal/store"
)

const waiting = "../docs/how-to/wait-for-a-complete-hour.md"

// fenced finds the code of one language on the page of waiting that begins with or holds a word.
func fenced(t *testing.T, language, word string) string {
	t.Helper()
	page, err := os.ReadFile(waiting)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile("(?ms)^```"+language+"\n(.*?)^```$").FindAllStringSubmatch(string(page), -1) {
		if strings.Contains(m[1], word) {
			return m[1]
		}
	}
	t.Fatalf("%s has no %s with %q", waiting, language, word)
	return ""
}

// needs finds a program that a page uses. Where it is missing the test is skipped, and in CI it fails.
func needs(t *testing.T, names ...string) {
	t.Helper()
	for _, name := range names {
		if _, err := exec.LookPath(name); err != nil {
			if os.Getenv("CI") != "" {
				t.Fatalf("%s is needed to hold the page to what it says: %v", name, err)
			}
			t.Skipf("%s is not here: %v", name, err)
		}
	}
}

// stage is what is so when the gate is asked the next time.
type stage func(*fixture)

func settling(f *fixture) {
	f.store.issued, f.store.err, f.auditor.hours = nil, nil, []store.Hour{hourFour(store.Settling, "settling")}
}

func away(f *fixture) { f.store.err = store.ErrAway }

func lossy(f *fixture) {
	settling(f)
	f.auditor.hours = []store.Hour{withCounts(hourFour(store.Incomplete, "lost"), store.Counts{Lost: 3}, store.Waived{})}
}

func signed(f *fixture) { settling(f); f.store.issued = certified()[:1] }

func revoked(f *fixture) {
	settling(f)
	f.store.issued = certified()[:2]
	f.store.issued[1].Reason = "3 lost"
}

// theGate is a server whose hour 4 goes through stages, one for each question; the last stays.
type theGate struct {
	*httptest.Server
	asked []*http.Request
}

func openGate(t *testing.T, stages ...stage) *theGate {
	t.Helper()
	f, g := newFixture(t), &theGate{}
	g.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		stages[min(len(g.asked), len(stages)-1)](f)
		g.asked = append(g.asked, r)
		f.Handler().ServeHTTP(w, r)
	}))
	t.Cleanup(g.Close)
	return g
}

// execute runs a program with the environment that the page names, and returns its exit code and what it printed.
func execute(t *testing.T, env []string, name string, args ...string) (code int, out, failed string) {
	t.Helper()
	c := exec.CommandContext(t.Context(), name, args...)
	var stdout, stderr bytes.Buffer
	c.Stdout, c.Stderr = &stdout, &stderr
	c.Env = append(os.Environ(), env...)
	if err := c.Run(); err != nil && c.ProcessState == nil {
		t.Fatal(err)
	}
	return c.ProcessState.ExitCode(), stdout.String(), stderr.String()
}

func written(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestTheScriptsOnThePageWaitForAnHourAsItSays(t *testing.T) {
	needs(t, "sh", "curl", "python3")
	sh, python := written(t, "wait-for-hour.sh", fenced(t, "sh", "wait-for-hour.sh")), written(t, "wait_for_hour.py", fenced(t, "python", "wait_for_hour.py"))
	programs := map[string]func(env []string, hour string) (int, string, string){
		"sh": func(env []string, hour string) (int, string, string) {
			return execute(t, env, "sh", sh, "orders", hour)
		},
		"python": func(env []string, hour string) (int, string, string) {
			return execute(t, env, "python3", python, "orders", hour)
		},
	}
	for name, run := range programs {
		for _, c := range []struct {
			what   string
			stages []stage
			hour   string
			env    string
			bad    bool
			asked  int
			says   string
		}{
			{what: "certified", stages: []stage{signed}, asked: 1, says: "a+b/1=="},
			{what: "waits through what passes", stages: []stage{settling, away, settling, signed}, asked: 4, says: "a+b/1=="},
			{what: "not in time", stages: []stage{settling}, env: "WAIT=0", bad: true, asked: 1, says: "hour 2026-11-22T04 of orders is not certified"},
			{what: "incomplete", stages: []stage{settling, lossy}, env: "FAIL_FAST=1", bad: true, asked: 2, says: "3 events are lost and not waived"},
			{what: "revoked", stages: []stage{revoked}, env: "FAIL_FAST=1", bad: true, asked: 1, says: "was revoked at"},
			{what: "wrong", stages: []stage{signed}, hour: "2026-11-22T99", bad: true, asked: 1, says: "is not an hour"},
		} {
			t.Run(name+" "+c.what, func(t *testing.T) {
				g := openGate(t, c.stages...)
				hour := c.hour
				if hour == "" {
					hour = "2026-11-22T04"
				}
				code, out, failed := run([]string{"ROLLCALL_SERVER=" + g.URL, "ROLLCALL_TOKEN=secret", "EVERY=0", "WAIT=60", c.env}, hour)
				if (code != 0) != c.bad || len(g.asked) != c.asked || !strings.Contains(out+failed, c.says) {
					t.Errorf("exit code %d, asked %d times:\n%s%s", code, len(g.asked), out, failed)
				}
				if c.bad == strings.Contains(out, "payload") {
					t.Errorf("it prints %q", out)
				}
				if got := g.asked[0].Header.Get("Authorization"); got != "Bearer secret" {
					t.Errorf("Authorization %q", got)
				}
			})
		}
		t.Run(name+" nobody there", func(t *testing.T) {
			g := openGate(t, signed)
			g.Close()
			if code, out, failed := run([]string{"ROLLCALL_SERVER=" + g.URL, "EVERY=0", "WAIT=0"}, "2026-11-22T04"); code != 1 || !strings.Contains(failed, "is not certified") {
				t.Errorf("exit code %d:\n%s%s", code, out, failed)
			}
		})
	}
}

// An hour that is bad may be mended: the script goes on unless it is told not to.
func TestTheShellScriptWaitsThroughALossThatIsMended(t *testing.T) {
	needs(t, "sh", "curl")
	g := openGate(t, lossy, revoked, signed)
	sh := written(t, "wait-for-hour.sh", fenced(t, "sh", "wait-for-hour.sh"))
	code, out, failed := execute(t, []string{"ROLLCALL_SERVER=" + g.URL, "EVERY=0", "WAIT=60"}, "sh", sh, "orders", "2026-11-22T04")
	if code != 0 || len(g.asked) != 3 || !strings.Contains(out, "a+b/1==") || !strings.Contains(failed, "3 events are lost") {
		t.Errorf("exit code %d, asked %d times:\n%s%s", code, len(g.asked), out, failed)
	}
}

// sensor is what one poke of HttpSensor does, as its source of apache-airflow-providers-http 6.3.0 has it: a GET of the connection's address and the endpoint, with the headers
// of requests, of the connection's extra and of the sensor; an exception for every status from 400 on unless check_response is off; of these those that begin with 404
// are a no; all else is for response_check, or a yes.
const sensor = `
import json, sys, types, urllib.error, urllib.request

class AirflowException(Exception): pass
class AirflowFailException(AirflowException): pass

class Response:
    def __init__(self, status, reason, headers, body):
        self.status_code, self.reason, self.headers, self.content = status, reason, headers, body
        self.text = body.decode()
    def json(self):
        return json.loads(self.text)

class HttpSensor:
    def __init__(self, *, task_id, endpoint, http_conn_id="http_default", method="GET", headers=None, extra_options=None, response_check=None,
                 response_error_codes_allowlist=None, mode="poke", poke_interval=60, timeout=7 * 24 * 3600, retries=0):
        self.__dict__.update({k: v for k, v in locals().items() if k != "self"})
        self.allowed = ("404",) if response_error_codes_allowlist is None else tuple(response_error_codes_allowlist)

    def run(self, base, extra):
        headers = {"User-Agent": "python-requests/2.32.3", "Accept-Encoding": "gzip, deflate", "Accept": "*/*", "Connection": "keep-alive", **extra, **(self.headers or {})}
        request = urllib.request.Request(base + "/" + self.endpoint, headers=headers, method=self.method)
        options = self.extra_options or {}
        try:
            answer = urllib.request.urlopen(request, timeout=options.get("timeout"))
        except urllib.error.HTTPError as error:
            answer = error
        response = Response(answer.status, answer.reason, answer.headers, answer.read())
        if options.get("check_response", True) and response.status_code >= 400:
            raise AirflowException(str(response.status_code) + ":" + response.reason)
        return response

    def poke(self, base, extra):
        try:
            response = self.run(base, extra)
            if self.response_check:
                return self.response_check(response)
        except AirflowException as exc:
            if str(exc).startswith(self.allowed):
                return False
            raise
        return True

for name, module in {"airflow": {}, "airflow.exceptions": {"AirflowException": AirflowException, "AirflowFailException": AirflowFailException}, "airflow.providers": {},
                     "airflow.providers.http": {}, "airflow.providers.http.sensors": {}, "airflow.providers.http.sensors.http": {"HttpSensor": HttpSensor}}.items():
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__dict__.update(module)

page = {}
exec(open(sys.argv[1]).read(), page)
task = page["wait_for_orders"]
if sys.argv[3] == "plain":
    task.extra_options, task.response_check = None, None
try:
    print("yes" if task.poke(sys.argv[2], {"Authorization": "Bearer TOKEN"}) else "no")
except Exception as exc:
    print(type(exc).__name__ + ": " + str(exc))
`

// nobody knows no token.
type nobody struct{}

func (nobody) Check([]string, time.Time) (access.Caller, error) {
	return access.Caller{}, access.ErrUnknown
}

// rendered has the template of the endpoint as Airflow's renders it for an interval that starts at 04:00 UTC.
func rendered(t *testing.T, page string) string {
	t.Helper()
	const template = `{{ data_interval_start.in_timezone('UTC').strftime('%Y-%m-%dT%H') }}`
	if strings.Count(page, template) != 1 {
		t.Fatalf("the endpoint is not that of %s:\n%s", template, page)
	}
	return strings.Replace(page, template, testStart.Add(-time.Hour).Format("2006-01-02T15"), 1)
}

func TestAirflowsSensorReadsTheGateAsThePageSays(t *testing.T) {
	needs(t, "python3")
	page, poke := written(t, "dag.py", rendered(t, fenced(t, "python", "HttpSensor"))), written(t, "poke.py", sensor)
	barred := func(f *fixture) { f.Access = nobody{} }
	for _, c := range []struct {
		what        string
		is          stage
		page, plain string
	}{
		{"certified", signed, "yes", "yes"},
		{"not yet", settling, "no", "no"},
		{"the store is away", away, "no", "AirflowException: 503:Service Unavailable"},
		{"incomplete", lossy, "AirflowFailException: hour 2026-11-22T04 of orders cannot be certified: 3 events are lost and not waived", "AirflowException: 409:Conflict"},
		{"revoked", revoked, "AirflowFailException: the certificate of hour 2026-11-22T04 of orders was revoked at 2026-11-22T05:30:30Z: 3 lost", "AirflowException: 410:Gone"},
		{"not let in", barred, "AirflowFailException: the token is not known", "AirflowException: 401:Unauthorized"},
	} {
		for how, want := range map[string]string{"page": c.page, "plain": c.plain} {
			t.Run(fmt.Sprintf("%s, %s", c.what, how), func(t *testing.T) {
				g := openGate(t, c.is)
				code, out, failed := execute(t, nil, "python3", poke, page, g.URL, how)
				if code != 0 || !strings.HasPrefix(out, want) || len(g.asked) != 1 {
					t.Errorf("exit code %d, asked %d times: %s%s; want %s", code, len(g.asked), out, failed, want)
				}
				r := g.asked[0]
				if r.Method != http.MethodGet || r.URL.Path != gateFour || !slices.Equal(r.Header.Values("Authorization"), []string{"Bearer TOKEN"}) {
					t.Errorf("%s %s %v", r.Method, r.URL, r.Header)
				}
			})
		}
	}
}
