package schema

import (
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// denseFields is below which number fields are found by index.
const denseFields = 256

// protoShape is the fields of one message, as the walk needs them.
type protoShape struct {
	dense  []*protoField // by number
	sparse map[protowire.Number]*protoField
}

type protoField struct {
	name  string // empty in the entries of a map, whose keys are data
	many  bool   // a list or a map
	packs bool   // a list of numbers, which may come packed
	utf8  bool   // a string that has to be UTF-8
	wire  protowire.Type
	shape *protoShape // of a message
}

// protoPlan makes shapes of a message and all that it leads to.
type protoPlan struct {
	shapes   map[protoreflect.FullName]*protoShape
	required bool // some field, somewhere, has to be there
}

func (p *protoPlan) shape(m protoreflect.MessageDescriptor) *protoShape {
	if s := p.shapes[m.FullName()]; s != nil {
		return s
	}
	s := new(protoShape)
	p.shapes[m.FullName()] = s // before its fields: they may be of this type
	p.required = p.required || m.RequiredNumbers().Len() > 0
	for i := range m.Fields().Len() {
		s.add(m.Fields().Get(i).Number(), p.field(m.Fields().Get(i)))
	}
	return s
}

func (p *protoPlan) field(d protoreflect.FieldDescriptor) *protoField {
	f := &protoField{
		name: string(d.Name()), many: d.IsList() || d.IsMap(),
		wire: wireTypes[d.Kind()],
		utf8: d.Kind() == protoreflect.StringKind && checksUTF8(d),
	}
	f.packs = d.IsList() && f.wire != protowire.BytesType && f.wire != protowire.StartGroupType
	if d.ContainingMessage().IsMapEntry() {
		f.name = ""
	}
	if d.Message() != nil {
		f.shape = p.shape(d.Message())
	}
	return f
}

// checksUTF8 asks what the decoder asks: proto3 and most editions do.
func checksUTF8(d protoreflect.FieldDescriptor) bool {
	if f, ok := d.(interface{ EnforceUTF8() bool }); ok {
		return f.EnforceUTF8()
	}
	return d.Syntax() == protoreflect.Proto3
}

func (s *protoShape) add(n protowire.Number, f *protoField) {
	if n < denseFields {
		for int(n) >= len(s.dense) {
			s.dense = append(s.dense, nil)
		}
		s.dense[n] = f
		return
	}
	if s.sparse == nil {
		s.sparse = make(map[protowire.Number]*protoField)
	}
	s.sparse[n] = f
}

func (s *protoShape) find(n protowire.Number) *protoField {
	if int(n) < len(s.dense) {
		return s.dense[n]
	}
	return s.sparse[n]
}

// wireTypes is how each kind is encoded (Protobuf, "Encoding").
var wireTypes = map[protoreflect.Kind]protowire.Type{
	protoreflect.BoolKind: protowire.VarintType, protoreflect.EnumKind: protowire.VarintType,
	protoreflect.Int32Kind: protowire.VarintType, protoreflect.Sint32Kind: protowire.VarintType,
	protoreflect.Uint32Kind: protowire.VarintType, protoreflect.Int64Kind: protowire.VarintType,
	protoreflect.Sint64Kind: protowire.VarintType, protoreflect.Uint64Kind: protowire.VarintType,
	protoreflect.Sfixed32Kind: protowire.Fixed32Type, protoreflect.Fixed32Kind: protowire.Fixed32Type,
	protoreflect.FloatKind: protowire.Fixed32Type, protoreflect.Sfixed64Kind: protowire.Fixed64Type,
	protoreflect.Fixed64Kind: protowire.Fixed64Type, protoreflect.DoubleKind: protowire.Fixed64Type,
	protoreflect.StringKind: protowire.BytesType, protoreflect.BytesKind: protowire.BytesType,
	protoreflect.MessageKind: protowire.BytesType, protoreflect.GroupKind: protowire.StartGroupType,
}
