package main

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"warder/configs"
	"warder/rules"
	"warder/rules/builtin"
)

// configFlags are the flags that set knobs.
type configFlags struct {
	file  string
	given bool // file counts, whatever the flags say
	flags *pflag.FlagSet
	set   []string
	// defaults are what the command has for knobs that nobody sets.
	defaults []configs.Flag
}

// knobs are the flags that stand for one knob each.
var knobs = []struct{ flag, path, help, otherwise string }{
	{"upstream", "upstream.bootstrap", "brokers to begin with, HOST:PORT[,HOST:PORT…]", ""},
	{"listen", "listeners.0.address", "where clients bootstrap from, HOST:PORT", "127.0.0.1:9092"},
	{"advertise", "listeners.0.advertise", "host that clients are told to connect to", "the host of --listen"},
	{"admin", "admin.address", "admin interface, HOST:PORT or off", "127.0.0.1:9644"},
	{"log-level", "log.level", "trace, debug, info, warn or error", "info"},
	{"log-format", "log.format", "json, console or auto", "auto: console on a terminal"},
}

// switches are the flags that need no value and set a knob to one.
var switches = []struct{ flag, path, value, help string }{
	{"record", "record.mode", "all", "record everything that passes, into ./recordings unless record.dir says where"},
}

// configFlags has a command take the configuration from the file and all knobs that
// have a flag, or those that are named.
func (a *app) configFlags(c *cobra.Command, only ...string) *configFlags {
	f := &configFlags{flags: c.Flags()}
	c.Flags().StringVarP(&f.file, "config", "c", "", "configuration file (default $WARDER_CONFIG)")
	for _, k := range knobs {
		if len(only) == 0 || slices.Contains(only, k.flag) {
			c.Flags().String(k.flag, "", withDefault(k.help, k.otherwise))
		}
	}
	for _, s := range switches {
		if len(only) == 0 || slices.Contains(only, s.flag) {
			c.Flags().Bool(s.flag, false, s.help)
		}
	}
	c.Flags().StringArrayVarP(&f.set, "set", "X", nil, "any knob, as PATH=VALUE, like listeners.0.limits.frame=32MiB; may be repeated")
	return f
}

func withDefault(help, otherwise string) string {
	if otherwise == "" {
		return help
	}
	return help + " (default " + otherwise + ")"
}

// otherwise gives the command defaults of its own, which its help tells.
func (f *configFlags) otherwise(defaults []configs.Flag) {
	f.defaults = defaults
	for _, k := range knobs {
		for _, d := range defaults {
			if flag := f.flags.Lookup(k.flag); flag != nil && d.Path == k.path {
				flag.Usage = withDefault(k.help, d.Value)
			}
		}
	}
}

// load reads the configuration from flags, environment and file.
func (a *app) load(f *configFlags) (*configs.Config, error) {
	over := configs.Overrides{Rules: ruleIDs(), Defaults: f.defaults}
	for _, k := range knobs {
		if f.flags.Changed(k.flag) {
			value, _ := f.flags.GetString(k.flag)
			over.Flags = append(over.Flags, configs.Flag{Name: "flag --" + k.flag, Path: k.path, Value: value})
		}
	}
	for _, s := range switches {
		if on, _ := f.flags.GetBool(s.flag); on {
			over.Flags = append(over.Flags, configs.Flag{Name: "flag --" + s.flag, Path: s.path, Value: s.value})
		}
	}
	for _, s := range f.set {
		path, value, ok := strings.Cut(s, "=")
		if !ok {
			return nil, usageError("--set %s: want PATH=VALUE", s)
		}
		over.Flags = append(over.Flags, configs.Flag{Name: "flag --set " + path, Path: path, Value: value})
	}
	cfg, err := configs.Load(f.path(a), a.env, over)
	if err != nil {
		return nil, &exitError{exitUsage, err}
	}
	return cfg, nil
}

func (f *configFlags) path(a *app) string {
	if f.given || f.flags.Changed("config") {
		return f.file
	}
	return a.variable("WARDER_CONFIG", "")
}

func ruleIDs() []string {
	ids := []string{} // not nil: that would leave names unchecked
	for _, s := range builtin.Specs() {
		ids = append(ids, s.ID)
	}
	return ids
}

func findSpec(id string) (rules.Spec, bool) {
	for _, s := range builtin.Specs() {
		if s.ID == id {
			return s, true
		}
	}
	return rules.Spec{}, false
}

// specs is the table of all rules.
func specs() []rules.Spec { return builtin.Specs() }
