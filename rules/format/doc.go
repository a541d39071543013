// Package format tells how the bytes of a record's key or value were serialized,
// from the bytes alone: it has no schema, asks nobody and keeps nothing.
//
// Some bytes could be more than one thing. A [Kind] says so: Class is the best
// guess, Maybe all that is equally possible (eight digits are text, and also a
// 64-bit integer), Fits adds what the bytes would pass for (JSON passes where text is
// expected, and not the other way round). Who knows what a topic usually holds
// can then tell a change from an accident.
//
// Classification allocates nothing and looks at no more than 16 KiB.
package format
