package configs

import (
	"fmt"
	"strings"
	"testing"
)

const referenceHead = `<!-- Generated from the declarations in configs/ by ` + "`make docs`" + `; do not edit. -->
# Configuration reference

One YAML file, given with ` + "`--config`" + ` or ` + "`WARDER_CONFIG`" + `. It is read strictly: an unknown key is an error, and
` + "`warder check --config FILE`" + ` lists every error with file, line and column. ` + "`configs/schema.json`" + ` gives
editors completion, and ` + "`configs/*.yaml`" + ` are examples to start from.

A value comes from a flag, else from the environment, else from the file, else from its default.
Variables: ` + "`WARDER_UPSTREAM`, `WARDER_LISTEN`, `WARDER_ADVERTISE`, `WARDER_ADMIN`, `WARDER_TOKEN_FILE`, `WARDER_LOG_LEVEL`" + ` and
` + "`WARDER_LOG_FORMAT`" + ` stand for the flags of those names; any other knob is ` + "`WARDER_`" + ` and its path in capitals with
two underscores for each dot: ` + "`WARDER_UPSTREAM__NAME=prod`, `WARDER_LISTENERS__0__LIMITS__FRAME=32MiB`," + `
` + "`WARDER_RULES__TOMBSTONE__ACTION=block`" + `. Lists may be written ` + "`a,b`" + `. What Kubernetes sets for a service named
warder (` + "`WARDER_SERVICE_HOST`, `WARDER_PORT`" + ` and the like) is left alone.

*Sizes* are whole numbers with a unit (` + "`512B`, `64KiB`, `100MiB`, `1GiB`" + `), *durations* too (` + "`500ms`, `30s`, `5m`, `7d`" + `).
*Patterns* are globs: ` + "`*`" + ` any run of characters, ` + "`?`" + ` one, ` + "`{a,b}`" + ` either; a leading ` + "`!`" + ` excludes. *Files* are relative to
the directory of the configuration file. In **live** knobs a change takes effect on reload (SIGHUP, the
admin interface, or by itself soon after the file changes); the others wait for a restart.

`

func TestReferenceIsFresh(t *testing.T) {
	all := knobs(t)
	var b strings.Builder
	b.WriteString(referenceHead)
	b.WriteString("## Top level\n\n" + tableHead)
	for _, k := range all {
		if !strings.ContainsAny(k.path, ".") {
			row(&b, k, k.path)
		}
	}
	for _, section := range all {
		var inner strings.Builder
		for _, k := range all {
			if rest, ok := strings.CutPrefix(strings.Replace(k.path, "[]", "", 1), section.path+"."); ok && !strings.Contains(section.path, ".") {
				row(&inner, k, rest)
			}
		}
		if inner.Len() > 0 {
			fmt.Fprintf(&b, "\n## %s\n\n%s\n\n%s%s", section.path, section.comment, tableHead, inner.String())
		}
	}
	golden(t, "../docs/reference/config.md", []byte(b.String()))
}

const tableHead = "| knob | form | default | live | meaning |\n|---|---|---|---|---|\n"

func row(b *strings.Builder, k knob, name string) {
	fmt.Fprintf(b, "| `%s` | %s | %s | %s | %s |\n", name, form(k), code(k.value), yes(k.live), k.comment)
}

func form(k knob) string {
	if list := k.tag.Get("enum"); list != "" {
		return "`" + strings.ReplaceAll(list, ",", "`, `") + "`"
	}
	return strings.ReplaceAll(k.kind, "|", `\|`)
}

func code(s string) string {
	if s == "" {
		return ""
	}
	return "`" + s + "`"
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return ""
}
