package reference_test

import (
	"bytes"
	"regexp"
	"strings"
	"testing"

	"github.com/rollcallhq/rollcall/internal/cli"
)

// command finds a command's name in the list that "rollcall --help" ends with.
var command = regexp.MustCompile(`(?m)^  ([a-z]+(?: [a-z]+)*)(?:  |$)`)

// cliPage shows the help of every command that the program has.
func cliPage(t *testing.T) string {
	var b strings.Builder
	b.WriteString("# Command line\n\n" +
		"`rollcall` runs the server and asks it. The commands that ask speak to the [HTTP API](http-api.md) at `--server`.\n\n" +
		"| exit code | meaning |\n|---|---|\n" +
		"| 0 | asked, and the answer is good |\n" +
		"| 1 | asked, and the answer is bad: something is incomplete, unknown, lost or invalid, and not waived |\n" +
		"| 2 | wrong use: the command line, a file or a name given on it |\n" +
		"| 3 | could not ask: the server is away, broken or refuses the caller |\n\n" +
		"An INSTANT is RFC 3339 (`2026-11-22T05:09:00Z`), the same without seconds or minutes, or a duration (`15m`): that long ago.\n")
	all := help(t)
	_, list, found := strings.Cut(all, "\nCommands:\n")
	if !found {
		t.Fatalf("the help lists no commands:\n%s", all)
	}
	section(&b, "rollcall", all)
	for _, m := range command.FindAllStringSubmatch(list, -1) {
		section(&b, "rollcall "+m[1], help(t, strings.Fields(m[1])...))
	}
	return b.String()
}

func section(b *strings.Builder, title, text string) {
	b.WriteString("\n## " + title + "\n\n```text\n" + strings.TrimSpace(text) + "\n```\n")
}

func help(t *testing.T, command ...string) string {
	t.Helper()
	var out, faults bytes.Buffer
	if code := cli.Run(t.Context(), append(command, "--help"), cli.Env{Stdout: &out, Stderr: &faults}); code != cli.Good {
		t.Fatalf("help of %q ends with %d: %s", command, code, &faults)
	}
	return out.String()
}
