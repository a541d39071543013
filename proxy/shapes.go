package proxy

import (
	"reflect"
	"sync"

	"warder/proxy/tap"
)

// shape is where the structs of kmsg hold what the tap shows of a message: names
// and errors. Fields that mean the same are called the same in all of Kafka's
// messages, so one walk over them does for every API; what it does not know by name
// it does not look at, and so never shows a value, a token or a password.
type shape struct {
	topic, topicID int          // string or *string; [16]byte; -1 for none
	topics         []int        // []string, names of topics
	named          []namedField // string, *string or []string
	partition      int          // int32, -1 for none
	partitions     int          // []int32, or a slice of structs with partition; -1 for none
	resource       int          // ResourceName of answers about configs, a string; -1 for none
	errorCode      int          // int16, -1 for none
	children       []int        // structs, and slices of structs
}

type namedField struct {
	index    int
	resource string // Type of the tap.Resource
}

// namingFields are the fields that name something other than a topic.
var namingFields = map[string]string{
	"Group": tap.TypeGroup, "GroupID": tap.TypeGroup, "GroupIDs": tap.TypeGroup, "Groups": tap.TypeGroup,
	"TransactionalID": "transactional_id", "TransactionalIDs": "transactional_id",
	"Mechanism": "mechanism", "User": "user",
}

// topicsFields are the lists of names of topics.
var topicsFields = map[string]bool{"TopicNames": true, "SubscribedTopicNames": true}

// shapes remembers the shape of each type: as many as kmsg has structs.
var shapes sync.Map

func shapeOf(t reflect.Type) *shape {
	if known, ok := shapes.Load(t); ok {
		return known.(*shape) //nolint:forcetypeassert // only shapes are stored
	}
	sh := &shape{topic: -1, topicID: -1, partition: -1, partitions: -1, resource: -1, errorCode: -1}
	for i := range t.NumField() {
		sh.field(i, t.Field(i))
	}
	shapes.Store(t, sh)
	return sh
}

func (sh *shape) field(i int, f reflect.StructField) {
	strings, structs := stringsIn(f.Type), structsIn(f.Type)
	resource := namingFields[f.Name]
	switch {
	case f.Name == "Topic" && strings:
		sh.topic = i
	case f.Name == "TopicID" && f.Type.Kind() == reflect.Array:
		sh.topicID = i
	case topicsFields[f.Name] && strings:
		sh.topics = append(sh.topics, i)
	case resource != "" && strings:
		sh.named = append(sh.named, namedField{i, resource})
	case f.Name == "ResourceName" && f.Type.Kind() == reflect.String:
		sh.resource = i
	case f.Name == "Partition" && f.Type.Kind() == reflect.Int32:
		sh.partition = i
	case f.Name == "ErrorCode" && f.Type.Kind() == reflect.Int16:
		sh.errorCode = i
	case f.Name == "Partitions" && f.Type.Kind() == reflect.Slice && f.Type.Elem().Kind() == reflect.Int32:
		sh.partitions = i
	case structs != nil && f.Name != "UnknownTags":
		if f.Name == "Partitions" && f.Type.Kind() == reflect.Slice && shapeOf(structs).partition >= 0 {
			sh.partitions = i
		}
		sh.children = append(sh.children, i)
	}
}

// stringsIn says whether a field holds a string, one that may be null, or a list of them.
func stringsIn(t reflect.Type) bool {
	if t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	return t.Kind() == reflect.String
}

// structsIn gives the struct that a field is, may point to, or is a list of; nil for others.
func structsIn(t reflect.Type) reflect.Type {
	if t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct {
		return nil
	}
	return t
}

// eachString calls f with what a field for which stringsIn holds has in it.
func eachString(v reflect.Value, f func(string)) {
	switch v.Kind() {
	case reflect.String:
		f(v.String())
	case reflect.Pointer:
		if !v.IsNil() {
			f(v.Elem().String())
		}
	default: // a slice
		for i := range v.Len() {
			f(v.Index(i).String())
		}
	}
}

// eachStruct calls f with what a field for which structsIn is not nil has in it.
func eachStruct(v reflect.Value, f func(reflect.Value)) {
	switch v.Kind() {
	case reflect.Struct:
		f(v)
	case reflect.Pointer:
		if !v.IsNil() {
			f(v.Elem())
		}
	default: // a slice
		for i := range v.Len() {
			f(v.Index(i))
		}
	}
}
