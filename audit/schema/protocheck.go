package schema

import (
	"errors"
	"slices"

	"buf.build/gen/go/bufbuild/protovalidate/protocolbuffers/go/buf/validate"
	"buf.build/go/protovalidate"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"
)

// protoMessage checks payloads against one message. All of them are walked along the schema,
// without making the values; those of a message with rules or required fields are decoded, too.
type protoMessage struct {
	desc  protoreflect.MessageDescriptor
	rules protovalidate.Validator
	words words

	shape    *protoShape
	required bool // some field has to be there
}

func (m *protoMessage) check(body []byte) fault {
	var w protoWalk
	if !w.message(m.shape, body, 0) {
		slices.Reverse(w.at)
		w.fault.path = m.words.path(w.at)
		return w.fault
	}
	if m.rules == nil && !m.required {
		return fault{}
	}
	msg := dynamicpb.NewMessage(m.desc)
	if err := (proto.UnmarshalOptions{AllowPartial: true, RecursionLimit: maxNesting + 1}).Unmarshal(body, msg); err != nil {
		return undecodable("not a message of the schema")
	}
	if m.required && proto.CheckInitialized(msg) != nil {
		return fault{outcome: Invalid, reason: "a required field is missing"}
	}
	if m.rules == nil {
		return fault{}
	}
	return m.violation(m.rules.Validate(msg))
}

// violation names the rule that was broken, and where. The error's own text is not used: it holds values.
func (m *protoMessage) violation(err error) fault {
	var broken *protovalidate.ValidationError
	switch {
	case err == nil:
		return fault{}
	case !errors.As(err, &broken) || len(broken.Violations) == 0:
		return fault{outcome: Invalid, reason: "a rule cannot be evaluated"}
	}
	v := broken.Violations[0].Proto
	return fault{
		outcome: Invalid, reason: bounded("breaks "+v.GetRuleId(), maxReason),
		path: m.words.path(fieldPath(v.GetField())),
	}
}

func fieldPath(p *validate.FieldPath) (keys []string) {
	for _, e := range p.GetElements() {
		keys = append(keys, e.GetFieldName())
		if e.HasIndex() || e.HasBoolKey() || e.HasIntKey() || e.HasUintKey() || e.HasStringKey() {
			keys = append(keys, "")
		}
	}
	return keys
}

func (m *protoMessage) tree(body []byte) (any, words, bool) {
	msg := dynamicpb.NewMessage(m.desc)
	err := (proto.UnmarshalOptions{AllowPartial: true, RecursionLimit: maxNesting + 1}).Unmarshal(body, msg)
	return messageTree(msg), m.words, err == nil
}

func messageTree(m protoreflect.Message) map[string]any {
	out := make(map[string]any)
	m.Range(func(field protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		name := string(field.Name())
		switch {
		case field.IsMap():
			entries := make(map[string]any)
			v.Map().Range(func(k protoreflect.MapKey, v protoreflect.Value) bool {
				entries[k.String()] = valueTree(v)
				return true
			})
			out[name] = entries
		case field.IsList():
			items := make([]any, v.List().Len())
			for i := range items {
				items[i] = valueTree(v.List().Get(i))
			}
			out[name] = items
		default:
			out[name] = valueTree(v)
		}
		return true
	})
	return out
}

func valueTree(v protoreflect.Value) any {
	if m, ok := v.Interface().(protoreflect.Message); ok {
		return messageTree(m)
	}
	return v.Interface()
}
