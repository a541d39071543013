// Package house holds the habits of this repository as tests: the import order,
// what a rule needs to be complete, documents that say what is true. It has no
// code of its own.
package house
