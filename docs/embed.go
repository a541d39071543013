// Package docs carries the pages that the binary shows to people, so that they
// match the version that runs.
package docs

import (
	"embed"
	"io/fs"
)

//go:embed *.md */*.md
var pages embed.FS

// Rule gives the page of a rule, as Markdown; ok is false when there is none.
func Rule(id string) (page string, ok bool) { return Page("rules/" + id + ".md") }

// Page gives the page of that path within docs, as Markdown; ok is false when
// there is none.
func Page(path string) (page string, ok bool) {
	data, err := pages.ReadFile(path)
	return string(data), err == nil
}

// Pages lists the paths of all pages.
func Pages() ([]string, error) {
	top, err := fs.Glob(pages, "*.md")
	if err != nil {
		return nil, err
	}
	further, err := fs.Glob(pages, "*/*.md")
	return append(top, further...), err
}
