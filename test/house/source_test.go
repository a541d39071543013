package house

import (
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

var update = flag.Bool("update", false, "write generated files instead of comparing them")

// root is the top of the repository.
const root = "../.."

// source is one Go file of the repository.
type source struct {
	path string // from the root, with slashes
	text string
	file *ast.File
	fset *token.FileSet
}

func (s source) test() bool { return strings.HasSuffix(s.path, "_test.go") }

// pkg is the import path within the module: "cmd/warder".
func (s source) pkg() string { return filepath.ToSlash(filepath.Dir(s.path)) }

func (s source) generated() bool { return ast.IsGenerated(s.file) }

// imports are the import paths; ours without the module's name.
func (s source) imports() (ours, foreign []string) {
	for _, i := range s.file.Imports {
		path := strings.Trim(i.Path.Value, `"`)
		if inner, ok := strings.CutPrefix(path, "warder/"); ok {
			ours = append(ours, inner)
		} else {
			foreign = append(foreign, path)
		}
	}
	return ours, foreign
}

// ignored are folders that hold nothing of ours.
var ignored = []string{".git", ".cache", "bin", "node_modules", "recordings"}

// files lists everything that could be committed, but for ignored folders.
var files = sync.OnceValue(func() []string {
	var all []string
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && slices.Contains(ignored, d.Name()) {
			return filepath.SkipDir
		}
		if !d.IsDir() {
			rel, _ := filepath.Rel(root, path)
			all = append(all, filepath.ToSlash(rel))
		}
		return nil
	})
	if err != nil {
		panic(err)
	}
	return all
})

// sources parses every Go file once, the end-to-end module included.
var sources = sync.OnceValue(func() []source {
	var all []source
	for _, path := range files() {
		if !strings.HasSuffix(path, ".go") || strings.Contains(path, "testdata/") {
			continue
		}
		text, err := os.ReadFile(filepath.Join(root, path))
		if err != nil {
			panic(err)
		}
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, path, text, parser.ParseComments)
		if err != nil {
			panic(err)
		}
		all = append(all, source{path, string(text), file, fset})
	}
	return all
})

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, path))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func exists(path string) bool {
	_, err := os.Stat(filepath.Join(root, path))
	return err == nil
}
