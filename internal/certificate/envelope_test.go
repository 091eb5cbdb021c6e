package certificate

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	attestation "github.com/in-toto/attestation/go/v1"
	"github.com/secure-systems-lab/go-securesystemslib/dsse"
	"google.golang.org/protobuf/encoding/protojson"
)

func TestWhatIsSignedIsReadAgain(t *testing.T) {
	k, want := makeKey(t), anHour("orders")
	e, checks := Verify(sign(t, want, k), known(k))
	if !Good(checks) {
		t.Fatal(Faults(checks))
	}
	if diff := cmp.Diff(want, e.Content); diff != "" {
		t.Error(diff)
	}
	if e.KeyID != k.ID || e.Hash != HashOf(e.Envelope) {
		t.Errorf("key %s, hash %s", e.KeyID, e.Hash)
	}
}

// verifier is a key as go-securesystemslib wants one.
type verifier struct{ *Key }

func (v verifier) KeyID() (string, error)   { return v.ID.String(), nil }
func (v verifier) Public() crypto.PublicKey { return v.Key.Public }
func (v verifier) Verify(_ context.Context, data, sig []byte) error {
	if !ed25519.Verify(v.Key.Public, data, sig) {
		return errors.New("not its signature")
	}
	return nil
}

func TestAVerifierThatIsNotOursTakesTheEnvelopeAndItsStatement(t *testing.T) {
	k, other := makeKey(t), makeKey(t)
	var e dsse.Envelope
	if err := json.Unmarshal(sign(t, anHour("orders"), k), &e); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		key  *Key
		good bool
	}{{k, true}, {other, false}} {
		v, err := dsse.NewEnvelopeVerifier(verifier{c.key})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := v.Verify(t.Context(), &e); (err == nil) != c.good {
			t.Errorf("key %s: %v", c.key.ID, err)
		}
	}
	payload, err := e.DecodeB64Payload()
	if err != nil {
		t.Fatal(err)
	}
	var s attestation.Statement
	if err := protojson.Unmarshal(payload, &s); err != nil {
		t.Fatal(err)
	}
	if err := s.Validate(); err != nil {
		t.Error(err)
	}
	if s.Subject[0].Name != "rollcall:orders/2026-11-22T05" || s.PredicateType != PredicateType {
		t.Errorf("subject %s, predicate type %s", s.Subject[0].Name, s.PredicateType)
	}
}

// Whichever byte is another, and whatever it is: the envelope is no good, or it is the envelope of nobody.
func TestEveryChangedByteOfAnEnvelopeIsFound(t *testing.T) {
	k, c := makeKey(t), anHour("orders")
	c.Hops, c.Edges, c.Waivers, c.Latency, c.Schemas = c.Hops[:1], nil, nil, nil, nil // short, or it takes long
	keys, good := known(k), sign(t, c, k)
	for i := range good {
		bad := []byte(string(good))
		for _, b := range changesOf(good[i]) {
			bad[i] = b
			if _, checks := Verify(bad, keys); Good(checks) {
				t.Fatalf("byte %d as %q instead of %q is not found", i, b, good[i])
			}
		}
	}
	for i := range good {
		if _, checks := Verify(good[:i], keys); Good(checks) {
			t.Fatalf("cut after %d bytes it is good", i)
		}
	}
}

// changesOf are other values of a byte: each bit of it flipped, and those that mean something in JSON and base64.
func changesOf(was byte) []byte {
	var all []byte
	for bit := range 8 {
		all = append(all, was^1<<bit)
	}
	for _, b := range []byte("\x00\n \"\\{}[]:,=+/-_A0") {
		if b != was {
			all = append(all, b)
		}
	}
	return all
}

// wrap puts any payload into a well-signed envelope.
func wrap(t *testing.T, k *Key, kind, payload string) []byte {
	t.Helper()
	text, err := seal(kind, []byte(payload), k)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestEnvelopesThatAreNotOursAreRefusedWithAReason(t *testing.T) {
	k := makeKey(t)
	good := string(sign(t, anHour("orders"), k))
	payload := payloadOf(t, good)
	signature := good[strings.Index(good, `"sig":"`)+7 : len(good)-4]
	same := func(from, to string) []byte { return []byte(strings.Replace(good, from, to, 1)) }
	inside := func(from, to string) []byte {
		return wrap(t, k, PayloadType, strings.Replace(payload, from, to, 1))
	}
	unsorted := anHour("orders")
	unsorted.Hops = nil
	for name, c := range map[string]struct {
		text []byte
		says string
	}{
		"nothing":                 {nil, "cut short"},
		"a number":                {[]byte("1"), "cannot unmarshal"},
		"null":                    {[]byte("null"), "0 signatures"},
		"two values":              {[]byte(good + "{}"), "something follows"},
		"cut short":               {[]byte(good[:len(good)-1]), "cut short"},
		"too large":               {make([]byte, Largest+1), "limit is 4194304"},
		"too deep":                {[]byte(`{"payload":` + strings.Repeat("[", 1000)), "levels deep"},
		"deep objects":            {[]byte(strings.Repeat(`{"a":`, 1000)), "levels deep"},
		"an unknown key":          {same(`{"payload`, `{"alg":"none","payload`), `unknown field "alg"`},
		"a key twice":             {same(`{"payloadType"`, `{"payload":"","payloadType"`), "payload: the key is there twice"},
		"a key in another case":   {same(`"payload":`, `"Payload":`), "form in which it was issued"},
		"set out in lines":        {same(`,"payload":`, ",\n\"payload\":"), "form in which it was issued"},
		"two signatures":          {same(`"signatures":[`, `"signatures":[{"keyid":"","sig":""},`), "2 signatures"},
		"no signature":            {[]byte(`{"payloadType":"` + PayloadType + `","payload":"","signatures":[]}`), "0 signatures"},
		"another payload type":    {wrap(t, k, "application/json", payload), "payloadType"},
		"a key id of another art": {same(k.ID.String(), "SHA256:abc"), "keyid"},
		"base64 for URLs":         {same(signature, strings.NewReplacer("+", "-", "/", "_").Replace(signature)[:86]+"--"), "sig"},
		"a line break in base64":  {same(signature, signature[:4]+`\n`+signature[4:]), "sig: not standard base64"},
		"an empty signature":      {same(signature, ""), "not that of key"},
		"payload not JSON":        {wrap(t, k, PayloadType, "x"), "payload: not JSON"},
		"unknown key inside":      {inside(`{"stream"`, `{"lies":1,"stream"`), `unknown field "lies"`},
		"key twice inside":        {inside(`"number":1`, `"number":1,"number":2`), "number: the key is there twice"},
		"folded twice inside":     {inside(`"number":1`, `"number":1,"Number":2`), "twice"},
		"another type":            {inside("Statement/v1", "Statement/v0.1"), "_type"},
		"another predicate":       {inside("certificate/v1", "certificate/v2"), "predicateType"},
		"another subject":         {inside("rollcall:orders/", "rollcall:orders/x"), "the subject is named"},
		"another subject digest":  {inside(anHourSubject(), Hash{9}.String()), "digest of"},
		"another action":          {inside(`"certify"`, `"bless"`), "not one of certify"},
		"number 0":                {inside(`"number":1`, `"number":0`), "number is 0"},
		"previous of the first":   {inside(Hash{}.String(), Hash{7}.String()), "previous is not zero"},
		"revoked without reason":  {inside(`"certify"`, `"revoke"`), "reason is missing"},
		"hops unsorted":           {inside(`"hop":"agent","events"`, `"hop":"zebra","events"`), "does not come after"},
		"an hour with minutes":    {inside(`"2026-11-22T05"`, `"2026-11-22T05:30"`), "not an hour"},
		"a negative count":        {inside(`"events":9`, `"events":-9`), "cannot unmarshal"},
		"a hash in capitals":      {inside(Hash{}.String(), strings.Repeat("A", 64)), "hexadecimal"},
	} {
		t.Run(name, func(t *testing.T) {
			_, checks := Verify(c.text, known(k))
			if Good(checks) || !strings.Contains(Faults(checks), c.says) {
				t.Errorf("%q; want %q", Faults(checks), c.says)
			}
			if len(Faults(checks)) > 1000 {
				t.Errorf("the reason has %d bytes", len(Faults(checks)))
			}
		})
	}
	if _, err := Sign(unsorted, k); err == nil || !strings.Contains(err.Error(), "hops is empty") {
		t.Errorf("an hour without hops is signed: %v", err)
	}
	if _, err := Sign(anHour("orders"), &Key{}); err == nil {
		t.Error("signed without a key")
	}
}

func payloadOf(t *testing.T, envelope string) string {
	t.Helper()
	var e dsse.Envelope
	if err := json.Unmarshal([]byte(envelope), &e); err != nil {
		t.Fatal(err)
	}
	raw, err := base64.StdEncoding.DecodeString(e.Payload)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func anHourSubject() string { c := anHour("orders"); return c.subject().String() }

func TestOnlyTheRightKeyAtItsTimeCounts(t *testing.T) {
	k, other := makeKey(t), makeKey(t)
	text := sign(t, anHour("orders"), k)
	at := func(notBefore, retired time.Time) *Keys {
		one := *k
		one.NotBefore, one.RetiredAt = notBefore, retired
		return known(&one)
	}
	swapped := *other
	swapped.ID = k.ID // another key under the id of the first
	for name, c := range map[string]struct {
		keys *Keys
		says string
	}{
		"its time":                 {at(testNow, testNow), ""},
		"retired later":            {at(testNow.Add(-time.Hour), testNow.Add(time.Second)), ""},
		"retired before":           {at(time.Time{}, testNow.Add(-time.Second)), "was retired at"},
		"not yet":                  {at(testNow.Add(time.Second), time.Time{}), "signs from"},
		"another key":              {known(other), "not known here"},
		"no key":                   {known(), "not known here"},
		"another key under its id": {known(&swapped), "changed after it was signed"},
		"distrusted":               {&Keys{Distrusted: map[Hash]bool{k.ID: true}}, "distrusted"},
	} {
		t.Run(name, func(t *testing.T) {
			_, checks := Verify(text, c.keys)
			if Good(checks) != (c.says == "") || !strings.Contains(Faults(checks), c.says) {
				t.Errorf("%q; want %q", Faults(checks), c.says)
			}
		})
	}
}

func TestKeysOfOtherAlgorithmsAreRefused(t *testing.T) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	public, err := x509.MarshalPKIXPublicKey(private.Public())
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	block := func(kind string, raw []byte) []byte { return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: raw}) }
	if _, err := ParsePublic(block("PUBLIC KEY", public)); err == nil || !strings.Contains(err.Error(), "Ed25519 alone") {
		t.Errorf("a public key of ECDSA: %v", err)
	}
	if _, err := ParsePrivate(block("PRIVATE KEY", pkcs8)); err == nil || !strings.Contains(err.Error(), "Ed25519 alone") {
		t.Errorf("a private key of ECDSA: %v", err)
	}
	k := makeKey(t)
	secret, err := k.PrivatePEM()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ParsePublic(secret); err == nil || strings.Contains(err.Error(), string(secret[30:60])) {
		t.Errorf("a private key as a public one: %v", err)
	}
	if _, err := ParsePublic([]byte(k.PublicPEM() + k.PublicPEM())); err == nil {
		t.Error("two keys in one file")
	}
	got, err := ParsePublic([]byte(k.PublicPEM()))
	if err != nil || got.ID != k.ID {
		t.Errorf("%s, %v; want %s", got.ID, err, k.ID)
	}
	der, err := x509.MarshalPKIXPublicKey(k.Public)
	if err != nil || k.ID.String() != fmt.Sprintf("%x", sha256.Sum256(der)) {
		t.Errorf("id %s, %v", k.ID, err)
	}
}

func TestTheNewestKeyWhoseTimeHasComeSigns(t *testing.T) {
	old, next := makeKey(t), makeKey(t)
	old.NotBefore, next.NotBefore = testNow.Add(-time.Hour), testNow
	for name, c := range map[string]struct {
		keys *Keys
		at   time.Time
		want *Key
	}{
		"before": {known(old, next), testNow.Add(-1), old},
		"then":   {known(old, next), testNow, next},
		"order":  {known(next, old), testNow, next},
		"none":   {known(), testNow, nil},
		"early":  {known(old), testNow.Add(-2 * time.Hour), nil},
	} {
		got, err := c.keys.Signing(c.at)
		if (err != nil) != (c.want == nil) || c.want != nil && got.ID != c.want.ID {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
	next.RetiredAt = testNow
	if got, err := known(old, next).Signing(testNow.Add(1)); err != nil || got.ID != old.ID {
		t.Errorf("a retired key signs: %v", err)
	}
	old.Private = nil
	if _, err := known(old).Signing(testNow); err == nil || !strings.Contains(err.Error(), "private part") {
		t.Errorf("without its private part: %v", err)
	}
}

func FuzzReadingAnEnvelopeNeverTakesWhatIsNotSigned(f *testing.F) {
	k := makeKey(f)
	good := sign(f, anHour("orders"), k)
	f.Add(good)
	f.Add([]byte(`{"payloadType":"application/vnd.in-toto+json","payload":"e30=","signatures":[{"keyid":"","sig":""}]}`))
	f.Add([]byte(`{"a":[{"b":{"c":[1,2,{"d":null}]}}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		_, checks := Verify(text, known(k))
		if Good(checks) && string(text) != string(good) {
			t.Errorf("taken: %q", text)
		}
		if e, err := Read(text); err == nil && string(e.Envelope) != string(text) {
			t.Error("an entry is not what was read")
		}
		_, _, _ = Head{}.Accept("orders", text, known(k))
		_, _ = ParsePublic(text)
	})
}
