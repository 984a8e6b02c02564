// The decisions by which our templates are kinder than Go's, as wrappers of the same functions:
// asked with "kinder", real Go says what has to come out once they are made.
package main

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"reflect"
	"text/template"
)

var mapType = reflect.TypeOf(map[string]interface{}{})
var anyType = reflect.TypeOf((*interface{})(nil)).Elem()

// A whole number of any type where an int is wanted, an int where a float64 is, and an empty map
// for a nil one.
func lenient(function interface{}) interface{} {
	value := reflect.ValueOf(function)
	kind := value.Type()
	var in []reflect.Type
	isOne := false
	for i := 0; i < kind.NumIn(); i++ {
		parameter := kind.In(i)
		element := parameter
		if kind.IsVariadic() && i == kind.NumIn()-1 {
			element = parameter.Elem()
		}
		if isLenient(element) {
			isOne = true
			element = anyType
			if kind.IsVariadic() && i == kind.NumIn()-1 {
				parameter = reflect.SliceOf(anyType)
			} else {
				parameter = anyType
			}
		}
		in = append(in, parameter)
	}
	if !isOne {
		return function
	}
	var out []reflect.Type
	for i := 0; i < kind.NumOut(); i++ {
		out = append(out, kind.Out(i))
	}
	wrapped := reflect.FuncOf(in, out, kind.IsVariadic())
	return reflect.MakeFunc(wrapped, func(given []reflect.Value) []reflect.Value {
		var passed []reflect.Value
		for i, argument := range given {
			if kind.IsVariadic() && i == len(given)-1 {
				for j := 0; j < argument.Len(); j++ {
					passed = append(passed, as(argument.Index(j), kind.In(i).Elem()))
				}
				continue
			}
			passed = append(passed, as(argument, kind.In(i)))
		}
		return value.Call(passed)
	}).Interface()
}

func isLenient(wanted reflect.Type) bool {
	return wanted.Kind() == reflect.Int || wanted.Kind() == reflect.Float64 || wanted == mapType
}

func as(argument reflect.Value, wanted reflect.Type) reflect.Value {
	if !isLenient(wanted) {
		return argument
	}
	if argument.Kind() == reflect.Interface {
		argument = argument.Elem()
	}
	if wanted == mapType && !argument.IsValid() {
		return reflect.ValueOf(map[string]interface{}{})
	}
	if argument.IsValid() && argument.Type() == wanted {
		return argument
	}
	if !argument.IsValid() {
		panic("wrong type for value; expected " + wanted.String() + "; got nil")
	}
	isInt := wanted != mapType && (argument.CanInt() || argument.CanUint())
	if isInt || (argument.CanFloat() && wanted.Kind() == reflect.Float64) {
		return argument.Convert(wanted)
	}
	panic("wrong type for value; expected " + wanted.String() + "; got " + argument.Type().String())
}

// Numbers are equal by their value, whatever their type.
func plain(value interface{}) interface{} {
	v := reflect.ValueOf(value)
	switch {
	case !v.IsValid():
		return nil
	case v.CanInt():
		return float64(v.Int())
	case v.CanUint():
		return float64(v.Uint())
	case v.CanFloat():
		return v.Float()
	case v.Kind() == reflect.Slice || v.Kind() == reflect.Array:
		all := make([]interface{}, v.Len())
		for i := range all {
			all[i] = plain(v.Index(i).Interface())
		}
		return all
	case v.Kind() == reflect.Map:
		all := map[string]interface{}{}
		for _, key := range v.MapKeys() {
			all[fmt.Sprint(key.Interface())] = plain(v.MapIndex(key).Interface())
		}
		return all
	}
	return value
}

func isNumber(value interface{}) bool {
	v := reflect.ValueOf(value)
	return v.IsValid() && (v.CanInt() || v.CanUint() || v.CanFloat())
}

func compared(name string) interface{} {
	own := template.Must(template.New("").Parse("{{" + name + " .a .b}}"))
	one := func(a, b interface{}) (bool, error) {
		if isNumber(a) && isNumber(b) {
			a, b = plain(a), plain(b)
		}
		var out bytes.Buffer
		err := own.Execute(&out, map[string]interface{}{"a": a, "b": b})
		return out.String() == "true", err
	}
	if name != "eq" {
		return one
	}
	return func(a interface{}, more ...interface{}) (bool, error) {
		if len(more) == 0 {
			return false, errors.New("missing argument for comparison")
		}
		for _, b := range more {
			if is, err := one(a, b); is || err != nil {
				return is, err
			}
		}
		return false, nil
	}
}

func kinder(all template.FuncMap) template.FuncMap {
	has := all["has"].(func(interface{}, interface{}) bool)
	without := all["without"].(func(interface{}, ...interface{}) []interface{})
	slice := all["slice"].(func(interface{}, ...interface{}) interface{})
	all["has"] = func(needle, list interface{}) bool {
		if list == nil {
			return false
		}
		if kind := reflect.TypeOf(list).Kind(); kind == reflect.Slice || kind == reflect.Array {
			list = plain(list)
		}
		return has(plain(needle), list)
	}
	all["without"] = func(list interface{}, omit ...interface{}) []interface{} {
		var left []interface{}
		for _, item := range without(list) {
			if !has(plain(item), plain(omit)) {
				left = append(left, item)
			}
		}
		if left == nil {
			left = []interface{}{}
		}
		return left
	}
	all["deepEqual"] = func(a, b interface{}) bool { return reflect.DeepEqual(plain(a), plain(b)) }
	all["slice"] = func(item interface{}, indices ...interface{}) (interface{}, error) {
		text, ok := item.(string)
		if !ok {
			return slice(item, indices...), nil
		}
		bounds := []int{0, len(text)}
		for i, index := range indices {
			if i > 1 || !isNumber(index) || plain(index) != math.Trunc(plain(index).(float64)) {
				return nil, errors.New("cannot slice")
			}
			bounds[i] = int(plain(index).(float64))
		}
		if bounds[0] < 0 || bounds[1] > len(text) || bounds[0] > bounds[1] {
			return nil, errors.New("index out of range")
		}
		return text[bounds[0]:bounds[1]], nil
	}
	for name, function := range all {
		all[name] = lenient(function)
	}
	for _, name := range []string{"eq", "ne", "lt", "le", "gt", "ge"} {
		all[name] = compared(name)
	}
	return all
}
