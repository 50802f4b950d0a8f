package policytest

import (
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"
)

// The YAML library's messages: the line, the unknown field, and the wrong kind of value.
var (
	yamlLine  = regexp.MustCompile(`^line (\d+): `)
	goType    = regexp.MustCompile(` not found in type \S+`)
	wrongKind = regexp.MustCompile("^cannot unmarshal !!([a-z]+)(?: `(.*)`)? into (.*)$")
)

// kindProblem says "want text, found a list" about a value of the wrong kind, and returns
// other problems unchanged.
func kindProblem(problem string) string {
	found := wrongKind.FindStringSubmatch(problem)
	if found == nil {
		return problem
	}
	want := "fields"
	switch {
	case found[3] == "string":
		want = "text"
	case strings.HasPrefix(found[3], "[]"):
		want = "a list"
	}
	switch found[1] {
	case "seq":
		return "want " + want + ", found a list"
	case "map":
		return "want " + want + ", found fields"
	default:
		return fmt.Sprintf("want %s, found %q", want, found[2])
	}
}

// readingProblem rewrites errors of the YAML library as "file:line: problem", one on each
// line.
func readingProblem(file string, err error) error {
	if errors.Is(err, io.EOF) {
		return fmt.Errorf("%s: the file is empty: want a list under tests", file)
	}
	problems := []string{strings.TrimPrefix(err.Error(), "yaml: ")}
	var several *yaml.TypeError
	if errors.As(err, &several) {
		problems = several.Errors
	}
	var out []error
	for _, problem := range problems {
		place := file + ": "
		if line := yamlLine.FindStringSubmatch(problem); line != nil {
			place, problem = file+":"+line[1]+": ", problem[len(line[0]):]
		}
		out = append(out, errors.New(place+kindProblem(goType.ReplaceAllString(problem, " is unknown"))))
	}
	return errors.Join(out...)
}
