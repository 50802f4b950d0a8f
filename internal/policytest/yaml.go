package policytest

import (
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"
)

// What the YAML library says around what matters: the line, the field that is not
// known, and the kind of value that stands where another belongs.
var (
	yamlLine  = regexp.MustCompile(`^line (\d+): `)
	goType    = regexp.MustCompile(` not found in type \S+`)
	wrongKind = regexp.MustCompile("^cannot unmarshal !!([a-z]+)(?: `(.*)`)? into (.*)$")
)

// kindProblem says "want text, found a list" of a value of the wrong kind, and gives
// everything else back as it is.
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

// readingProblem puts a complaint of the YAML library into the form of our own:
// "file:line: problem", each on a line.
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
		out = append(out, errors.New(place+kindProblem(goType.ReplaceAllString(problem, " is not known here"))))
	}
	return errors.Join(out...)
}
