package schema

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// Bounds on one check.
const (
	maxSteps   = 250_000 // visits of a value by a part of its schema
	maxValues  = 100_000 // values in one payload
	maxNesting = 100     // of values in values
	maxNumber  = 64      // characters of a number
	maxPattern = 1000    // characters of a regular expression
)

// errSteps ends a check that takes too long.
var errSteps = errors.New("the check takes too many steps")

// budget counts the steps of a check. The validator of JSON Schema can be neither given a
// context nor stopped by what it calls, but for a panic: spend panics, and spent is where
// that ends.
type budget struct{ steps int }

func (b *budget) spend(n int) {
	if b.steps += n; b.steps > maxSteps {
		panic(errSteps) //nolint:forbidigo // recovered in spent: nothing else stops the validator
	}
}

// cost is how many steps it takes to hold a value against one part of a schema: a step for each
// kilobyte of text, whose characters are counted, or for some of many members and items, and for
// each few values that are compared with others.
func cost(s *jsonschema.Schema, v any) int {
	switch v := v.(type) {
	case string:
		return 1 + len(v)/1024
	case map[string]any:
		return 1 + len(v)/32
	case []any:
		if !s.UniqueItems {
			return 1 + len(v)/32
		}
		if n := len(v); n <= maxPairs {
			return 1 + count(v)*n/8 // each with each
		}
		return 1 + count(v)/4
	}
	return 1
}

// maxPairs is how many items the validator compares each with each, before it takes hashes.
const maxPairs = 20

// count is how many values a value is made of.
func count(v any) int {
	n := 1
	switch v := v.(type) {
	case map[string]any:
		for _, one := range v {
			n += count(one)
		}
	case []any:
		for _, one := range v {
			n += count(one)
		}
	}
	return n
}

// spent runs f with a fresh budget and reports whether that ran out.
func (b *budget) spent(f func()) (out bool) {
	b.steps = 0
	defer func() {
		switch r := recover(); r {
		case nil:
		case errSteps:
			out = true
		default:
			panic(r) //nolint:forbidigo // not ours
		}
	}()
	f()
	return false
}

// pattern is a regular expression whose matching costs steps. Go's take time linear in the
// text, times the size of the expression.
type pattern struct {
	*regexp.Regexp
	size int
	b    *budget
}

// MatchString implements jsonschema.Regexp.
func (p pattern) MatchString(s string) bool {
	p.b.spend(1 + len(s)*p.size/1024)
	return p.Regexp.MatchString(s)
}

// compile compiles a regular expression of a schema. It returns an error for one that is
// too long, or that Go's syntax (RE2) does not have, such as one that looks ahead.
func (b *budget) compile(text string) (*pattern, error) {
	if len(text) > maxPattern {
		return nil, fmt.Errorf("pattern of %d characters: the limit is %d", len(text), maxPattern)
	}
	re, err := regexp.Compile(text)
	if err != nil {
		return nil, fmt.Errorf("pattern %q: %w", text, err)
	}
	parsed, err := syntax.Parse(text, syntax.Perl)
	if err != nil {
		return nil, fmt.Errorf("pattern %q: %w", text, err)
	}
	prog, err := syntax.Compile(parsed.Simplify())
	if err != nil {
		return nil, fmt.Errorf("pattern %q: %w", text, err)
	}
	return &pattern{Regexp: re, size: len(prog.Inst), b: b}, nil
}
