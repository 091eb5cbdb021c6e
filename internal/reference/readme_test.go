package reference_test

import (
	"bytes"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/rollcallhq/rollcall/audit/wire"
)

// sends finds a block of shell that posts reports.
var sends = regexp.MustCompile("(?s)```sh\n([^`]*?<<EOF\n[^`]*?\nEOF\n)")

// TestReportsInTheDocumentsAreReports runs the shell of the documents up to the report, prints it instead of sending it, and
// checks it as the server would.
func TestReportsInTheDocumentsAreReports(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the documents use GNU date")
	}
	for name, reports := range map[string]int{"README.md": 2, "docs/tutorial/first-roll-call.md": 5} {
		t.Run(name, func(t *testing.T) {
			found := 0
			for _, text := range printed(t, read(t, filepath.Join(root, name))) {
				batch, err := wire.DecodeJSON([]byte(text), wire.DefaultLimits())
				if err == nil {
					err = wire.Validate(batch, wire.DefaultLimits(), time.Now())
				}
				if err != nil {
					t.Errorf("%v in\n%s", err, text)
				}
				found += len(batch.Reports)
			}
			if found != reports {
				t.Errorf("%d reports found, want %d", found, reports)
			}
		})
	}
}

// printed returns what each block of the page would send. The blocks are one session of the shell.
func printed(t *testing.T, page string) []string {
	t.Helper()
	const end = "\x04"
	script := "set -eu\ncurl() { cat; printf '" + end + "'; }\n"
	for _, block := range sends.FindAllStringSubmatch(page, -1) {
		script += block[1]
	}
	out, err := exec.CommandContext(t.Context(), "bash", "-c", script).Output()
	if err != nil {
		t.Fatalf("run the shell of the page: %v", err)
	}
	return strings.Split(strings.TrimSuffix(string(bytes.TrimSpace(out)), end), end)
}

// instrument finds the Go of the page.
var instrument = regexp.MustCompile("(?s)```go\n(.*?)```")

// TestGoInTheDocumentsIsThatOfTheExamples holds every line of Go in the documents to the examples, which compile.
func TestGoInTheDocumentsIsThatOfTheExamples(t *testing.T) {
	example := lines(read(t, filepath.Join(root, "audit/kgoaudit/example_test.go")))
	for _, name := range []string{"README.md", "docs/how-to/instrument-a-hop.md"} {
		t.Run(name, func(t *testing.T) {
			blocks := instrument.FindAllStringSubmatch(read(t, filepath.Join(root, name)), -1)
			if len(blocks) == 0 {
				t.Fatal("no Go on the page")
			}
			for _, block := range blocks {
				if text := lines(block[1]); !strings.Contains(example, text) {
					t.Errorf("not in audit/kgoaudit/example_test.go, line for line and in one piece:\n%s", text)
				}
			}
		})
	}
}

// lines drops indents, empty lines and the handling of errors, which the documents leave out.
func lines(text string) string {
	text = handling.ReplaceAllString(text, "")
	var kept []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, "\n")
}

var handling = regexp.MustCompile(`(?m)^\s*if err != nil \{\n\s*fmt\.Println\(err\)\n\s*return\n\s*\}\n`)

// link finds the target of a link or picture that is no address.
var link = regexp.MustCompile(`\]\(([^)#:]+)(?:#[^)]*)?\)`)

func TestLinksBetweenDocumentsLeadSomewhere(t *testing.T) {
	pages, err := filepath.Glob(filepath.Join(root, "docs/*/*.md"))
	if err != nil {
		t.Fatal(err)
	}
	pages = append(pages, filepath.Join(root, "README.md"), filepath.Join(root, "docs/design.md"))
	for _, page := range pages {
		for _, m := range link.FindAllStringSubmatch(read(t, page), -1) {
			if there, err := filepath.Glob(filepath.Join(filepath.Dir(page), m[1])); err != nil || len(there) != 1 {
				t.Errorf("%s links to %s, which is not there", page, m[1])
			}
		}
	}
}
