package schema

import (
	"errors"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
)

// jsonFault names the first fault, in the order of paths, of what the validator found. The
// validator's own text is not used: it holds the values.
func (w words) jsonFault(err error) fault {
	var e *jsonschema.ValidationError
	if !errors.As(err, &e) {
		return fault{outcome: Invalid, reason: "breaks the schema"}
	}
	for len(e.Causes) > 0 && !alternative(e) {
		e = slices.MinFunc(e.Causes, byLocation)
	}
	if _, ok := e.ErrorKind.(*kind.RefCycle); ok {
		return fault{outcome: UnknownSchema, reason: "the schema refers to itself"}
	}
	return fault{outcome: Invalid, reason: bounded(w.jsonReason(e.ErrorKind), maxReason), path: w.path(e.InstanceLocation)}
}

// alternative reports whether the causes are each one of several ways to be right: then none
// of them is the fault.
func alternative(e *jsonschema.ValidationError) bool {
	switch e.ErrorKind.(type) {
	case *kind.AnyOf, *kind.OneOf, *kind.Not, *kind.Contains:
		return true
	}
	return false
}

func byLocation(a, b *jsonschema.ValidationError) int {
	if c := slices.Compare(a.InstanceLocation, b.InstanceLocation); c != 0 {
		return c
	}
	return strings.Compare(a.SchemaURL, b.SchemaURL)
}

func (w words) jsonReason(k jsonschema.ErrorKind) string {
	switch k := k.(type) {
	case *kind.Type:
		return "expected " + strings.Join(k.Want, " or ") + ", got " + k.Got
	case *kind.Required:
		return "missing property " + w.token(slices.Min(k.Missing))
	case *kind.AdditionalProperties:
		return "a property that is not allowed"
	case *kind.FalseSchema:
		return "nothing is allowed here"
	case *kind.Format:
		if errors.Is(k.Err, errEnum) {
			return "breaks enum"
		}
		return "not of format " + k.Want
	}
	if path := k.KeywordPath(); len(path) > 0 {
		return "breaks " + path[0]
	}
	return "breaks the schema"
}

// eachSchema visits a compiled schema and all that it leads to, each once.
func eachSchema(root *jsonschema.Schema, visit func(*jsonschema.Schema)) {
	seen := make(map[*jsonschema.Schema]bool)
	todo := []*jsonschema.Schema{root}
	for len(todo) > 0 {
		s := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if s == nil || seen[s] {
			continue
		}
		seen[s] = true
		visit(s)
		todo = append(todo, inPlace(s)...)
		todo = append(todo, ofObject(s)...)
		todo = append(todo, ofArray(s)...)
	}
}

func inPlace(s *jsonschema.Schema) []*jsonschema.Schema {
	out := []*jsonschema.Schema{s.Ref, s.RecursiveRef, s.Not, s.If, s.Then, s.Else, s.ContentSchema}
	if s.DynamicRef != nil {
		out = append(out, s.DynamicRef.Ref)
	}
	return slices.Concat(out, s.AllOf, s.AnyOf, s.OneOf)
}

func ofObject(s *jsonschema.Schema) []*jsonschema.Schema {
	out := []*jsonschema.Schema{s.PropertyNames, s.UnevaluatedProperties}
	for _, one := range s.Properties {
		out = append(out, one)
	}
	for _, one := range s.PatternProperties {
		out = append(out, one)
	}
	for _, one := range s.DependentSchemas {
		out = append(out, one)
	}
	for _, one := range s.Dependencies {
		out = append(out, either(one)...)
	}
	return append(out, either(s.AdditionalProperties)...)
}

func ofArray(s *jsonschema.Schema) []*jsonschema.Schema {
	out := []*jsonschema.Schema{s.Contains, s.Items2020, s.UnevaluatedItems}
	out = append(out, s.PrefixItems...)
	out = append(out, either(s.Items)...)
	return append(out, either(s.AdditionalItems)...)
}

// either returns the schemas of a field that holds one, several, or something else.
func either(v any) []*jsonschema.Schema {
	switch v := v.(type) {
	case *jsonschema.Schema:
		return []*jsonschema.Schema{v}
	case []*jsonschema.Schema:
		return v
	}
	return nil
}
