// Package docs carries the pages that the binary shows to people, so that they
// match the version that runs.
package docs

import "embed"

//go:embed */*.md
var pages embed.FS

// Rule gives the page of a rule, as Markdown; ok is false when there is none.
func Rule(id string) (page string, ok bool) {
	data, err := pages.ReadFile("rules/" + id + ".md")
	return string(data), err == nil
}
