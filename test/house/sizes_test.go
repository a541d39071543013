package house

import (
	"cmp"
	"go/ast"
	"slices"
	"strings"
	"testing"
)

// Soft limits: worth a second look, never a reason to split what belongs
// together.
const (
	fileMedian, fileLook = 120, 400
	function90, funcLook = 35, 60
	interfaceMethods     = 3
	parameters           = 4
	hardFile, hardFunc   = 800, 150 // nobody can argue for these
)

type sized struct {
	where string
	lines int
}

// TestSizes reports what is larger than the soft limits (make house) and fails
// only on the absurd.
func TestSizes(t *testing.T) {
	var fileSizes, funcSizes []sized
	for _, s := range sources() {
		if s.test() || s.generated() || strings.HasPrefix(s.path, "test/") {
			continue
		}
		fileSizes = append(fileSizes, sized{s.path, strings.Count(s.text, "\n")})
		for _, d := range s.file.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				from, to := s.fset.Position(d.Pos()).Line, s.fset.Position(d.End()).Line
				funcSizes = append(funcSizes, sized{s.path + " " + d.Name.Name, to - from + 1})
				if n := d.Type.Params.NumFields(); n > parameters {
					t.Logf("look: %s %s takes %d parameters", s.path, d.Name.Name, n)
				}
			case *ast.GenDecl:
				wideInterfaces(t, s, d)
			}
		}
	}
	report(t, "files", fileSizes, 0.5, fileMedian, fileLook, hardFile)
	report(t, "functions", funcSizes, 0.9, function90, funcLook, hardFunc)
}

func wideInterfaces(t *testing.T, s source, d *ast.GenDecl) {
	t.Helper()
	for _, spec := range d.Specs {
		if ts, ok := spec.(*ast.TypeSpec); ok {
			if i, ok := ts.Type.(*ast.InterfaceType); ok && i.Methods.NumFields() > interfaceMethods {
				t.Logf("look: %s interface %s has %d methods", s.path, ts.Name.Name, i.Methods.NumFields())
			}
		}
	}
}

func report(t *testing.T, what string, all []sized, quantile float64, limit, look, hard int) {
	t.Helper()
	slices.SortFunc(all, func(a, b sized) int { return cmp.Compare(a.lines, b.lines) })
	at := all[int(quantile*float64(len(all)-1))].lines
	verdict := "within"
	if at > limit {
		verdict = "above"
	}
	t.Logf("%d %s; %d%% have at most %d lines: %s the soft limit of %d", len(all), what, int(quantile*100), at, verdict, limit)
	for _, s := range slices.Backward(all) {
		if s.lines <= look {
			break
		}
		t.Logf("look: %4d lines: %s", s.lines, s.where)
		if s.lines > hard {
			t.Errorf("%s has %d lines", s.where, s.lines)
		}
	}
}
