package cli

import (
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/rollcallhq/rollcall/internal/certificate"
	"github.com/rollcallhq/rollcall/internal/certificate/keydir"
)

type verify struct {
	Certificate string   `arg:"" type:"path" help:"File of the certificate, a DSSE envelope in JSON." placeholder:"CERT.json"`
	Key         []string `required:"" type:"path" help:"Public key to trust, PEM, or several as \"rollcall keys public --output json\" prints them." placeholder:"FILE"`
	Chain       bool     `help:"Ask the server too: hold the certificate against the whole chain, in the store and in the topic, and against what the hops took over."`
}

// toldCertificate is what was verified, for programs.
type toldCertificate struct {
	Good        bool                `json:"good"`
	Certificate *toldEntry          `json:"certificate,omitempty"` // absent where it cannot be read
	Checks      []certificate.Check `json:"checks"`
}

type toldEntry struct {
	Stream   string             `json:"stream"`
	Hour     certificate.Hour   `json:"hour"`
	Number   uint64             `json:"number"`
	Action   certificate.Action `json:"action"`
	IssuedAt time.Time          `json:"issuedAt"`
	By       string             `json:"by"`
	KeyID    certificate.Hash   `json:"keyId"`
}

// Run verifies a certificate; the answer is bad when anything about it is.
func (c *verify) Run(s *session) error {
	text, err := os.ReadFile(c.Certificate)
	if err != nil {
		return wrongUse("read the certificate: %w", err)
	}
	trusted, err := readTrusted(c.Key)
	if err != nil {
		return err
	}
	entry, checks := certificate.Verify(certificate.Compact(text), trusted)
	if c.Chain && certificate.Good(checks) {
		more, err := s.verifyChain(entry, trusted)
		if err != nil {
			return err
		}
		checks = append(checks, more...)
	}
	if err := s.tellVerified(entry, checks); err != nil {
		return err
	}
	return badWhen(!certificate.Good(checks))
}

// readTrusted reads the keys of all files.
func readTrusted(files []string) (*certificate.Keys, error) {
	all := &certificate.Keys{Distrusted: map[certificate.Hash]bool{}}
	for _, file := range files {
		some, err := keydir.ReadPublic(file)
		if err != nil {
			return nil, wrongUse("--key: %w", err)
		}
		for _, k := range some.All {
			if all.Find(k.ID) == nil {
				all.All = append(all.All, k)
			}
		}
	}
	return all, nil
}

func (s *session) tellVerified(e *certificate.Entry, checks []certificate.Check) error {
	good := certificate.Good(checks)
	if s.asJSON {
		out := toldCertificate{Good: good, Checks: checks}
		if e != nil {
			out.Certificate = &toldEntry{e.Stream, e.Hour, e.Number, e.Action, e.IssuedAt, e.IssuedBy, e.KeyID}
		}
		return s.printJSON(out)
	}
	if err := s.say("%s", sentenceOf(e, checks, good)); err != nil {
		return err
	}
	t := newTable("CHECK", "RESULT", "FOUND")
	for _, c := range checks {
		result := "good"
		if !c.Good {
			result = "BAD"
		}
		t.add(c.Name, result, c.Text)
	}
	return t.print(s.env.Stdout)
}

func sentenceOf(e *certificate.Entry, checks []certificate.Check, good bool) string {
	if !good {
		return "This certificate is not good: " + certificate.Faults(checks) + "."
	}
	verb := map[certificate.Action]string{certificate.Certify: "certifies", certificate.Supersede: "certifies anew", certificate.Revoke: "revokes"}[e.Action]
	text := fmt.Sprintf("This certificate is good: it %s hour %s of stream %s, issued at %s by %s as entry %d of the chain", verb, e.Hour, e.Stream, instant(e.IssuedAt), e.IssuedBy, e.Number)
	if e.Reason != "" {
		text += ", since " + strings.TrimSuffix(e.Reason, ".")
	}
	return text + "."
}
