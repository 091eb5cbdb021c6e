package cli

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"

	"github.com/rollcallhq/rollcall/inspector/api"
)

// atLine is a fault that the reader of YAML found, with the line it stands on.
type atLine struct {
	line int // from 1
	says string
}

func (a *atLine) Error() string { return fmt.Sprintf(":%d: %s", a.line, a.says) }

// placed turns an error of the reader of YAML into an atLine, and for a setting that is not known suggests one that is.
func placed(err error) error {
	var fault yaml.Error
	if !errors.As(err, &fault) || fault.GetToken() == nil {
		return fmt.Errorf(": %w", err)
	}
	says := fault.GetMessage()
	var unknown *yaml.UnknownFieldError
	if errors.As(err, &unknown) {
		says = fmt.Sprintf("%s; %s", says, suggestion(fault.GetToken().Value, settingNames(reflect.TypeFor[api.Settings]())))
	}
	return &atLine{line: fault.GetToken().Position.Line, says: says}
}

// settingNames are the names of a stream's settings, those of nested ones too.
func settingNames(of reflect.Type) []string {
	for of.Kind() == reflect.Pointer || of.Kind() == reflect.Map {
		of = of.Elem()
	}
	if of.Kind() != reflect.Struct || of.PkgPath() != reflect.TypeFor[api.Settings]().PkgPath() {
		return nil
	}
	var names []string
	for i := range of.NumField() {
		name, _, _ := strings.Cut(of.Field(i).Tag.Get("json"), ",")
		names = append(append(names, name), settingNames(of.Field(i).Type)...)
	}
	return names
}

// suggestion names the known word that is nearest to one that is not known or, where none is near, all of them.
func suggestion(word string, known []string) string {
	best, least := "", max(2, len(word)/3)+1
	for _, k := range known {
		if d := distance(strings.ToLower(word), strings.ToLower(k)); d < least {
			best, least = k, d
		}
	}
	if best == "" {
		return "known are " + strings.Join(slices.Compact(slices.Sorted(slices.Values(known))), ", ")
	}
	return fmt.Sprintf("did you mean %q?", best)
}

// distance is the least number of bytes to insert, delete or replace to make b of a (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replaced := diagonal
			if a[i] != b[j] {
				replaced++
			}
			diagonal = row[j+1]
			row[j+1] = min(replaced, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
