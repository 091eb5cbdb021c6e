package schema

import (
	"bytes"
	"encoding/json"
	"fmt"
)

type avroKind uint8

const (
	avroNull avroKind = iota
	avroBoolean
	avroInt
	avroLong
	avroFloat
	avroDouble
	avroBytes
	avroString
	avroFixed
	avroEnum
	avroRecord
	avroArray
	avroMap
	avroUnion
)

var avroPrimitives = map[string]avroKind{
	"null": avroNull, "boolean": avroBoolean, "int": avroInt, "long": avroLong, "float": avroFloat,
	"double": avroDouble, "bytes": avroBytes, "string": avroString,
}

// avroNode is a part of a schema as the walk needs it.
type avroNode struct {
	kind     avroKind
	size     int64       // bytes of a fixed, symbols of an enum
	names    []string    // of a record's fields
	children []*avroNode // fields, branches, or the one of items or values
}

// avroPlan makes nodes of a schema in canonical form, in which names are full and each is
// defined where it is met first (Avro specification, "Parsing Canonical Form").
type avroPlan struct {
	named map[string]*avroNode
	words words
}

func (p *avroPlan) read(canonical []byte) (*avroNode, error) {
	d := json.NewDecoder(bytes.NewReader(canonical))
	d.UseNumber()
	var doc any
	if err := d.Decode(&doc); err != nil {
		return nil, fmt.Errorf("read the canonical form: %w", err)
	}
	return p.node(doc)
}

func (p *avroPlan) node(doc any) (*avroNode, error) {
	switch doc := doc.(type) {
	case string:
		if n := p.named[doc]; n != nil {
			return n, nil
		}
		if kind, ok := avroPrimitives[doc]; ok {
			return &avroNode{kind: kind}, nil
		}
	case []any:
		return p.add(&avroNode{kind: avroUnion}, doc...)
	case map[string]any:
		return p.complex(doc)
	}
	return nil, fmt.Errorf("no such type as %.100v", doc)
}

// add adds children to a node.
func (p *avroPlan) add(n *avroNode, docs ...any) (*avroNode, error) {
	for _, doc := range docs {
		child, err := p.node(doc)
		if err != nil {
			return nil, err
		}
		n.children = append(n.children, child)
	}
	return n, nil
}

func (p *avroPlan) complex(doc map[string]any) (*avroNode, error) {
	n := new(avroNode)
	if name, ok := doc["name"].(string); ok {
		p.named[name] = n // before its fields: they may be of this type
	}
	switch kind, _ := doc["type"].(string); kind {
	case "array":
		n.kind = avroArray
		return p.add(n, doc["items"])
	case "map":
		n.kind = avroMap
		return p.add(n, doc["values"])
	case "fixed":
		n.kind = avroFixed
		size, _ := doc["size"].(json.Number)
		var err error
		n.size, err = size.Int64()
		return n, err
	case "enum":
		n.kind = avroEnum
		symbols, _ := doc["symbols"].([]any)
		n.size = int64(len(symbols))
		return n, nil
	case "record", "error":
		n.kind = avroRecord
		return n, p.fields(n, doc["fields"])
	}
	return p.node(doc["type"])
}

func (p *avroPlan) fields(n *avroNode, doc any) error {
	fields, _ := doc.([]any)
	for _, one := range fields {
		field, _ := one.(map[string]any)
		name, _ := field["name"].(string)
		p.words[name] = true
		n.names = append(n.names, name)
		if _, err := p.add(n, field["type"]); err != nil {
			return err
		}
	}
	return nil
}
