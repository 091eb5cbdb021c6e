package reference_test

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

// calls finds the calls in a cell, where they are written out.
var calls = regexp.MustCompile("`(GET|PUT|POST|DELETE) (/[^`]+)`")

func TestTheRolesInTheDocumentsAreThoseOfTheCalls(t *testing.T) {
	var document struct {
		Paths map[string]map[string]struct {
			Role string `yaml:"x-role"`
		}
	}
	if err := yaml.Unmarshal([]byte(read(t, filepath.Join(root, "inspector/testdata/openapi.yaml"))), &document); err != nil {
		t.Fatal(err)
	}
	found := 0
	for line := range strings.Lines(read(t, filepath.Join(root, "docs/reference/http-api.md"))) {
		cells := strings.Split(line, " | ")
		if len(cells) < 3 {
			continue
		}
		for _, call := range calls.FindAllStringSubmatch(cells[0], -1) {
			found++
			want := document.Paths["/api/v1"+call[2]][strings.ToLower(call[1])].Role
			if said, _, _ := strings.Cut(cells[1], ";"); want == "" || said != want {
				t.Errorf("%s asks for the role %q; the page says %q", call[0], want, said)
			}
		}
	}
	if found < 10 {
		t.Errorf("only %d calls found on the page", found)
	}
}
