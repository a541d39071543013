package messages

import (
	"sync"
)

// layout is a struct of a message at one version: what a walk has to expect.
type layout struct {
	fields   []node
	tagged   []node // by node.tag
	flexible bool
}

// node is one field of a layout.
type node struct {
	name     string
	shape    shape
	size     int // bytes on the wire of a shapeFixed, or of each element of a shapeFixedArray
	memory   int // bytes in memory of a struct or of each element of an array
	nullable bool
	tag      uint32
	of       *layout // of shapeStruct and shapeStructArray
}

// shape says how a field lies on the wire.
type shape uint8

const (
	shapeFixed shape = iota
	shapeString
	shapeBytes
	shapeStruct
	shapeFixedArray
	shapeStringArray
	shapeStructArray
)

// fixedSizes are the sizes of the types that have one, on the wire.
var fixedSizes = map[string]int{
	"bool": 1, "int8": 1, "int16": 2, "uint16": 2, "int32": 4, "uint32": 4, "int64": 8, "float64": 8, "uuid": 16,
}

// Sizes in memory on 64-bit machines, rounded up where alignment may cost.
const (
	stringMemory    = 16
	sliceMemory     = 24
	pointerMemory   = 8
	tagsMemory      = 8    // kmsg.Tags, a map
	firstTagMemory  = 512  // a map with its first group of slots
	furtherTag      = 192  // growth of that map, for each tag more
	messageMemory   = 1024 // the message itself
	allocatorMemory = 16   // what rounding to a size class adds to a small allocation
)

// layouts caches what layoutOf builds: at most one per message and version of
// schema.txt, some 900.
var layouts sync.Map // message -> *layout

// layoutOf returns the layout of m, or nil if Kafka has no such version.
func layoutOf(m message) *layout {
	if l, ok := layouts.Load(m); ok {
		return l.(*layout) //nolint:forcetypeassert // the only type stored
	}
	d := define(m)
	if d == nil {
		return nil
	}
	l, _ := layouts.LoadOrStore(m, newLayout(d.fields, m.version, d.flexible.has(m.version)))
	return l.(*layout) //nolint:forcetypeassert // the only type stored
}

func newLayout(fields []field, version int16, flexible bool) *layout {
	l := &layout{flexible: flexible}
	for i := range fields {
		f := &fields[i]
		n := newNode(f, version, flexible)
		switch {
		case !f.versions.has(version):
		case f.tagged.has(version):
			l.tagged = append(l.tagged, n)
		default:
			l.fields = append(l.fields, n)
		}
	}
	return l
}

func newNode(f *field, version int16, flexible bool) node {
	n := node{name: f.name, nullable: f.nullable.has(version), tag: f.tag, size: fixedSizes[f.kind]}
	switch {
	case n.size > 0 && f.array:
		n.shape, n.memory = shapeFixedArray, n.size
	case n.size > 0:
		n.shape = shapeFixed
	case f.kind == "string" && f.array:
		n.shape, n.memory = shapeStringArray, stringMemory
	case f.kind == "string":
		n.shape = shapeString
	case f.kind == "struct":
		n.of = newLayout(f.fields, version, flexible)
		n.shape, n.memory = shapeStruct, f.memory
		if f.array {
			n.shape = shapeStructArray
		}
	default:
		n.shape = shapeBytes
	}
	return n
}

// structMemory returns what a struct of kmsg takes, given the fields that each
// of the definitions of a message has for it: kmsg's structs have the fields of all
// versions. It sets field.memory of the structs below.
func structMemory(definitions [][]field) int {
	memory, seen := tagsMemory, map[string]bool{}
	for _, fields := range definitions {
		for i := range fields {
			f := &fields[i]
			if seen[f.name] {
				continue
			}
			seen[f.name] = true
			if f.kind == "struct" {
				namesakes(definitions, f.name)
			}
			memory += fieldMemory(f)
		}
	}
	return memory
}

// namesakes sets the memory of the struct fields of that name.
func namesakes(definitions [][]field, name string) {
	var same []*field
	var below [][]field
	for _, fields := range definitions {
		for i := range fields {
			if f := &fields[i]; f.name == name {
				same, below = append(same, f), append(below, f.fields)
			}
		}
	}
	memory := structMemory(below)
	for _, f := range same {
		f.memory = memory
	}
}

// fieldMemory returns what a field takes within its struct.
func fieldMemory(f *field) int {
	switch {
	case f.array:
		return sliceMemory
	case f.kind == "struct":
		return max(f.memory, pointerMemory)
	case f.kind == "string":
		return stringMemory
	case fixedSizes[f.kind] > 0:
		return max(fixedSizes[f.kind], 8)
	}
	return sliceMemory
}
