// Package builtin holds the rules that come with warder, one in each file.
package builtin

import "warder/rules"

// Specs is the table of all rules, in the order in which they are called.
func Specs() []rules.Spec { return []rules.Spec{} }
