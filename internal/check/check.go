// Package check reads the files of "sgward check": plans of Terraform, templates of
// CloudFormation, and folders that hold templates.
package check

import (
	"bytes"
	"encoding/json/jsontext"
	"encoding/json/v2"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/klauspost/compress/gzip"

	"sgward/internal/cloudformation"
	"sgward/internal/planned"
	"sgward/internal/template"
	"sgward/internal/terraform"
	"sgward/internal/text"
)

const (
	wantInput = "want the output of terraform show -json PLANFILE, or a CloudFormation or SAM template"
	// maxFile limits a file, inflated.
	maxFile = 1 << 30
)

// Input is the content of the files.
type Input struct {
	Changes  []File
	Problems []text.Problem
	Files    int // that were read
	// Undeclared are the names of parameters that no template declares, sorted.
	Undeclared []string

	options template.Options
	loaded  map[string]bool // absolute paths of templates that others nest
}

// File is a plan or template, and the name of its file without the folders that may
// differ between machines.
type File struct {
	*planned.Change
	Name string
	path string // absolute, of a file found in a folder
}

// problem records a file that could not be read.
func (r *Input) problem(place, format string, args ...any) {
	r.Problems = append(r.Problems, text.Problem{Place: place, Text: fmt.Sprintf(format, args...)})
}

// Read reads files and folders; "-" is stdin. parameters are the values of templates'
// parameters. What cannot be read is a Problem, and the rest is read all the same.
func Read(paths []string, stdin io.Reader, parameters map[string]string) *Input {
	r := &Input{loaded: map[string]bool{}}
	r.options = template.Options{Parameters: parameters, Used: map[string]bool{}, Load: r.load}
	for _, path := range paths {
		r.path(path, stdin)
	}
	// Nested stacks are judged where they are nested, with the parameters they get there.
	r.Changes = slices.DeleteFunc(r.Changes, func(c File) bool { return c.path != "" && r.loaded[c.path] })
	for _, c := range r.Changes {
		r.Problems = append(r.Problems, c.Problems...)
	}
	for name := range parameters {
		if !r.options.Used[name] {
			r.Undeclared = append(r.Undeclared, name)
		}
	}
	slices.Sort(r.Undeclared)
	return r
}

// path reads a file, or the templates in a folder.
func (r *Input) path(path string, stdin io.Reader) {
	if path == "-" {
		r.file("-", "", stdin)
		return
	}
	info, err := os.Stat(path)
	if err != nil {
		r.problem(path, "cannot be opened: %v", withoutPath(err))
		return
	}
	if !info.IsDir() {
		r.open(path, "")
		return
	}
	found := 0
	err = filepath.WalkDir(path, func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			r.problem(name, "cannot be opened: %v", withoutPath(err))
			return nil
		case entry.IsDir() && name != path && skipped(entry.Name()):
			return fs.SkipDir
		case entry.IsDir() || !isTemplate(entry.Name()):
			return nil
		}
		found++
		if err := regular(name); err != nil {
			r.problem(name, "%v", err)
			return nil
		}
		r.open(name, absolute(name))
		return nil
	})
	switch {
	case err != nil:
		r.problem(path, "cannot be read: %v", withoutPath(err))
	case found == 0:
		r.problem(path, "holds no template: want files whose names end in .template.json, .template.yaml or .template.yml; a plan is named itself")
	}
}

// skipped reports whether a folder below holds no templates to check: hidden ones,
// dependencies, and assets of the CDK.
func skipped(name string) bool {
	return strings.HasPrefix(name, ".") || name == "node_modules" || strings.HasPrefix(name, "asset.")
}

// isTemplate reports whether a file in a folder is a template, by its name.
func isTemplate(name string) bool {
	return slices.ContainsFunc([]string{".template.json", ".template.yaml", ".template.yml"}, func(end string) bool { return strings.HasSuffix(name, end) })
}

func absolute(path string) string {
	if full, err := filepath.Abs(path); err == nil {
		return full
	}
	return path
}

// load reads the template of a nested stack, relative to the file that nests it.
func (r *Input) load(from, path string) (data []byte, name string, err error) {
	full := filepath.FromSlash(path)
	if !filepath.IsAbs(full) {
		full = filepath.Join(filepath.Dir(filepath.FromSlash(from)), full)
	}
	name = filepath.ToSlash(full)
	if err := regular(full); err != nil {
		return nil, name, err
	}
	file, err := os.Open(full)
	if err != nil {
		return nil, name, fmt.Errorf("cannot be opened: %w", withoutPath(err))
	}
	defer func() { _ = file.Close() }() // nothing was written
	r.loaded[absolute(full)] = true
	data, err = content(file)
	return data, name, err
}

// regular returns an error for anything but a file, also at the end of a symbolic link: reading a
// device or a pipe may never end. A path that the user names may be a pipe.
func regular(path string) error {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return fmt.Errorf("cannot be opened: %w", withoutPath(err))
	case !info.Mode().IsRegular():
		return errors.New("is not a regular file")
	}
	return nil
}

func (r *Input) open(path, found string) {
	file, err := os.Open(path)
	if err != nil {
		r.problem(path, "cannot be opened: %v", withoutPath(err))
		return
	}
	defer func() { _ = file.Close() }() // nothing was written
	r.file(path, found, file)
}

// file reads one file. found is its absolute path if it was found in a folder.
func (r *Input) file(path, found string, in io.Reader) {
	name := filepath.ToSlash(filepath.Clean(path))
	data, err := content(in)
	if err != nil {
		r.problem(name, "%v", err)
		return
	}
	r.Files++
	changes, err := r.parse(name, data)
	for _, c := range changes {
		r.Changes = append(r.Changes, File{c, stable(path), found})
	}
	if err != nil {
		r.problem(name, "%v", err)
	}
}

// stable returns a name of a file that does not depend on the machine.
func stable(path string) string {
	if filepath.IsAbs(path) || strings.HasPrefix(path, "..") {
		return filepath.Base(path)
	}
	return filepath.ToSlash(filepath.Clean(path))
}

// withoutPath returns an error of the file system without the path, which the place names.
func withoutPath(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}

// content reads a file, inflated if it is gzipped, without a byte order mark.
func content(in io.Reader) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(in, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("cannot be read: %w", withoutPath(err))
	}
	if bytes.HasPrefix(data, []byte("\x1f\x8b")) {
		z, err := gzip.NewReader(bytes.NewReader(data))
		if err == nil {
			data, err = io.ReadAll(io.LimitReader(z, maxFile+1))
		}
		if err != nil {
			return nil, fmt.Errorf("cannot be inflated: %w", err)
		}
	}
	if len(data) > maxFile {
		return nil, fmt.Errorf("is longer than %d MB", maxFile>>20)
	}
	return bytes.TrimPrefix(data, []byte("\ufeff")), nil
}

// parse reads a plan or a template, by its content.
func (r *Input) parse(name string, data []byte) ([]*planned.Change, error) {
	text := bytes.TrimSpace(data)
	start := func(prefixes ...string) bool {
		return slices.ContainsFunc(prefixes, func(p string) bool { return bytes.HasPrefix(text, []byte(p)) })
	}
	switch {
	case len(text) == 0:
		return nil, errors.New("is empty: " + wantInput)
	case start("PK\x03\x04"):
		return nil, fmt.Errorf("is a binary plan, or another zip archive: run: terraform show -json %s > plan.json", shown(name))
	case start("\xff\xfe", "\xfe\xff"):
		return nil, errors.New("is UTF-16: want UTF-8 (Windows PowerShell: terraform show -json PLANFILE | Out-File -Encoding utf8 plan.json)")
	case bytes.IndexByte(data, 0) >= 0:
		return nil, errors.New("is a binary file: " + wantInput)
	case start("[command]"):
		return nil, errors.New(`begins with "[command]", which the wrapper of setup-terraform prints: set terraform_wrapper: false, or run: terraform-bin show -json PLANFILE > plan.json`)
	case start("Terraform used the selected", "Terraform will perform", "OpenTofu used the selected", "OpenTofu will perform", "No changes.", "An execution plan has been", "Refreshing Terraform state"):
		return nil, errors.New("is a plan as text: run: terraform show -json PLANFILE > plan.json")
	case strings.HasSuffix(name, ".tf") || strings.HasSuffix(name, ".tofu"):
		return nil, errors.New("is Terraform's source, which says only in a plan what it makes: run: terraform plan -out PLANFILE && terraform show -json PLANFILE > plan.json")
	case text[0] == '[':
		return nil, errors.New("is a JSON list: " + wantInput)
	case text[0] == '{':
		if isPlan(text) {
			return terraform.Read(data, name)
		}
	}
	if body, ok := unwrapped(text); ok {
		text = body
	} else {
		text = data // with the lines in front
	}
	change, err := template.Read(text, name, r.options)
	switch {
	case errors.Is(err, cloudformation.ErrNoResources):
		return nil, errors.New("is neither a plan nor a template, which has a Resources section: " + wantInput)
	case err != nil:
		return nil, fmt.Errorf("cannot be read as a template: %w; %s", err, wantInput)
	}
	return []*planned.Change{change}, nil
}

// unwrapped returns the template in the answer of "aws cloudformation get-template".
func unwrapped(text []byte) ([]byte, bool) {
	var answer struct {
		Body jsontext.Value `json:"TemplateBody"`
	}
	if text[0] != '{' || !bytes.Contains(text[:min(len(text), 200)], []byte(`"TemplateBody"`)) || json.Unmarshal(text, &answer) != nil {
		return nil, false
	}
	var yaml string
	if answer.Body.Kind() == '"' && json.Unmarshal(answer.Body, &yaml) == nil {
		return []byte(yaml), true
	}
	return answer.Body, answer.Body.Kind() == '{'
}

// shown is a file's name in a command to run.
func shown(name string) string {
	if name == "-" {
		return "PLANFILE"
	}
	return name
}

// isPlan reports whether a JSON object is something that Terraform has written, by its
// first known member.
func isPlan(data []byte) bool {
	dec := jsontext.NewDecoder(bytes.NewBuffer(data), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	if _, err := dec.ReadToken(); err != nil {
		return false
	}
	for dec.PeekKind() == '"' {
		name, err := dec.ReadToken()
		if err != nil {
			return false
		}
		switch name.String() {
		case "format_version", "terraform_version", "resource_changes", "planned_values", "prior_state", "resource_drift", "provider_schemas", "lineage", "@level":
			return true
		case "Resources", "AWSTemplateFormatVersion", "Transform", "Parameters":
			return false
		}
		if err := dec.SkipValue(); err != nil {
			return false
		}
	}
	return false
}
