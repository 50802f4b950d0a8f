package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"debug/buildinfo"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const date = "2027-01-31T09:30:00Z"

// staged makes a folder as `make package` does, with the modes and times that a machine happens to give.
func staged(t *testing.T, program []byte, mode fs.FileMode, at time.Time) string {
	t.Helper()
	dir := t.TempDir()
	for folder, name := range map[string]string{
		"functions/detect-arm64": "bootstrap", "functions/remediate-arm64": "bootstrap",
		"functions/sweep-arm64": "bootstrap", "functions/slack-arm64": "bootstrap", "functions/hook-arm64": "bootstrap", "functions/outlets-arm64": "bootstrap",
		"cli/linux-amd64": "sgward", "cli/windows-arm64": "sgward.exe",
	} {
		into := filepath.Join(dir, filepath.FromSlash(folder))
		require.NoError(t, os.MkdirAll(into, 0o700))
		for _, f := range []file{{"THIRD_PARTY_LICENSES", []byte("texts\n")}, {name, program}} {
			path := filepath.Join(into, f.name)
			require.NoError(t, os.WriteFile(path, f.content, mode))
			require.NoError(t, os.Chmod(path, mode))
			require.NoError(t, os.Chtimes(path, at, at))
		}
	}
	return dir
}

// program is the smallest Go program: its build information is read.
var program = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "program")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	source := filepath.Join(dir, "main.go")
	if err := os.WriteFile(source, []byte("package main\n\nfunc main() {}\n"), 0o600); err != nil {
		return nil, err
	}
	path := filepath.Join(dir, "program")
	if out, err := exec.Command("go", "build", "-ldflags", "-s -w", "-o", path, source).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%w: %s", err, out)
	}
	return os.ReadFile(path)
})

// packed makes a release of a folder, and returns its files.
func packed(t *testing.T, from string) map[string][]byte {
	t.Helper()
	r := release{from: from, to: filepath.Join(t.TempDir(), "dist"), version: "v1.2.3"}
	require.NoError(t, r.run(date))
	entries, err := os.ReadDir(r.to)
	require.NoError(t, err)
	files := map[string][]byte{}
	for _, entry := range entries {
		files[entry.Name()], err = os.ReadFile(filepath.Join(r.to, entry.Name()))
		require.NoError(t, err)
	}
	return files
}

func TestARelease(t *testing.T) {
	one, err := program()
	require.NoError(t, err)
	t.Chdir("../..")
	files := packed(t, staged(t, one, 0o700, time.Now()))

	t.Run("the same programs give the same bytes", func(t *testing.T) {
		again := packed(t, staged(t, one, 0o666, time.Now().Add(-1000*time.Hour)))
		require.Len(t, again, len(files))
		for name, content := range files {
			assert.True(t, bytes.Equal(content, again[name]), name)
		}
	})

	t.Run("Lambda can run what is in a zip", func(t *testing.T) {
		content := files["sgward-v1.2.3-lambda-detect-arm64.zip"]
		archive, err := zip.NewReader(bytes.NewReader(content), int64(len(content)))
		require.NoError(t, err)
		modes := map[string]fs.FileMode{}
		for _, f := range archive.File {
			modes[f.Name] = f.Mode()
			assert.Equal(t, date, f.Modified.UTC().Format(time.RFC3339))
		}
		assert.Equal(t, map[string]fs.FileMode{"bootstrap": 0o755, "THIRD_PARTY_LICENSES": 0o644}, modes)
	})

	t.Run("an archive has one folder, with the manual", func(t *testing.T) {
		uncompressed, err := gzip.NewReader(bytes.NewReader(files["sgward-v1.2.3-linux-amd64.tar.gz"]))
		require.NoError(t, err)
		contents := map[string]string{}
		for archive := tar.NewReader(uncompressed); ; {
			header, err := archive.Next()
			if err == io.EOF { //nolint:errorlint // as tar documents it
				break
			}
			require.NoError(t, err)
			inside, ok := strings.CutPrefix(header.Name, "sgward-v1.2.3-linux-amd64/")
			require.True(t, ok, header.Name)
			assert.Equal(t, inside == "sgward", header.FileInfo().Mode() == 0o755, header.Name)
			content, err := io.ReadAll(archive)
			require.NoError(t, err)
			contents[inside] = string(content)
		}
		assert.Equal(t, string(one), contents["sgward"])
		assert.Contains(t, contents["man/man1/sgward-policy-lint.1"], `.TH "SGWARD-POLICY-LINT" "1" "Jan 2027" "sgward v1.2.3"`)
		for name, has := range map[string]string{
			"sgward.bash": "complete -o default", "_sgward": "#compdef sgward", "sgward.fish": "complete -c sgward", "sgward.ps1": "Register-ArgumentCompleter",
		} {
			assert.True(t, strings.Contains(contents["completions/"+name], has), name) //nolint:testifylint // contains: a failure would print the script
		}
		for _, name := range []string{"LICENSE", "THIRD_PARTY_LICENSES", "CHANGELOG.md", "policy.yaml", "policy_test.yaml"} {
			assert.NotEmpty(t, contents[name], name)
		}
	})

	t.Run("every file that the pages of a release name is there", func(t *testing.T) {
		install, err := os.ReadFile("docs/INSTALL.md")
		require.NoError(t, err)
		rollout, err := os.ReadFile("docs/ORGANISATION.md")
		require.NoError(t, err)
		_, needed, found := strings.Cut(string(rollout), "the files of a release: ")
		require.True(t, found)
		needed, _, _ = strings.Cut(needed, "\n\n")
		table, _, _ := strings.Cut(string(install), "\n## ")
		for line := range strings.Lines(table) {
			if row, isRow := strings.CutPrefix(line, "| "); isRow {
				name, _, _ := strings.Cut(row, " | ")
				needed += name
			}
		}
		named := regexp.MustCompile("`([^`]*[.][^`]*|SHA256SUMS)`").FindAllStringSubmatch(needed, -1)
		assert.GreaterOrEqual(t, len(named), 8, "the pages were read")
		for _, m := range named {
			pattern := strings.NewReplacer("VERSION", "v1.2.3", "FUNCTION", "*", "ARCH", "*", "OS", "*", "PROGRAM", "*").Replace(m[1])
			if strings.HasPrefix(pattern, ".") {
				pattern = "*" + pattern // such as .zip for Windows
			}
			there := 0
			for name := range files {
				if fits, err := path.Match(pattern, name); err == nil && fits {
					there++
				}
			}
			assert.Positive(t, there, "%s is not in the release", m[1])
		}
	})

	t.Run("every file has its checksum", func(t *testing.T) {
		for name := range files {
			assert.Equal(t, name != "SHA256SUMS", strings.Contains(string(files["SHA256SUMS"]), "  "+name+"\n"), name)
		}
	})
}

func TestTheTemplateAloneIsThatOfTheRelease(t *testing.T) {
	one, err := program()
	require.NoError(t, err)
	t.Chdir("../..")
	alone := filepath.Join(t.TempDir(), "sgward.yaml")
	require.NoError(t, (&release{version: "v1.2.3"}).lone(alone))
	content, err := os.ReadFile(alone)
	require.NoError(t, err)
	assert.True(t, bytes.Equal(packed(t, staged(t, one, 0o700, time.Now()))["sgward.yaml"], content))
}

func TestAReleaseThatLacksSomethingIsNotMade(t *testing.T) {
	one, err := program()
	require.NoError(t, err)
	t.Chdir("../..")
	for want, change := range map[string]func(*release, *string){
		`-version "": want a version such as v1.2.3`:     func(r *release, _ *string) { r.version = "" },
		`-version "v1/2": want a version such as v1.2.3`: func(r *release, _ *string) { r.version = "v1/2" },
		`want the date of the commit such as`:            func(_ *release, date *string) { *date = "yesterday" },
		`holds no functions: run make package`:           func(r *release, _ *string) { r.from = t.TempDir() },
		`template.yaml has a function sweep, and `:       func(r *release, _ *string) { _ = os.RemoveAll(filepath.Join(r.from, "functions", "sweep-arm64")) },
		`bootstrap: no such file or directory`: func(r *release, _ *string) {
			_ = os.Remove(filepath.Join(r.from, "functions", "detect-arm64", "bootstrap"))
		},
	} {
		t.Run(want, func(t *testing.T) {
			r, date := release{from: staged(t, one, 0o644, time.Now()), to: t.TempDir(), version: "v1.2.3"}, date
			change(&r, &date)
			require.ErrorContains(t, r.run(date), want)
		})
	}
}

func TestABillNamesTheModulesThatAreLinked(t *testing.T) {
	self, err := os.Executable() // it links what this command links, and what its tests do
	require.NoError(t, err)
	encoded, err := billOf("cli", "v1.2.3", time.Date(2027, 1, 31, 9, 30, 0, 0, time.UTC), []string{self, self})
	require.NoError(t, err)
	var bill struct {
		BOMFormat  string `json:"bomFormat"`
		Metadata   struct{ Timestamp string }
		Components []struct {
			Name, PURL string
			Hashes     []struct{ Alg, Content string }
		}
		Dependencies []struct {
			Ref       string
			DependsOn []string `json:"dependsOn"`
		}
	}
	require.NoError(t, json.Unmarshal(encoded, &bill))
	assert.Equal(t, "CycloneDX", bill.BOMFormat)
	assert.Equal(t, date, bill.Metadata.Timestamp)
	info, err := buildinfo.ReadFile(self)
	require.NoError(t, err)
	want := map[string]int{"std": 0} // Go records no sum of its library
	for _, m := range info.Deps {
		want[m.Path] = 1
	}
	require.Contains(t, want, "github.com/spf13/cobra")
	got := map[string]int{}
	for _, c := range bill.Components {
		got[c.Name] += len(c.Hashes)
		assert.True(t, strings.HasPrefix(c.PURL, "pkg:golang/"+c.Name+"@"), c.PURL)
		for _, h := range c.Hashes {
			assert.Len(t, h.Content, 64)
		}
	}
	assert.Equal(t, want, got)
	require.Len(t, bill.Dependencies, 1)
	assert.Len(t, bill.Dependencies[0].DependsOn, len(want))
}
