package main

import (
	"cmp"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"warder/protocol"
)

// Set by the linker (make build); without it what Go itself recorded is shown.
var version, commit string

// versionInfo is what `version --output json` shows.
type versionInfo struct {
	Version string       `json:"version"`
	Commit  string       `json:"commit"`
	Go      string       `json:"go"`
	APIs    []apiVersion `json:"apis"`
}

// apiVersion is the range of one Kafka API that warder understands.
type apiVersion struct {
	Key  int16  `json:"key"`
	Name string `json:"name"`
	Min  int16  `json:"min"`
	Max  int16  `json:"max"`
}

func (a *app) versionCommand() *cobra.Command {
	var format string
	c := &cobra.Command{
		Use: "version", Short: "version, commit, Go, and the Kafka APIs understood", Args: usage(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error {
			v := thisVersion()
			if format == "json" {
				return writeJSON(a.stdout, v)
			}
			fmt.Fprintf(a.stdout, "warder %s\ncommit %s\n%s\n\n", v.Version, v.Commit, v.Go)
			rows := [][]string{{"API", "KEY", "VERSIONS"}}
			for _, api := range v.APIs {
				rows = append(rows, []string{api.Name, fmt.Sprint(api.Key), fmt.Sprintf("%d-%d", api.Min, api.Max)})
			}
			return table(a.stdout, rows)
		},
	}
	outputFlag(c, &format)
	return c
}

func thisVersion() versionInfo {
	v := versionInfo{Version: version, Commit: commit, Go: runtime.Version()}
	if info, ok := debug.ReadBuildInfo(); ok {
		if v.Version == "" {
			v.Version = info.Main.Version
		}
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" && v.Commit == "" {
				v.Commit = s.Value
			}
		}
	}
	v.Version, v.Commit = cmp.Or(v.Version, "(devel)"), cmp.Or(v.Commit, "unknown")
	for _, api := range protocol.APIs() {
		if api.Treatment != protocol.TreatRefuse {
			v.APIs = append(v.APIs, apiVersion{api.Key, api.Name, api.Min, api.Max})
		}
	}
	return v
}
