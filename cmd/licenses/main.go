// Command licenses writes the licence texts of everything that a Go binary links into the
// file THIRD_PARTY_LICENSES beside it, because most licences must accompany the binary.
//
//	go run ./cmd/licenses BINARY...
//
// It runs in the module that the binary was built from, with the Go that built it: the
// texts are those of the module cache. A module without a text is an error.
package main

import (
	"bytes"
	"debug/buildinfo"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"
)

// fileName is the name of the file written beside a binary.
const fileName = "THIRD_PARTY_LICENSES"

// goLicense is Go's own, because some installations of Go lack the file.
//
//go:embed GO_LICENSE
var goLicense []byte

// legal matches the names of files that hold licences and notices.
var legal = regexp.MustCompile(`(?i)^(licen[cs]e|copying|notice|patents)([-._].*)?$`)

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: licenses BINARY...")
		os.Exit(2)
	}
	for _, binary := range os.Args[1:] {
		if err := write(binary); err != nil {
			fmt.Fprintln(os.Stderr, "licenses:", err)
			os.Exit(1)
		}
	}
}

func write(binary string) error {
	info, err := buildinfo.ReadFile(binary)
	if err != nil {
		return fmt.Errorf("reading %s: %w", binary, err)
	}
	texts, err := collect(info)
	if err != nil {
		return fmt.Errorf("collecting the licences of %s: %w", binary, err)
	}
	// Readable by the user that Lambda runs functions as.
	return os.WriteFile(filepath.Join(filepath.Dir(binary), fileName), format(texts), 0o644) //nolint:gosec // G306: see above
}

// text is the content of a licence file, with the modules that it covers.
type text struct {
	content []byte
	of      []string // "module version: file"
}

// linked is the output of go list for one package.
type linked struct {
	Dir      string
	Standard bool
	Module   *struct{ Path, Version, Dir string }
}

// collect returns the texts of all modules that the binary links, and of Go.
func collect(info *debug.BuildInfo) ([]text, error) {
	packages, root, err := list(info)
	if err != nil {
		return nil, err
	}
	var texts []text
	found := map[string]bool{} // modules that have a text
	add := func(owner, name string, content []byte) {
		found[owner] = true
		label := owner + ": " + name
		i := slices.IndexFunc(texts, func(t text) bool { return bytes.Equal(t.content, content) })
		if i < 0 {
			texts = append(texts, text{content, []string{label}})
		} else if !slices.Contains(texts[i].of, label) {
			texts[i].of = append(texts[i].of, label)
		}
	}
	goOwner := "Go " + info.GoVersion
	for _, p := range packages {
		owner, top := goOwner, root
		if p.Module != nil {
			owner, top = strings.TrimSpace(p.Module.Path+" "+p.Module.Version), p.Module.Dir
		}
		// A folder inside a module may have a licence of its own.
		for dir := p.Dir; strings.HasPrefix(dir, top); dir = filepath.Dir(dir) {
			if err := read(dir, top, owner, add); err != nil {
				return nil, err
			}
		}
	}
	if !found[goOwner] {
		add(goOwner, "LICENSE", goLicense)
	}
	for _, m := range info.Deps {
		if m.Replace != nil {
			m = m.Replace
		}
		if !found[m.Path+" "+m.Version] {
			return nil, fmt.Errorf("module %s %s has no licence text", m.Path, m.Version)
		}
	}
	slices.SortFunc(texts, func(a, b text) int { return strings.Compare(a.of[0], b.of[0]) })
	return texts, nil
}

// read passes the licence files of one folder to add.
func read(dir, top, owner string, add func(owner, name string, content []byte)) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if entry.IsDir() || !legal.MatchString(entry.Name()) || strings.HasSuffix(entry.Name(), ".go") {
			continue
		}
		content, err := os.ReadFile(filepath.Join(dir, entry.Name()))
		if err != nil {
			return err
		}
		name, err := filepath.Rel(top, filepath.Join(dir, entry.Name()))
		if err != nil {
			return err
		}
		add(owner, filepath.ToSlash(name), content)
	}
	return nil
}

// list returns the linked packages, and the root of the Go that built the binary.
func list(info *debug.BuildInfo) (packages []linked, root string, err error) {
	env := os.Environ()
	args := []string{"list", "-deps", "-json=Dir,Standard,Module"}
	for _, s := range info.Settings {
		switch s.Key {
		case "GOOS", "GOARCH", "CGO_ENABLED":
			env = append(env, s.Key+"="+s.Value)
		case "-tags":
			args = append(args, "-tags", s.Value)
		}
	}
	out, err := run(env, append(args, info.Path)...)
	if err != nil {
		return nil, "", err
	}
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p linked
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, "", fmt.Errorf("reading the list of packages: %w", err)
		}
		packages = append(packages, p)
	}
	out, err = run(env, "env", "GOVERSION", "GOROOT")
	if err != nil {
		return nil, "", err
	}
	version, root, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
	if version != info.GoVersion {
		return nil, "", fmt.Errorf("it was built with %s, and here is %s", info.GoVersion, version)
	}
	return packages, root, nil
}

func run(env []string, args ...string) ([]byte, error) {
	cmd := exec.Command("go", args...) //nolint:gosec // G702: the arguments are those of a binary of this build
	cmd.Env = env
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("running go %s: %w: %s", args[0], err, stderr.Bytes())
	}
	return out, nil
}

// format writes each text once, under the modules that it covers.
func format(texts []text) []byte {
	var b bytes.Buffer
	b.WriteString("This program links the works below. Each text stands once, after all that it was found with.\n")
	for _, t := range texts {
		fmt.Fprintf(&b, "\n%s\n", strings.Repeat("=", 80))
		for _, of := range t.of {
			fmt.Fprintln(&b, of)
		}
		fmt.Fprintf(&b, "%s\n\n%s\n", strings.Repeat("-", 80), bytes.TrimRight(t.content, "\n"))
	}
	return b.Bytes()
}
