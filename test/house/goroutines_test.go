package house

import (
	"go/ast"
	"strings"
	"testing"
)

// goStatements gives the lines on which a file starts goroutines.
func goStatements(s source) []int {
	var lines []int
	ast.Inspect(s.file, func(n ast.Node) bool {
		if g, ok := n.(*ast.GoStmt); ok {
			lines = append(lines, s.fset.Position(g.Pos()).Line)
		}
		if call, ok := n.(*ast.CallExpr); ok {
			if sel, ok := call.Fun.(*ast.SelectorExpr); ok && sel.Sel.Name == "Go" && len(call.Args) == 1 {
				lines = append(lines, s.fset.Position(call.Pos()).Line)
			}
		}
		return true
	})
	return lines
}

// Goroutines are started where somebody waits for them, and nowhere else.
func TestGoroutinesOnlyWhereTheyAreAwaited(t *testing.T) {
	for _, s := range sources() {
		if s.test() || strings.HasPrefix(s.path, "test/") {
			continue
		}
		switch s.pkg() {
		case "proxy", "proxy/admin", "proxy/audit", "proxy/embedded", "record", "rules/engine", "rules/sink", "cmd/warder":
			continue
		}
		for _, line := range goStatements(s) {
			t.Errorf("%s:%d starts a goroutine; this package has none", s.path, line)
		}
	}
}
