package reference_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// row finds the first cell of a row of a table, where it is code.
var row = regexp.MustCompile("(?m)^\\| `([a-z-]+)` \\|")

func TestEveryReasonAndCauseOfAVerdictIsDocumented(t *testing.T) {
	codes, causes := said(t)
	page := read(t, filepath.Join(root, "docs/reference/reasons.md"))
	reasons, rest, found := strings.Cut(page, "\n## Causes")
	if !found {
		t.Fatal("reasons.md has no section Causes")
	}
	for part, want := range map[string][]string{reasons: codes, rest: causes} {
		var got []string
		for _, m := range row.FindAllStringSubmatch(part, -1) {
			got = append(got, m[1])
		}
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("reasons.md explains %q; the code says %q", got, want)
		}
	}
}

// said reads from the source of package reconcile what it can say: the codes of reasons, and the constants named cause….
func said(t *testing.T) (codes, causes []string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, "reconcile/*.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range files {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			codes = append(codes, codeOf(n)...)
			causes = append(causes, causeOf(n)...)
			return true
		})
	}
	slices.Sort(codes)
	slices.Sort(causes)
	return slices.Compact(codes), slices.Compact(causes)
}

// codeOf returns the text given to a field named Code, in a literal or by assignment.
func codeOf(n ast.Node) []string {
	switch n := n.(type) {
	case *ast.KeyValueExpr:
		if key, ok := n.Key.(*ast.Ident); ok && key.Name == "Code" {
			return literal(n.Value)
		}
	case *ast.AssignStmt:
		if field, ok := n.Lhs[0].(*ast.SelectorExpr); ok && field.Sel.Name == "Code" {
			return literal(n.Rhs[0])
		}
	}
	return nil
}

// causeOf returns the text of a constant whose name begins with cause.
func causeOf(n ast.Node) []string {
	spec, ok := n.(*ast.ValueSpec)
	if !ok || len(spec.Values) != 1 || !strings.HasPrefix(spec.Names[0].Name, "cause") {
		return nil
	}
	return literal(spec.Values[0])
}

func literal(e ast.Expr) []string {
	lit, ok := e.(*ast.BasicLit)
	if !ok || lit.Kind != token.STRING {
		return nil
	}
	text, err := strconv.Unquote(lit.Value)
	if err != nil {
		return nil
	}
	return []string{text}
}
