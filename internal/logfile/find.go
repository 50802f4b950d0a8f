package logfile

import (
	"cmp"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// stdinName is standard input on the command line and in messages.
const stdinName = "-"

// Found is the result of Find.
type Found struct {
	// Sources are the readable sources, sorted by name.
	Sources []Source
	// Ignored are the files and folders that are not histories by their names, sorted.
	Ignored []Ignored
	// Problems are the paths that could not be opened, sorted.
	Problems []Problem
}

// Find looks for sources in paths: files, folders with all below them, and "-" for stdin.
//
//   - A file named itself is a source. In folders, sources end in .json, .jsonl or .ndjson,
//     with or without .gz, and are not CloudTrail digests.
//   - It follows symbolic links, into each folder once; each file is a source once.
//   - It reads folders but no files.
//   - A path that cannot be opened is a Problem, and so is a folder without sources;
//     the others are still found. The order of paths does not matter.
func Find(paths []string, stdin io.Reader) Found {
	f := finder{folders: map[string]string{}, named: map[string]bool{}}
	var folders []string
	for _, p := range slices.Sorted(slices.Values(paths)) {
		switch info, err := os.Stat(p); {
		case p == stdinName:
			if !f.seen(p) {
				f.Sources = append(f.Sources, Source{Name: p, Size: -1, stdin: stdin})
			}
		case err != nil:
			f.problem(p, err)
		case info.IsDir():
			folders = append(folders, p)
		case !f.seen(real(p)):
			f.add(filepath.Clean(p), info)
		}
	}
	for _, p := range folders {
		p = filepath.Clean(p)
		if before := f.held; f.walk(p) && f.held == before {
			f.Problems = append(f.Problems, Problem{Source: p, Text: "holds nothing to read: want files whose names end in .json, .jsonl or .ndjson, with or without .gz"})
		}
	}
	slices.SortFunc(f.Sources, func(a, b Source) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortFunc(f.Ignored, func(a, b Ignored) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortFunc(f.Problems, func(a, b Problem) int { return cmp.Compare(a.Source, b.Source) })
	return f.Found
}

type finder struct {
	Found
	folders map[string]string // folders walked, by real path, with their names
	named   map[string]bool   // files named themselves, by real path
	held    int               // possible histories, and paths that cannot be opened, in folders
}

// real returns one path for all spellings of a file's path.
func real(name string) string {
	if resolved, err := filepath.EvalSymlinks(name); err == nil {
		name = resolved
	}
	if absolute, err := filepath.Abs(name); err == nil {
		name = absolute
	}
	return name
}

func (f *finder) seen(name string) bool {
	before := f.named[name]
	f.named[name] = true
	return before
}

func (f *finder) add(name string, info fs.FileInfo) {
	size := int64(-1)
	if info.Mode().IsRegular() {
		size = info.Size()
	}
	f.Sources = append(f.Sources, Source{Name: name, Size: size})
}

func (f *finder) problem(name string, err error) {
	why := "cannot be opened: " + reasonOf(err).Error()
	if errors.Is(err, fs.ErrNotExist) {
		why = "does not exist"
	}
	f.Problems = append(f.Problems, Problem{Source: name, Text: why})
}

func (f *finder) pass(name, reason string) {
	f.Ignored = append(f.Ignored, Ignored{Name: name, Reason: reason})
}

// walk adds the sources in a folder and below. It returns false for a folder that it has
// walked before.
func (f *finder) walk(folder string) bool {
	resolved := real(folder)
	if other, walked := f.folders[resolved]; walked {
		f.pass(folder, "is the same folder as "+other)
		return false
	}
	f.folders[resolved] = folder
	entries, err := os.ReadDir(folder) // sorted; on an error, the entries that could be read
	if err != nil {
		f.held++
		f.problem(folder, err)
	}
	for _, entry := range entries {
		name := filepath.Join(folder, entry.Name())
		info, err := os.Stat(name)
		switch {
		case err != nil:
			f.held++
			f.problem(name, err)
		case isDigest(entry.Name()):
			f.pass(name, digestReason)
		case info.IsDir():
			f.walk(name)
		case !info.Mode().IsRegular():
			f.pass(name, "is not a regular file")
		case OtherThanHistory(entry.Name()) != "":
			f.pass(name, OtherThanHistory(entry.Name()))
		default:
			f.held++
			if !f.named[filepath.Join(resolved, entry.Name())] {
				f.add(name, info)
			}
		}
	}
	return true
}

// OtherThanHistory says why the name of a file in a folder or bucket does not make it a source, in
// words that follow the name; "" if it may be one.
func OtherThanHistory(name string) string {
	if isDigest(name) {
		return digestReason
	}
	name = strings.TrimSuffix(strings.ToLower(name), ".gz")
	if !slices.Contains([]string{".json", ".jsonl", ".ndjson"}, path.Ext(name)) {
		return "does not end in .json, .jsonl or .ndjson, with or without .gz"
	}
	return ""
}

const digestReason = "is a CloudTrail digest file, which holds no records"

// isDigest reports whether a file or a folder is one of digests by its name.
func isDigest(name string) bool { return strings.Contains(name, "CloudTrail-Digest") }
