package schema

import (
	"encoding/json"
	"errors"
	"math/big"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// errEnum says that a value is none of the alternatives.
var errEnum = errors.New("none of the alternatives")

// alternatives are the values of an enum, each once: two numbers that are equal are one.
type alternatives map[any]bool

// takeEnum takes the enum out of a schema, for the validator compares a value with each of its
// alternatives in turn, and makes fractions of both where they are numbers. It returns nil where
// there is none, and leaves one with arrays or objects in it alone.
func takeEnum(s *jsonschema.Schema) alternatives {
	if s.Enum == nil {
		return nil
	}
	all := make(alternatives, len(s.Enum.Values))
	for _, v := range s.Enum.Values {
		key, ok := scalar(v)
		if !ok {
			return nil
		}
		all[key] = true
	}
	s.Enum = nil
	return all
}

// check returns errEnum for a value that is none of the alternatives; nil alternatives allow all.
func (a alternatives) check(v any) error {
	if a == nil {
		return nil
	}
	if key, ok := scalar(v); !ok || !a[key] {
		return errEnum
	}
	return nil
}

// fraction is the key of a number, so that it is never that of a text.
type fraction string

// scalar returns a value that is equal for equal JSON values, and false for arrays and objects.
func scalar(v any) (key any, ok bool) {
	switch v := v.(type) {
	case nil, bool, string:
		return v, true
	case json.Number:
		r, ok := new(big.Rat).SetString(string(v))
		if !ok {
			return nil, false
		}
		return fraction(r.RatString()), true
	}
	return nil, false
}
