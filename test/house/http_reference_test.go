package house

import (
	"fmt"
	"go/ast"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"warder/proxy/admin"
)

// answers says which type is what a path of the admin interface answers with. Those
// of other paths are in config.md or no JSON, or say it in their purpose.
//
// like is what the answer holds beside its own fields: a type that is embedded, told
// where it is first.
var answers = []struct{ path, list, pkg, name, like, as string }{
	{"/readyz", "", "proxy/admin", "readiness", "", ""},
	{"/api/v1/findings", "findings[].", "rules", "Finding", "", ""},
	{"/api/v1/clients", "clients[].", "proxy/admin", "Client", "", ""},
	{"/api/v1/brokers", "brokers[].", "proxy", "BrokerView", "", ""},
	{"/api/v1/listeners", "listeners[].", "proxy", "ListenerView", "", ""},
	{"/api/v1/topics", "", "rules/state", "TopicList", "", ""},
	{"/api/v1/topics/NAME", "", "rules/state", "TopicView", "TopicLine", "a topic of /api/v1/topics"},
	{"/api/v1/groups", "", "rules/state", "GroupList", "", ""},
	{"/api/v1/groups/NAME", "", "rules/state", "GroupView", "", ""},
	{"/api/v1/tap", "", "proxy/tap", "Exchange", "", ""},
}

// httpPage lists the paths of the admin interface, and what their answers hold, from
// the types that they are made of.
func httpPage(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	b.WriteString(generated + "# HTTP reference\n\nThe admin interface, at `admin.address`. Away from loopback it wants `Authorization: Bearer` and the token of\n`admin.token_file`. An answer that is no success is `{\"error\": \"a sentence\"}`; an unknown parameter is an error. Names of fields are stable:\nmore may come, none goes. Times are RFC 3339. What is optional is left out where it is not known or does not apply. Names that clients\nchose (client ids, topics, groups) may hold anything.\n\n| method | path | what |\n|---|---|---|\n")
	for _, e := range admin.Endpoints() {
		fmt.Fprintf(&b, "| %s | `%s` | %s |\n", e.Method, e.Path, strings.ReplaceAll(e.Purpose, "|", "\\|"))
	}
	d := declared()
	for _, a := range answers {
		fmt.Fprintf(&b, "\n## %s\n", a.path)
		if a.like != "" {
			fmt.Fprintf(&b, "\nWhat %s has, and:\n", a.as)
		}
		b.WriteString("\n| field | | |\n|---|---|---|\n")
		d.leftOut = a.like
		d.rows(t, &b, a.list, a.pkg, a.name, false)
	}
	return b.String()
}

// declarations are the types of all packages, by package and name.
type declarations struct {
	types   map[string]ast.Expr
	texts   map[string]bool // that write themselves as text
	leftOut string          // a type that is told elsewhere
}

func declared() declarations {
	d := declarations{types: map[string]ast.Expr{}, texts: map[string]bool{}}
	for _, s := range sources() {
		if s.test() {
			continue
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.TypeSpec:
				d.types[s.pkg()+"."+n.Name.Name] = n.Type
			case *ast.FuncDecl:
				if n.Name.Name == "MarshalText" && n.Recv != nil {
					if name, ok := n.Recv.List[0].Type.(*ast.Ident); ok {
						d.texts[s.pkg()+"."+name.Name] = true
					}
				}
			}
			return true
		})
	}
	return d
}

// rows writes one for each field of a struct, those of structs in it included.
func (d declarations) rows(t *testing.T, b *strings.Builder, prefix, pkg, name string, optional bool) {
	t.Helper()
	st, ok := d.types[pkg+"."+name].(*ast.StructType)
	if !ok {
		t.Fatalf("%s.%s is no struct", pkg, name)
	}
	names := jsonNames(st)
	for _, f := range st.Fields.List {
		tag, tagged := jsonTag(f)
		if len(f.Names) == 0 && !tagged { // embedded: its fields are ours
			inner, innerPkg := d.resolve(f.Type, pkg)
			if inner != d.leftOut {
				d.rows(t, b, prefix, innerPkg, inner, optional)
			}
			continue
		}
		key, options, _ := strings.Cut(tag, ",")
		if key == "-" || !tagged {
			continue
		}
		text := f.Doc.Text()
		if text == "" {
			text = f.Comment.Text()
		}
		d.row(t, b, prefix+key, f.Type, pkg, optional || options != "", inJSON(text, names))
	}
}

func (d declarations) row(t *testing.T, b *strings.Builder, field string, typ ast.Expr, pkg string, optional bool, text string) {
	t.Helper()
	suffix := ""
	for {
		switch list := typ.(type) {
		case *ast.ArrayType:
			suffix, typ = suffix+"[]", list.Elt
			continue
		case *ast.MapType:
			suffix, typ = suffix+".*", list.Value
			continue
		case *ast.StarExpr:
			typ = list.X
			continue
		}
		break
	}
	name, in := d.resolve(typ, pkg)
	kind := map[string]string{
		"string": "string", "bool": "boolean", "float64": "number", "any": "any", ".Time": "time", ".Duration": "integer",
		"int": "integer", "int16": "integer", "int32": "integer", "int64": "integer", "uint64": "integer",
	}[strings.TrimPrefix(name, in)]
	_, isStruct := d.types[in+"."+name].(*ast.StructType)
	switch {
	case d.texts[in+"."+name]:
		kind, isStruct = "string", false
	case isStruct:
		kind = "object"
	case kind == "" && d.types[in+"."+name] != nil:
		kind = "string" // a word
		if _, list := d.types[in+"."+name].(*ast.ArrayType); list {
			kind = "list"
		}
	case kind == "":
		t.Fatalf("%s: type %s.%s", field, in, name)
	}
	if optional {
		kind += ", optional"
	}
	fmt.Fprintf(b, "| `%s%s` | %s | %s |\n", field, suffix, kind, text)
	if isStruct {
		d.rows(t, b, field+suffix+".", in, name, false)
	}
}

// resolve names a type and the package of ours that it is from; that of others
// begins with a dot.
func (d declarations) resolve(typ ast.Expr, pkg string) (name, in string) {
	switch typ := typ.(type) {
	case *ast.Ident:
		if target, ok := d.types[pkg+"."+typ.Name].(*ast.SelectorExpr); ok { // an alias
			return d.resolve(target, pkg)
		}
		return typ.Name, pkg
	case *ast.SelectorExpr:
		from := typ.X.(*ast.Ident).Name
		for _, p := range []string{"rules", "rules/state", "proxy", "proxy/tap"} {
			if p == from || strings.HasSuffix(p, "/"+from) {
				return typ.Sel.Name, p
			}
		}
		return "." + typ.Sel.Name, ""
	}
	return "", ""
}

func jsonTag(f *ast.Field) (tag string, ok bool) {
	if f.Tag == nil {
		return "", false
	}
	text, err := strconv.Unquote(f.Tag.Value)
	if err != nil {
		return "", false
	}
	return reflect.StructTag(text).Lookup("json")
}

// jsonNames are the names of a struct's fields in JSON.
func jsonNames(st *ast.StructType) map[string]string {
	names := map[string]string{}
	for _, f := range st.Fields.List {
		if tag, ok := jsonTag(f); ok && len(f.Names) == 1 {
			names[f.Names[0].Name], _, _ = strings.Cut(tag, ",")
		}
	}
	return names
}

var word = regexp.MustCompile(`\b[A-Z][A-Za-z]*\b`)

// inJSON is a comment with fields named as JSON does, where it begins a clause with
// one or speaks of another.
func inJSON(text string, names map[string]string) string {
	text = strings.Join(strings.Fields(text), " ")
	text = word.ReplaceAllStringFunc(text, func(w string) string {
		if name := names[w]; name != "" {
			return "`" + name + "`"
		}
		return w
	})
	return strings.ReplaceAll(text, "|", "\\|")
}
