package schema

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// The code of the page is that of the examples, which compile and partly run.
func TestTheHowToShowsTheCodeOfTheExamples(t *testing.T) {
	page, err := os.ReadFile("../../docs/how-to/check-schemas.md")
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile("example_test.go")
	if err != nil {
		t.Fatal(err)
	}
	flat := func(text string) string { return strings.Join(strings.Fields(text), " ") }
	blocks := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllSubmatch(page, -1)
	if len(blocks) < 3 {
		t.Fatalf("the page has %d blocks of code", len(blocks))
	}
	examples := regexp.MustCompile(`if err != nil \{ fmt.Println\(err\) return \} `).ReplaceAllString(flat(string(source)), "")
	for _, block := range blocks {
		if code := flat(string(block[1])); !strings.Contains(examples, code) {
			t.Errorf("not in the examples: %s", code)
		}
	}
	for _, outcome := range []string{OK, Invalid, UnknownSchema, Undecodable, Deprecated, whyUnframed, whyUnknown, whyUnusable, whyAway, whyBusy, whyEarly} {
		if !strings.Contains(string(page), outcome) {
			t.Errorf("the page does not say %q", outcome)
		}
	}
}
