// Package configs reads the configuration of warder: every knob is one field
// with one comment (what it means, its unit and range) and one default, set in
// Default or in the SetDefaults of its section.
//
// A value comes from a flag, else from the environment (WARDER_…), else from
// the file, else from the default. The layers are merged as a YAML tree before
// one strict decode, so a wrong name in any of them is reported in the same
// words. Load collects every problem it can find before it gives up; each
// carries file, line and column, also those that are about meaning (an unknown
// rule, two listeners on one port).
//
// The package never opens a socket and never logs. It reads the files that the
// configuration names (certificates, tokens) only to say early that one is
// missing or unusable. A loaded Config is never written to again: a reload
// makes a new one.
package configs
