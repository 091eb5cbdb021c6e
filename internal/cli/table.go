package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"
)

// table prints rows under heads; a head that begins with ">" is a column of numbers, set to the right.
type table struct {
	heads []string
	rows  [][]string
}

func newTable(heads ...string) *table { return &table{heads: heads} }

func (t *table) add(cells ...any) {
	row := make([]string, len(cells))
	for i, c := range cells {
		row[i] = strings.Join(strings.Fields(fmt.Sprint(c)), " ")
	}
	t.rows = append(t.rows, row)
}

func (t *table) print(w io.Writer) error {
	heads := make([]string, len(t.heads))
	for i, h := range t.heads {
		heads[i] = strings.TrimPrefix(h, ">")
	}
	lines := append([][]string{heads}, t.rows...)
	wide := widths(lines)
	for _, line := range lines {
		if _, err := fmt.Fprintln(w, strings.TrimRight(t.line(line, wide), " ")); err != nil {
			return fmt.Errorf("print the table: %w", err)
		}
	}
	return nil
}

func widths(lines [][]string) []int {
	wide := make([]int, len(lines[0]))
	for _, line := range lines {
		for i, cell := range line {
			wide[i] = max(wide[i], utf8.RuneCountInString(cell))
		}
	}
	return wide
}

func (t *table) line(cells []string, wide []int) string {
	var b strings.Builder
	for i, cell := range cells {
		pad := strings.Repeat(" ", wide[i]-utf8.RuneCountInString(cell))
		if i > 0 {
			b.WriteString("  ")
		}
		if strings.HasPrefix(t.heads[i], ">") {
			b.WriteString(pad + cell)
		} else {
			b.WriteString(cell + pad)
		}
	}
	return b.String()
}

// printJSON prints one value for a program.
func (s *session) printJSON(v any) error {
	encoder := json.NewEncoder(s.env.Stdout)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return fmt.Errorf("print the answer: %w", err)
	}
	return nil
}

// printList prints raw rows in the API's own shape of a list, as its only page.
func (s *session) printList(raw []json.RawMessage) error {
	return s.printJSON(struct {
		Items []json.RawMessage `json:"items"`
	}{raw})
}

// say prints a line for a person.
func (s *session) say(format string, args ...any) error {
	if _, err := fmt.Fprintf(s.env.Stdout, format+"\n", args...); err != nil {
		return fmt.Errorf("print the answer: %w", err)
	}
	return nil
}

func instant(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05Z") }

func maybeInstant(t *time.Time) string {
	if t == nil {
		return "-"
	}
	return instant(*t)
}

func plural(n uint64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
