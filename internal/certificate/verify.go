package certificate

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// Check is one thing that was held against a certificate.
type Check struct {
	Name string `json:"name"`
	Good bool   `json:"good"`
	Text string `json:"text"` // what was found
}

// Verify holds what can be known of a certificate without asking anybody: its form, its signature, and that it is about what it says. The
// content is nil where it cannot be read. All checks are good where the certificate is.
func Verify(text []byte, keys *Keys) (*Entry, []Check) {
	e, err := Read(text)
	if err != nil {
		return nil, []Check{{"form", false, err.Error()}}
	}
	checks := []Check{{"form", true, "a DSSE envelope around an in-toto Statement, as it was issued"}}
	if refused := keys.check(e); refused != nil {
		checks = append(checks, Check{"signature", false, refused.Text})
	} else {
		checks = append(checks, Check{"signature", true, fmt.Sprintf("Ed25519, by key %s", e.KeyID)})
	}
	if err := e.checkStatement(); err != nil {
		return e, append(checks, Check{"statement", false, err.Error()})
	}
	checks = append(checks, Check{"statement", true, fmt.Sprintf("%s %s, entry %d of the chain of stream %s", e.Action, e.Hour, e.Number, e.Stream)})
	got, want := e.statement.Subject[0].Digest.SHA256, e.subject()
	if got != want {
		return e, append(checks, Check{"subject", false, fmt.Sprintf("the digest of the subject is %s; that of its hops is %s", got, want)})
	}
	return e, append(checks, Check{"subject", true, fmt.Sprintf("the digest over %d hops is %s", len(e.Hops), want)})
}

// Good says whether all checks are.
func Good(checks []Check) bool {
	for _, c := range checks {
		if !c.Good {
			return false
		}
	}
	return true
}

// Faults are the texts of the checks that are not good, as one line.
func Faults(checks []Check) string {
	var texts []string
	for _, c := range checks {
		if !c.Good {
			texts = append(texts, c.Name+": "+c.Text)
		}
	}
	return strings.Join(texts, "; ")
}

// Compact writes an envelope that somebody's tool has set out in lines as it was issued. What is no JSON stays as it is.
func Compact(text []byte) []byte {
	var out bytes.Buffer
	if err := json.Compact(&out, text); err != nil {
		return text
	}
	return out.Bytes()
}
