// Command package packs a release: archives of what `make package` has built, the templates for CloudFormation without SAM, a bill of
// materials for each program, and the checksums of all of it.
//
//	go run ./cmd/package -from build/package -to dist -version v1.2.3 -date 2027-01-31T09:30:00Z
//
// The folder -from holds functions/NAME-ARCH and cli/OS-ARCH, each with a program and the files that go with it. It runs at the root of
// the module. The same programs and flags give the same bytes: no clock, no modes and no order of this machine reach the archives.
package main

import (
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"sgward/internal/cli"
)

// release is one release on its way into a folder.
type release struct {
	from, to string
	version  string
	date     time.Time // of every file in the archives
	written  []string  // names in the folder
}

func main() {
	var r release
	var date, template string
	flag.StringVar(&r.from, "from", "build/package", "the folder with functions/NAME-ARCH and cli/OS-ARCH")
	flag.StringVar(&r.to, "to", "dist", "the folder to write")
	flag.StringVar(&r.version, "version", "", "the version, which the names of the archives hold")
	flag.StringVar(&date, "date", "", "the date of the commit, RFC 3339")
	flag.StringVar(&template, "template", "", "write the template of a release into this file and make nothing else, for linters")
	flag.Parse()
	run := func() error { return r.run(date) }
	if template != "" {
		run = func() error { return r.lone(template) }
	}
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "package:", err)
		os.Exit(1)
	}
}

// A version is part of file names and of keys in S3.
var versions = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._+-]*$`)

func (r *release) run(date string) error {
	if !versions.MatchString(r.version) {
		return fmt.Errorf("-version %q: want a version such as v1.2.3", r.version)
	}
	var err error
	if r.date, err = time.Parse(time.RFC3339, date); err != nil {
		return fmt.Errorf("-date: %w: want the date of the commit such as 2027-01-31T09:30:00Z (make package takes it from git, or from COMMIT_DATE)", err)
	}
	if err := os.MkdirAll(r.to, 0o755); err != nil { //nolint:gosec // G301: a release is for everybody
		return err
	}
	for _, step := range []func() error{r.packFunctions, r.packCommandLine, r.writeTemplate, r.copyTemplates, r.writeChecksums} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// lone writes sgward.yaml alone, without the functions that it names.
func (r *release) lone(file string) error {
	translated, _, err := r.template()
	if err != nil {
		return err
	}
	return os.WriteFile(file, translated.full, 0o644) //nolint:gosec // G306: a release is for everybody
}

// template is template.yaml as CloudFormation takes it without SAM, and the names of its functions.
func (r *release) template() (translated templates, functions []string, err error) {
	source, err := os.ReadFile("template.yaml")
	if err != nil {
		return templates{}, nil, err
	}
	if translated, functions, err = translate(source, r.version, r.lambda); err != nil {
		return templates{}, nil, fmt.Errorf("translating template.yaml: %w", err)
	}
	return translated, functions, nil
}

// write puts a file into the release.
func (r *release) write(name string, content []byte) error {
	r.written = append(r.written, name)
	return os.WriteFile(filepath.Join(r.to, name), content, 0o644) //nolint:gosec // G306: a release is for everybody
}

// name is the name of a file of the release.
func (r *release) name(rest string) string { return "sgward-" + r.version + "-" + rest }

// lambda is the beginning of the names of a function's zips.
func (r *release) lambda(function string) string { return r.name("lambda-" + function) }

// packFunctions writes a zip for each function and architecture, as Lambda takes it.
func (r *release) packFunctions() error {
	folders, err := filepath.Glob(filepath.Join(r.from, "functions", "*-*"))
	if err != nil {
		return err
	}
	if len(folders) == 0 {
		return fmt.Errorf("%s holds no functions: run make package", r.from)
	}
	programs := map[string][]string{}
	for _, folder := range folders {
		files, err := filesIn(folder)
		if err != nil {
			return err
		}
		packed, err := zipped(files, r.date)
		if err != nil {
			return err
		}
		if err := r.write(r.lambda(filepath.Base(folder))+".zip", packed); err != nil {
			return err
		}
		function, _, _ := strings.Cut(filepath.Base(folder), "-")
		programs[function] = append(programs[function], filepath.Join(folder, "bootstrap"))
	}
	return r.writeBills(programs)
}

// packCommandLine writes an archive of the command line for each platform.
func (r *release) packCommandLine() error {
	folders, err := filepath.Glob(filepath.Join(r.from, "cli", "*-*"))
	if err != nil || len(folders) == 0 {
		return err
	}
	manual, err := manual(cli.Command(cli.Build{Version: r.version}), r.version, r.date)
	if err != nil {
		return err
	}
	var programs []string
	for _, folder := range folders {
		platform := filepath.Base(folder)
		files, err := filesIn(folder)
		if err != nil {
			return err
		}
		files = append(files, manual...)
		for _, name := range []string{"LICENSE", "CHANGELOG.md", "policy.yaml", "policy_test.yaml"} {
			content, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			files = append(files, file{name, content})
		}
		// One folder in the archive: nothing is scattered where it is unpacked.
		inside := r.name(platform)
		for i := range files {
			files[i].name = inside + "/" + files[i].name
		}
		program, archive, pack := "sgward", inside+".tar.gz", tarred
		if strings.HasPrefix(platform, "windows-") {
			program, archive, pack = "sgward.exe", inside+".zip", zipped
		}
		packed, err := pack(files, r.date)
		if err != nil {
			return err
		}
		if err := r.write(archive, packed); err != nil {
			return err
		}
		programs = append(programs, filepath.Join(folder, program))
	}
	return r.writeBills(map[string][]string{"cli": programs})
}

// writeTemplate writes sgward.yaml and sgward-body.yaml, whose functions have to be there.
func (r *release) writeTemplate() error {
	translated, functions, err := r.template()
	if err != nil {
		return err
	}
	for _, function := range functions {
		if built, err := filepath.Glob(filepath.Join(r.from, "functions", function+"-*")); err != nil || len(built) == 0 {
			return errors.Join(err, fmt.Errorf("template.yaml has a function %s, and %s does not", function, filepath.Join(r.from, "functions")))
		}
	}
	if len(translated.body) > mostTemplate {
		return fmt.Errorf("sgward-body.yaml has %d bytes, and CloudFormation takes no TemplateBody over %d: shorten template.yaml", len(translated.body), mostTemplate)
	}
	return errors.Join(r.write("sgward.yaml", translated.full), r.write("sgward-body.yaml", translated.body))
}

// copyTemplates puts the templates into the release that need no translation.
func (r *release) copyTemplates() error {
	for _, name := range []string{"alerts.yaml", "dashboard.yaml"} {
		content, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		if err := r.write(name, content); err != nil {
			return err
		}
	}
	return nil
}

// writeChecksums writes what `sha256sum --check SHA256SUMS` reads.
func (r *release) writeChecksums() error {
	var sums strings.Builder
	for _, name := range r.written {
		content, err := os.ReadFile(filepath.Join(r.to, name))
		if err != nil {
			return err
		}
		fmt.Fprintf(&sums, "%x  %s\n", sha256.Sum256(content), name)
	}
	return r.write("SHA256SUMS", []byte(sums.String()))
}
