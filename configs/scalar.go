package configs

import (
	"cmp"
	"encoding"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"
)

// setScalar reads text into v, whose type scalarType accepts.
func setScalar(v reflect.Value, text string) error {
	if u, ok := reflect.TypeAssert[encoding.TextUnmarshaler](v.Addr()); ok {
		return u.UnmarshalText([]byte(text))
	}
	if v.Type() == reflect.TypeFor[time.Duration]() {
		d, err := ParseDuration(text)
		v.SetInt(int64(d))
		return err
	}
	switch {
	case v.Kind() == reflect.String:
		v.SetString(text)
	case v.Kind() == reflect.Bool:
		if text != "true" && text != "false" {
			return fmt.Errorf("%q is neither true nor false", text)
		}
		v.SetBool(text == "true")
	case v.CanInt():
		n, err := strconv.ParseInt(text, 10, v.Type().Bits())
		if err != nil {
			return fmt.Errorf("%q is not a whole number (or out of range)", text)
		}
		v.SetInt(n)
	case v.CanUint():
		n, err := strconv.ParseUint(text, 10, v.Type().Bits())
		if err != nil {
			return fmt.Errorf("%q is not a whole number from 0 up (or out of range)", text)
		}
		v.SetUint(n)
	case v.CanFloat():
		f, err := strconv.ParseFloat(text, 64)
		if err != nil || f != f {
			return fmt.Errorf("%q is not a number", text)
		}
		v.SetFloat(f)
	}
	return nil
}

// ParseDuration reads 500ms, 30s, 5m, 1h30m, 7d; the unit is required.
func ParseDuration(text string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(text, "d"); ok {
		if n, err := strconv.ParseUint(days, 10, 16); err == nil {
			return time.Duration(n) * 24 * time.Hour, nil
		}
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return 0, fmt.Errorf("%q is not a length of time; write a number and a unit, like 500ms, 30s, 5m, 7d", text)
	}
	return d, nil
}

// bounds checks the enum, min and max tags of a field that was set.
func (d *decoder) bounds(n *yaml.Node, v reflect.Value, tag reflect.StructTag, path string) {
	n = resolve(n)
	if list := tag.Get("enum"); list != "" {
		allowed := strings.Split(list, ",")
		for i, s := range stringsOf(v) {
			if !slices.Contains(allowed, s) {
				d.fail(itemOf(n, i), "%s", unknown("value", s, path, allowed))
			}
		}
	}
	if !scalarType(v.Type()) {
		return
	}
	if least := tag.Get("min"); least != "" && compareTo(v, least) < 0 {
		d.fail(n, "%s is %s; the least is %s", path, n.Value, least)
	}
	if most := tag.Get("max"); most != "" && compareTo(v, most) > 0 {
		d.fail(n, "%s is %s; the most is %s", path, n.Value, most)
	}
}

// stringsOf gives the texts that an enum tag speaks of: of a string, or of a
// list of them.
func stringsOf(v reflect.Value) []string {
	if v.Kind() == reflect.String {
		return []string{v.String()}
	}
	var all []string
	for i := range v.Len() {
		all = append(all, v.Index(i).String())
	}
	return all
}

func itemOf(n *yaml.Node, i int) *yaml.Node {
	if n.Kind == yaml.SequenceNode && i < len(n.Content) {
		return n.Content[i]
	}
	return n
}

// compareTo compares a number with a bound written as in the file.
func compareTo(v reflect.Value, bound string) int {
	b := reflect.New(v.Type()).Elem()
	if err := setScalar(b, bound); err != nil {
		panic(fmt.Sprintf("configs: bound in a tag: %v", err))
	}
	switch {
	case v.CanInt():
		return cmp.Compare(v.Int(), b.Int())
	case v.CanUint():
		return cmp.Compare(v.Uint(), b.Uint())
	default:
		return cmp.Compare(v.Float(), b.Float())
	}
}
