// Oracle: what real Go makes of a template.
//
// Reads one JSON object a line {"template", "data", "missing_key", "kinder"} and writes one a line:
// {"output"} or {"error", "stage"}.  The functions are those of today's Tinkerbell: sprig's
// hermetic map, toYaml and fromYaml by sigs.k8s.io/yaml, and Tinkerbell's own.
//
// Data are decoded as our engine holds them: a JSON number without a fraction is an int, any other
// a float64 (encoding/json alone would make a float64 of all).
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net"
	"os"
	"strconv"
	"strings"
	"text/template"
	"time"

	sprig "github.com/Masterminds/sprig/v3"
	"sigs.k8s.io/yaml"
)

type request struct {
	Template   string          `json:"template"`
	Data       json.RawMessage `json:"data"`
	MissingKey string          `json:"missing_key"`
	Spec       json.RawMessage `json:"spec"`
	Kinder     bool            `json:"kinder"`
}

// Set by the source that knows Hardware's types, where it is built in: what `.Hardware` is.
var hardwareOf func(spec json.RawMessage) (interface{}, error)

type answer struct {
	Output string `json:"output"`
	Binary bool   `json:"binary,omitempty"`
	Error  string `json:"error,omitempty"`
	Stage  string `json:"stage,omitempty"`
}

const outputLimit = 256 * 1024

type limited struct{ bytes.Buffer }

func (l *limited) Write(p []byte) (int, error) {
	if l.Len()+len(p) > outputLimit {
		return 0, errors.New("output limit")
	}
	return l.Buffer.Write(p)
}

func numbers(value interface{}) interface{} {
	switch v := value.(type) {
	case json.Number:
		if i, err := strconv.ParseInt(string(v), 10, 64); err == nil {
			return int(i)
		}
		f, _ := v.Float64()
		if f == math.Trunc(f) && math.Abs(f) < 1<<62 {
			return int(f)
		}
		return f
	case map[string]interface{}:
		for key, inner := range v {
			v[key] = numbers(inner)
		}
	case []interface{}:
		for i, inner := range v {
			v[i] = numbers(inner)
		}
	}
	return value
}

func formatPartition(device string, partition int) string {
	n := strconv.Itoa(partition)
	switch {
	case strings.HasPrefix(device, "/dev/disk/"):
		return device + "-part" + n
	case device != "" && strings.ContainsAny(device[len(device)-1:], "0123456789"):
		return device + "p" + n
	}
	return device + n
}

func netmaskToPrefixLength(mask string) (string, error) {
	ip := net.ParseIP(mask).To4()
	if ip == nil {
		return "", errors.New("no IPv4 netmask")
	}
	ones, bits := net.IPMask(ip).Size()
	if bits == 0 {
		return "", errors.New("ones do not come before zeros") // Tinkerbell says 0
	}
	return strconv.Itoa(ones), nil
}

func toYaml(value interface{}) (string, error) {
	text, err := yaml.Marshal(value)
	return strings.TrimSuffix(string(text), "\n"), err
}

func fromYaml(text string) (interface{}, error) {
	if text == "" {
		return nil, errors.New("empty")
	}
	var out interface{}
	if err := yaml.Unmarshal([]byte(text), &out); err != nil {
		return nil, err
	}
	encoded, err := json.Marshal(out)
	if err != nil {
		return nil, err
	}
	return decode(encoded)
}

func decode(text []byte) (interface{}, error) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var out interface{}
	err := decoder.Decode(&out)
	return numbers(out), err
}

func strict(text string) (interface{}, error) {
	var any interface{}
	if err := json.Unmarshal([]byte(text), &any); err != nil {
		return nil, err
	}
	return decode([]byte(text))
}

func functions() template.FuncMap {
	all := sprig.HermeticTxtFuncMap()
	all["formatPartition"] = formatPartition
	all["netmaskToPrefixLength"] = netmaskToPrefixLength
	all["toYaml"] = toYaml
	all["fromYaml"] = fromYaml
	// The same numbers as in data.
	all["mustFromJson"] = strict
	all["fromJson"] = func(text string) interface{} { value, _ := strict(text); return value }
	return all
}

func render(r request) (a answer) {
	defer func() {
		if p := recover(); p != nil {
			a = answer{Error: fmt.Sprint("panic: ", p), Stage: "panic"}
		}
	}()
	data, err := decode(r.Data)
	if err != nil {
		return answer{Error: err.Error(), Stage: "data"}
	}
	if len(r.Spec) > 0 {
		hardware, err := hardwareOf(r.Spec)
		if err != nil {
			return answer{Error: err.Error(), Stage: "data"}
		}
		data = map[string]interface{}{"Hardware": hardware}
	}
	if r.MissingKey == "" {
		r.MissingKey = "error"
	}
	all := functions()
	if r.Kinder {
		all = kinder(all)
	}
	t, err := template.New("golden").Option("missingkey=" + r.MissingKey).Funcs(all).Parse(r.Template)
	if err != nil {
		return answer{Error: err.Error(), Stage: "parse"}
	}
	var out limited
	if err := t.Execute(&out, data); err != nil {
		return answer{Error: err.Error(), Stage: "execute"}
	}
	text := out.String()
	return answer{Output: text, Binary: strings.ToValidUTF8(text, "") != text}
}

func main() {
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(make([]byte, 1<<20), 1<<26)
	out := bufio.NewWriter(os.Stdout)
	for in.Scan() {
		var r request
		if err := json.Unmarshal(in.Bytes(), &r); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		done := make(chan answer, 1)
		go func() { done <- render(r) }()
		var a answer
		select {
		case a = <-done:
		case <-time.After(3 * time.Second):
			a = answer{Error: "timeout", Stage: "timeout"}
		}
		line, _ := json.Marshal(a)
		out.Write(line)
		out.WriteByte('\n')
		out.Flush()
	}
}
