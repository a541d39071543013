package builtin

import "warder/rules/format"

// Bounds of what is read of one value.
const (
	fieldsOfValue = 128 // fields; others are left out
	fieldDepth    = 4   // names from the top; what lies deeper is left out
	walkDepth     = 32  // objects and arrays within each other; deeper ones are left out
)

// fieldWalk reads the fields of a JSON object. A field is a path of names, with
// all elements of an array taken as one: items[].sku. It allocates nothing.
type fieldWalk struct {
	value  []byte
	fields [fieldsOfValue]walkedField
	n      int
	index  [2 * fieldsOfValue]uint8 // by hash: index of a field plus 1
	levels [walkDepth + 1]walkLevel // by depth of the token
}

// giveBack ends the loan, and lets go of the value, which belongs to the request.
func (w *fieldWalk) giveBack() {
	w.value = nil
	fieldWalks.Put(w)
}

// walkedField is a field of one value.
type walkedField struct {
	hash     uint64 // of its path
	parent   int    // index of the field around it; -1 at the top
	depth    int
	from, to int  // its name in the value
	inArray  bool // of an element of the parent, which is an array
	has      fieldFacts
}

// fieldFacts is what a value says of a field, as a set; of an array all its elements
// together.
type fieldFacts uint8

const (
	factValue   fieldFacts = 1 << iota // it has a value that is not null
	factNull                           // it is null
	factObject                         // it is an object, or an array of some
	factExcused                        // its null means something else
)

// walkLevel is an object or array that the walk is in.
type walkLevel struct {
	owner   int // index of the field whose value it is; -1 at the top
	array   bool
	inArray bool // an element of the owner
	skip    bool
}

// read reads a value and says whether it is a JSON object.
func (w *fieldWalk) read(value []byte) bool {
	w.value, w.n = value, 0
	clear(w.index[:])
	tokens := format.Tokenize(value)
	field := -1 // that the next value is of
	for {
		token := tokens.Next()
		depth := tokens.Depth()
		switch token {
		case format.Bad, format.Short:
			return false
		case format.End:
			w.excuse()
			return true
		case format.Name:
			field = w.name(depth, tokens.From, tokens.To)
		case format.ObjectBegins, format.ArrayBegins:
			w.enter(depth, field, token == format.ArrayBegins)
		case format.ObjectEnds, format.ArrayEnds:
		case format.NullValue:
			w.mark(depth, field, factNull)
		default:
			w.mark(depth, field, factValue)
		}
	}
}

// mark notes what the member at hand is. Elements of arrays say nothing of
// themselves.
func (w *fieldWalk) mark(depth, field int, fact fieldFacts) {
	if field >= 0 && depth > 0 && depth <= walkDepth && !w.levels[depth].array && !w.levels[depth].skip {
		w.fields[field].has |= fact
	}
}

// enter begins an object or array, the value of the field or an element of the
// array around it.
func (w *fieldWalk) enter(depth, field int, array bool) {
	if depth > walkDepth {
		return
	}
	level := walkLevel{owner: -1, array: array}
	if depth > 1 {
		around := &w.levels[depth-1]
		level.skip = around.skip
		level.owner, level.inArray = field, around.array
		if around.array {
			level.owner = around.owner
		} else {
			level.skip = level.skip || field < 0
		}
	}
	if o := level.owner; o >= 0 && !level.skip {
		fact := factValue
		if !array {
			fact |= factObject
		}
		w.fields[o].has |= fact
		level.skip = w.fields[o].depth == fieldDepth || w.connectSchema(o)
	}
	w.levels[depth] = level
}

// connectSchema says whether a field is the schema that Kafka Connect's
// JsonConverter writes beside each payload: it says the same each time, at length.
func (w *fieldWalk) connectSchema(field int) bool {
	f := &w.fields[field]
	return f.parent < 0 && string(w.value[f.from:f.to]) == "schema"
}

// name gives the index of a field of the object at hand, and adds it if it is new;
// -1 if it is left out.
func (w *fieldWalk) name(depth, from, to int) int {
	if depth > walkDepth || w.levels[depth].skip {
		return -1
	}
	level := &w.levels[depth]
	f := walkedField{hash: fnvOffset, parent: level.owner, depth: 1, from: from, to: to, inArray: level.inArray}
	if f.parent >= 0 {
		f.hash, f.depth = w.fields[f.parent].hash, w.fields[f.parent].depth+1
	}
	separator := byte('.')
	if f.inArray {
		separator = '['
	}
	f.hash = fnvText(fnvByte(f.hash, separator), w.value[from:to])
	for i := int(f.hash); ; i++ {
		slot := &w.index[i&(len(w.index)-1)]
		if *slot == 0 {
			if w.n == fieldsOfValue {
				return -1
			}
			w.fields[w.n] = f
			w.n++
			*slot = uint8(w.n)
			return w.n - 1
		}
		if w.fields[*slot-1].hash == f.hash {
			return int(*slot - 1)
		}
	}
}

// excuse finds the before and after of a Debezium event: one that is null says
// that a row was inserted or deleted, not that something is missing.
func (w *fieldWalk) excuse() {
	for i := range w.fields[:w.n] {
		op := &w.fields[i]
		if string(w.value[op.from:op.to]) != "op" {
			continue
		}
		for j := range w.fields[:w.n] {
			f := &w.fields[j]
			name := string(w.value[f.from:f.to])
			if f.parent == op.parent && f.has&factNull != 0 && (name == "before" || name == "after") {
				f.has |= factExcused
			}
		}
	}
}
