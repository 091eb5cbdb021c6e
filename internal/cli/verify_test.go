package cli

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rollcallhq/rollcall/inspector/api"
	"github.com/rollcallhq/rollcall/internal/certificate"
	"github.com/rollcallhq/rollcall/internal/certificate/keydir"
)

// notary is a key in a directory, and what it signed.
type notary struct {
	t    *testing.T
	dir  string
	key  *certificate.Key
	head certificate.Head
	all  [][]byte
}

func newNotary(t *testing.T) *notary {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "keys")
	if _, err := keydir.Create(dir, minute); err != nil {
		t.Fatal(err)
	}
	all, err := keydir.Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	return &notary{t: t, dir: dir, key: &all.All[0]}
}

// sign adds an entry to the chain.
func (n *notary) sign(hour int, action certificate.Action) []byte {
	n.t.Helper()
	c := n.head.Next(certificate.Content{
		Stream: "orders", Hour: certificate.Hour{Time: time.Date(2026, 11, 22, hour, 0, 0, 0, time.UTC)}, Action: action,
		IssuedAt: minute.Add(time.Hour), IssuedBy: "anna", Hops: []certificate.Hop{{Hop: "agent", Events: 7, Digest: certificate.Hash{1}}, quietHop()},
	})
	if action == certificate.Revoke {
		c.Reason, c.Hops = "2 events came late.", nil
	}
	text, err := certificate.Sign(c, n.key)
	if err != nil {
		n.t.Fatal(err)
	}
	n.head = certificate.Head{Number: c.Number, Hash: certificate.HashOf(text)}
	n.all = append(n.all, text)
	return text
}

// quietHop took nothing over: the server does not tell of it.
func quietHop() certificate.Hop { return certificate.NewDigests("quiet").Hops()[0] }

func (n *notary) file(name string, text []byte) string {
	n.t.Helper()
	path := filepath.Join(n.t.TempDir(), name)
	if err := os.WriteFile(path, text, 0o600); err != nil {
		n.t.Fatal(err)
	}
	return path
}

func (n *notary) public() string { return n.file("public.pem", []byte(n.key.PublicPEM())) }

func TestACertificateIsVerifiedOfflineInWordsAndForPrograms(t *testing.T) {
	n, stranger := newNotary(t), newNotary(t)
	good := n.sign(5, certificate.Certify)
	revoked := n.sign(5, certificate.Revoke)
	var indented strings.Builder
	encoder := json.NewEncoder(&indented)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(json.RawMessage(good)); err != nil {
		t.Fatal(err)
	}
	list := runWith(t, Env{}, "", "keys", "public", "--keys", n.dir, "--output", "json")
	keys := n.file("keys.json", []byte(list.out))
	tampered := []byte(strings.Replace(string(good), `"sig":"`, `"sig":"AAAA`, 1))
	for name, c := range map[string]struct {
		args []string
		code int
		says string
	}{
		"good":             {[]string{n.file("c.json", good), "--key", n.public()}, Good, "This certificate is good: it certifies hour 2026-11-22T05 of stream orders, issued at 2026-11-22T06:09:00Z by anna as entry 1 of the chain.\n"},
		"set out in lines": {[]string{n.file("c.json", []byte(indented.String())), "--key", n.public()}, Good, "good: it certifies"},
		"by a list":        {[]string{n.file("c.json", good), "--key", keys}, Good, "signature  good"},
		"several keys":     {[]string{n.file("c.json", good), "--key", stranger.public(), "--key", keys}, Good, "good: it certifies"},
		"a revocation":     {[]string{n.file("c.json", revoked), "--key", keys}, Good, "it revokes hour 2026-11-22T05 of stream orders, issued at 2026-11-22T06:09:00Z by anna as entry 2 of the chain, since 2 events came late.\n"},
		"another's key":    {[]string{n.file("c.json", good), "--key", stranger.public()}, Bad, "which is not known here"},
		"tampered":         {[]string{n.file("c.json", tampered), "--key", keys}, Bad, "BAD"},
		"something else":   {[]string{n.file("c.json", []byte("{}")), "--key", keys}, Bad, "not good: form: envelope: it has 0 signatures"},
		"no file":          {[]string{"/none/c.json", "--key", keys}, WrongUse, "read the certificate"},
		"no key":           {[]string{n.file("c.json", good)}, WrongUse, "--key"},
		"a key of no kind": {[]string{n.file("c.json", good), "--key", n.file("k", []byte("x"))}, WrongUse, "no PEM block"},
	} {
		t.Run(name, func(t *testing.T) {
			got := runWith(t, Env{}, "", append([]string{"verify"}, c.args...)...)
			if got.code != c.code || !strings.Contains(got.out+got.failed, c.says) {
				t.Errorf("exit code %d: %s%s", got.code, got.out, got.failed)
			}
		})
	}
	got := runWith(t, Env{}, "", "verify", n.file("c.json", good), "--key", keys, "--output", "json")
	var out toldCertificate
	if err := json.Unmarshal([]byte(got.out), &out); err != nil || !out.Good || out.Certificate.Number != 1 || out.Certificate.KeyID != n.key.ID || len(out.Checks) != 4 {
		t.Errorf("%v: %s", err, got.out)
	}
}

// gateOf answers for the last entry of the hour that is among some.
func gateOf(all [][]byte) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var last *certificate.Entry
		for _, v := range all {
			if e, err := certificate.Read(v); err == nil && e.Hour.String() == r.PathValue("hour") && (last == nil || e.Number > last.Number) {
				last = e
			}
		}
		switch {
		case last == nil:
			problem(http.StatusNotFound, "not certified yet")(w, r)
		case last.Action == certificate.Revoke:
			problem(http.StatusGone, "it was revoked")(w, r)
		default:
			answer(w, http.StatusOK, json.RawMessage(last.Envelope))
		}
	}
}

// archive answers as a server with a chain in two places.
func archive(t *testing.T, stored, topic [][]byte, hops ...api.HopDigest) *httptest.Server {
	return archiveWith(t, gateOf(append(slices.Clone(stored), topic...)), stored, topic, hops...)
}

func archiveWith(t *testing.T, gate http.HandlerFunc, stored, topic [][]byte, hops ...api.HopDigest) *httptest.Server {
	return server(t, map[string]http.HandlerFunc{
		"GET /streams/orders/hours/{hour}/certificate": gate,
		"GET /streams/orders/chain": func(w http.ResponseWriter, r *http.Request) {
			values := map[string][][]byte{"store": stored, "topic": topic}[r.URL.Query().Get("source")]
			var items []api.ChainEntry
			for i, v := range values {
				items = append(items, api.ChainEntry{Offset: int64(i), Value: v})
			}
			pages(items...)(w, r)
		},
		"GET /streams/orders/hours/{hour}/digests": func(w http.ResponseWriter, r *http.Request) {
			answer(w, http.StatusOK, api.Digests{Stream: "orders", Hour: r.PathValue("hour"), Hops: hops})
		},
	})
}

func TestACertificateIsHeldAgainstItsChainAndWhatIsStored(t *testing.T) {
	n, other := newNotary(t), newNotary(t)
	one, two, three := n.sign(5, certificate.Certify), n.sign(6, certificate.Certify), n.sign(7, certificate.Certify)
	whole := slices.Clone(n.all)
	revoked := append(slices.Clone(whole), n.sign(6, certificate.Revoke))
	n.head, n.all = certificate.Head{Number: 3, Hash: certificate.HashOf(three)}, nil
	superseded := append(slices.Clone(whole), n.sign(6, certificate.Supersede))
	n.head = certificate.Head{Number: 1, Hash: certificate.HashOf(one)}
	rival := n.sign(9, certificate.Certify)
	forged := other.sign(5, certificate.Certify)
	is := api.HopDigest{Hop: "agent", Events: 7, Digest: certificate.Hash{1}.String()}
	fewer, others := is, is
	fewer.Events, others.Digest = 6, certificate.Hash{2}.String()
	without := func(i int) [][]byte { return slices.Delete(slices.Clone(whole), i, i+1) }
	for name, c := range map[string]struct {
		cert          []byte
		stored, topic [][]byte
		hops          []api.HopDigest
		says          string // empty: it is good
	}{
		"whole":                        {two, whole, whole, []api.HopDigest{is}, ""},
		"garbage in the topic":         {two, whole, append([][]byte{[]byte("x"), forged}, append(slices.Clone(whole), rival, one)...), []api.HopDigest{is}, ""},
		"removed from the store":       {one, without(1), whole, []api.HopDigest{is}, "entry 2 (hour 2026-11-22T06) is missing in the store"},
		"removed from the topic":       {one, whole, without(1), []api.HopDigest{is}, "entry 2 (hour 2026-11-22T06) is missing in the topic"},
		"the first removed":            {two, without(0), whole, []api.HopDigest{is}, "entry 1 (hour 2026-11-22T05) is missing in the store"},
		"the last removed":             {one, without(2), whole, []api.HopDigest{is}, "entry 3 (hour 2026-11-22T07) is missing in the store"},
		"the last of the topic":        {one, whole, without(2), []api.HopDigest{is}, "entry 3 (hour 2026-11-22T07) is missing in the topic"},
		"removed from both":            {one, without(1), without(1), []api.HopDigest{is}, "entry 2 is missing in the store and in the topic"},
		"the one in hand from both":    {three, without(2), without(2), []api.HopDigest{is}, "entry 3 is missing in the store and in the topic"},
		"another in its place":         {two, [][]byte{one, rival}, [][]byte{one, rival}, []api.HopDigest{is}, "this one has " + certificate.HashOf(two).String()},
		"others in store and topic":    {one, [][]byte{one, rival}, whole, []api.HopDigest{is}, "in the store and"},
		"garbage in the store":         {two, append(slices.Clone(whole), []byte("x")), whole, []api.HopDigest{is}, "store: after entry 3: it cannot be read"},
		"by another key in the store":  {two, [][]byte{forged}, whole, []api.HopDigest{is}, "which is not known here"},
		"revoked since":                {two, revoked, revoked, nil, "revoked by entry 4: 2 events came late"},
		"superseded since":             {two, superseded, superseded, []api.HopDigest{is}, "superseded by entry 4"},
		"the one that supersedes":      {superseded[3], superseded, superseded, []api.HopDigest{is}, ""},
		"an event fewer":               {two, whole, whole, []api.HopDigest{fewer}, "hop agent took over 6 events, and 7 were signed"},
		"other events":                 {two, whole, whole, []api.HopDigest{others}, "hop agent took over as many events as were signed, and others"},
		"a hop gone":                   {two, whole, whole, nil, "hop agent took over 0 events, and 7 were signed"},
		"another hop":                  {two, whole, whole, []api.HopDigest{is, {Hop: "x", Events: 1}}, "hop x took over 1 events and is not in the certificate"},
		"a chain of which all is gone": {two, nil, nil, nil, "entry 1 is missing in the store and in the topic"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := run(t, archive(t, c.stored, c.topic, c.hops...), "verify", n.file("c.json", c.cert), "--key", n.public(), "--chain")
			if c.says == "" && got.code != Good || c.says != "" && (got.code != Bad || !strings.Contains(got.out, c.says)) {
				t.Errorf("exit code %d; want it to say %q:\n%s%s", got.code, c.says, got.out, got.failed)
			}
		})
	}
	if got := runWith(t, Env{}, "", "--server", "http://127.0.0.1:1", "verify", n.file("c.json", two), "--key", n.public(), "--chain"); got.code != CannotAsk {
		t.Errorf("without a server: exit code %d: %s%s", got.code, got.out, got.failed)
	}
}

// The store finds an entry by its columns, which nobody signed: where one was changed the gate says something else than the chain.
func TestAGateThatSaysSomethingElseThanTheChainIsFound(t *testing.T) {
	n := newNotary(t)
	one := n.sign(5, certificate.Certify)
	first := slices.Clone(n.all)
	revoke := n.sign(5, certificate.Revoke)
	is := api.HopDigest{Hop: "agent", Events: 7, Digest: certificate.Hash{1}.String()}
	for name, c := range map[string]struct {
		cert []byte
		gate http.HandlerFunc
		all  [][]byte
		says string
	}{
		"revoked, and let through":  {revoke, gateOf(first), n.all, `the gate answers "certified"; by entry 2, the last of the hour, it is "revoked"`},
		"certified, and kept back":  {one, gateOf(n.all), first, `the gate answers "revoked"; by entry 1, the last of the hour, it is "certified"`},
		"certified, and not found":  {one, gateOf(nil), first, `the gate answers "not yet"; by entry 1`},
		"with the entry of another": {one, func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, json.RawMessage(revoke)) }, first, "the gate answers with entry 2; the last of the hour is entry 1"},
	} {
		t.Run(name, func(t *testing.T) {
			got := run(t, archiveWith(t, c.gate, c.all, c.all, is), "verify", n.file("c.json", c.cert), "--key", n.public(), "--chain")
			if got.code != Bad || !strings.Contains(got.out, c.says) {
				t.Errorf("exit code %d; want it to say %q:\n%s%s", got.code, c.says, got.out, got.failed)
			}
		})
	}
}

func TestKeysAreKeptByTheCommandLine(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keys")
	keys := func(want int, args ...string) outcome {
		t.Helper()
		got := runWith(t, Env{}, "", append([]string{"keys", "--keys", dir}, args...)...)
		if got.code != want {
			t.Fatalf("keys %v: exit code %d; want %d: %s%s", args, got.code, want, got.out, got.failed)
		}
		return got
	}
	keys(WrongUse, "list")
	var first, second api.Key
	if err := json.Unmarshal([]byte(keys(Good, "create", "--output", "json").out), &first); err != nil || !first.Signing || len(first.ID) != 64 {
		t.Fatalf("%+v, %v", first, err)
	}
	keys(WrongUse, "create")
	keys(WrongUse, "rotate", "--after", "-1s")
	if err := json.Unmarshal([]byte(keys(Good, "rotate", "--after", "0s", "--output", "json").out), &second); err != nil || !second.Signing {
		t.Fatalf("%+v, %v", second, err)
	}
	keys(WrongUse, "retire", second.ID)
	keys(WrongUse, "retire", "abc")
	keys(Good, "retire", first.ID)
	keys(Good, "retire", first.ID)
	keys(WrongUse, "distrust", first.ID)
	keys(Good, "distrust", strings.Repeat("ab", 32))
	got := keys(Good, "list")
	for id, state := range map[string]string{first.ID: "retired", second.ID: "signs"} {
		if !strings.Contains(got.out, fmt.Sprintf("%s  %s", id, state)) {
			t.Errorf("%s is not shown as %s:\n%s", id, state, got.out)
		}
	}
	if out := keys(Good, "public").out; out != second.Public {
		t.Errorf("public keys:\n%s", out)
	}
	var all api.Page[api.Key]
	if err := json.Unmarshal([]byte(keys(Good, "public", "--output", "json").out), &all); err != nil || len(all.Items) != 2 || strings.Contains(got.out, "PRIVATE KEY") {
		t.Errorf("%+v, %v", all, err)
	}
}
