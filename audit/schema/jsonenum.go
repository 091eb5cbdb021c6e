package schema

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"maps"
	"math/big"
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// errEnum says that a value is none of the alternatives.
var errEnum = errors.New("none of the alternatives")

// alternatives are the values of an enum, each once: two that are equal are one.
type alternatives struct {
	keys    map[string]bool
	longest int // of the keys
}

// takeEnum takes the enum out of a schema, for the validator compares a value with each of its
// alternatives in turn, and makes fractions of both where they are numbers. It returns nil where
// there is none.
func takeEnum(s *jsonschema.Schema) *alternatives {
	if s.Enum == nil {
		return nil
	}
	all := &alternatives{keys: make(map[string]bool, len(s.Enum.Values))}
	for _, v := range s.Enum.Values {
		k := canon{most: maxSchemaKey, b: new(budget)}
		if !k.value(v) {
			return nil // beyond every bound: the validator compares
		}
		all.keys[k.key()] = true
		all.longest = max(all.longest, len(k.out))
	}
	s.Enum = nil
	return all
}

// maxSchemaKey bounds the key of an alternative, in bytes. A number of six characters may be one
// of a thousand digits.
const maxSchemaKey = 16 << 20

// check returns errEnum for a value that is none of the alternatives; nil alternatives allow all.
func (a *alternatives) check(v any, b *budget) error {
	if a == nil {
		return nil
	}
	k := canon{most: a.longest, b: b}
	if !k.value(v) || !a.keys[k.key()] {
		return errEnum
	}
	return nil
}

// canon writes the key of a value: the same for values that are equal, and another for others. Each
// value says what it is and where it ends. It gives up where a key is longer than most.
type canon struct {
	out  []byte
	most int
	b    *budget
}

// maxKept is how long a key may be that is kept as it is, in bytes; of a longer one the sum is.
const maxKept = 64

func (k *canon) key() string {
	if len(k.out) <= maxKept {
		return string(k.out)
	}
	sum := sha256.Sum256(k.out)
	return "h" + string(sum[:]) // no value's key begins with it
}

// value appends the key of a value and reports whether it is within the bound.
func (k *canon) value(v any) bool {
	before := len(k.out)
	switch v := v.(type) {
	case nil:
		k.out = append(k.out, 'n')
	case bool:
		k.out = strconv.AppendBool(k.out, v)
	case string:
		k.text(v)
	case json.Number:
		if !k.number(string(v)) {
			return false
		}
	case []any:
		return k.list(v)
	case map[string]any:
		return k.object(v)
	default:
		return false
	}
	k.b.spend((len(k.out) - before) / 256)
	return len(k.out) <= k.most
}

func (k *canon) list(v []any) bool {
	if len(v) > k.most {
		return false
	}
	k.out = append(k.out, '[')
	for _, one := range v {
		if !k.value(one) {
			return false
		}
	}
	k.out = append(k.out, ']')
	k.b.spend(len(v) / 16)
	return len(k.out) <= k.most
}

func (k *canon) object(v map[string]any) bool {
	if len(v) > k.most {
		return false
	}
	k.out = append(k.out, '{')
	for _, name := range slices.Sorted(maps.Keys(v)) {
		if k.text(name); !k.value(v[name]) {
			return false
		}
	}
	k.out = append(k.out, '}')
	k.b.spend(len(v) / 4)
	return len(k.out) <= k.most
}

// text is written with its length in front; one that is too long is not copied.
func (k *canon) text(s string) {
	k.out = append(strconv.AppendInt(append(k.out, 's'), int64(len(s)), 10), ':')
	k.out = append(k.out, s[:min(len(s), k.most+1)]...)
}

// number is written as a fraction in its lowest terms.
func (k *canon) number(n string) bool {
	k.out = append(k.out, '#')
	if n != "-0" && !strings.ContainsAny(n, ".eE") {
		k.out = append(append(k.out, n...), ';') // an integer is written in one way
		return true
	}
	k.b.spend(8)
	r, ok := new(big.Rat).SetString(n)
	if !ok {
		return false
	}
	k.out = append(append(k.out, r.RatString()...), ';')
	return true
}
