package deploy_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// instruction is a line of a Dockerfile with the lines it goes on over.
type instruction struct{ name, rest string }

// stage is a stage of a Dockerfile, with what it inherits of earlier ones at the front.
type stage struct {
	name, from   string
	instructions []instruction
}

// stages reads a Dockerfile. It knows no here-documents and no other escape than "\".
func stages(t *testing.T, text string) []stage {
	t.Helper()
	var all []stage
	joined := strings.ReplaceAll(regexp.MustCompile(`(?m)^\s*#.*\n`).ReplaceAllString(text, ""), "\\\n", " ")
	for line := range strings.Lines(joined) {
		fields := strings.Fields(line)
		if len(fields) == 0 {
			continue
		}
		if fields[0] == "FROM" {
			all = append(all, newStage(t, all, fields))
			continue
		}
		if len(all) == 0 {
			t.Fatalf("%q comes before the first stage", line)
		}
		last := &all[len(all)-1]
		last.instructions = append(last.instructions, instruction{fields[0], strings.Join(fields[1:], " ")})
	}
	return all
}

func newStage(t *testing.T, earlier []stage, fields []string) stage {
	t.Helper()
	if len(fields) != 4 || fields[2] != "AS" {
		t.Fatalf("%q: a stage has a name", fields)
	}
	s := stage{name: fields[3], from: fields[1]}
	if i := named(earlier, s.from); i >= 0 {
		s.instructions = slices.Clone(earlier[i].instructions)
	}
	return s
}

func named(all []stage, name string) int {
	return slices.IndexFunc(all, func(s stage) bool { return s.name == name })
}

func (s stage) last(name string) string {
	found := ""
	for _, i := range s.instructions {
		if i.name == name {
			found = i.rest
		}
	}
	return found
}

func TestImagesAreBuiltFromPinnedOnesAndTheLastStageIsTheServer(t *testing.T) {
	all := stages(t, string(read(t, "Dockerfile")))
	for i, s := range all {
		if named(all[:i], s.from) < 0 && !pinned.MatchString(s.from) {
			t.Errorf("stage %s is built from %q, which is not pinned", s.name, s.from)
		}
	}
	if last := all[len(all)-1].name; last != "server" || named(all, "embedded") < 0 {
		t.Errorf("the last stage is %q", last)
	}
	goVersion := regexp.MustCompile(`(?m)^go (\S+)$`).FindSubmatch(read(t, "go.mod"))
	if want := fmt.Sprintf("golang:%s-", goVersion[1]); !strings.HasPrefix(all[named(all, "build")].from, want) {
		t.Errorf("it is built with %s; go.mod wants %s", all[named(all, "build")].from, want)
	}
}

func TestImagesRunUnprivilegedAndAskThemselvesForTheirHealth(t *testing.T) {
	all := stages(t, string(read(t, "Dockerfile")))
	for _, name := range []string{"server", "embedded"} {
		s := all[named(all, name)]
		if user := s.last("USER"); !regexp.MustCompile(`^[1-9]\d*:[1-9]\d*$`).MatchString(user) {
			t.Errorf("%s runs as %q; want the numbers of a user and a group", name, user)
		}
		if health := s.last("HEALTHCHECK"); !strings.HasSuffix(health, `CMD ["/usr/local/bin/rollcall", "health"]`) {
			t.Errorf("%s: health check %q", name, health)
		}
		if s.last("ENTRYPOINT") != `["/usr/local/bin/rollcall"]` {
			t.Errorf("%s runs %s", name, s.last("ENTRYPOINT"))
		}
	}
}

func TestTheServerHasThePageAndNeitherTheLibraryNorTheDemosEvents(t *testing.T) {
	all := stages(t, string(read(t, "Dockerfile")))
	holds := func(stage, from string) bool {
		return slices.ContainsFunc(all[named(all, stage)].instructions, func(i instruction) bool {
			return i.name == "COPY" && strings.HasPrefix(i.rest, "--from="+from+" ")
		})
	}
	for _, c := range []struct {
		stage, from string
		want        bool
	}{{"build", "web", true}, {"server", "build", true}, {"server", "library", false}, {"embedded", "library", true}} {
		if holds(c.stage, c.from) != c.want {
			t.Errorf("%s copies from %s: %t", c.stage, c.from, !c.want)
		}
	}
}

func TestWhatImagesCopyIsInTheCheckout(t *testing.T) {
	for _, s := range stages(t, string(read(t, "Dockerfile"))) {
		for _, i := range s.instructions {
			if i.name != "COPY" || strings.HasPrefix(i.rest, "--from=") {
				continue
			}
			fields := strings.Fields(i.rest)
			for _, source := range fields[:len(fields)-1] {
				if _, err := os.Stat(filepath.Join(root, source)); err != nil {
					t.Errorf("stage %s: %v", s.name, err)
				}
			}
		}
	}
}
