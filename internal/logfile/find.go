package logfile

import (
	"cmp"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// stdinName is how standard input is typed, and named.
const stdinName = "-"

// Found is what Find makes of the paths that were typed.
type Found struct {
	// Sources are what can be read, in the order of their names.
	Sources []Source
	// PassedOver are the files and folders that are no histories by their names, in the
	// order of their names.
	PassedOver []PassedOver
	// Problems are the paths that could not be looked into, in their order.
	Problems []Problem
}

// Find looks for sources in paths: files, folders with all that is below them, and "-"
// for stdin. A file that was named itself is a source whatever it is called; in
// folders those are that end in .json, .jsonl or .ndjson, with or without .gz, and are
// no digests of CloudTrail's. It follows symbolic links, into each folder once, and
// takes what was named twice once. Find reads folders but no file. What cannot be
// looked into is a Problem, and so is a folder with nothing to read; neither keeps
// anything else from being found. The order of paths
// makes no difference.
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
	slices.SortFunc(f.PassedOver, func(a, b PassedOver) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortFunc(f.Problems, func(a, b Problem) int { return cmp.Compare(a.Source, b.Source) })
	return f.Found
}

type finder struct {
	Found
	folders map[string]string // that were walked, by their real paths, with their names
	named   map[string]bool   // files that were named themselves, by their real paths
	held    int               // what may be histories, or cannot be looked into, in folders
}

// real returns one path for all the ways to name a file.
func real(path string) string {
	if resolved, err := filepath.EvalSymlinks(path); err == nil {
		path = resolved
	}
	if absolute, err := filepath.Abs(path); err == nil {
		path = absolute
	}
	return path
}

func (f *finder) seen(path string) bool {
	before := f.named[path]
	f.named[path] = true
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
	f.Problems = append(f.Problems, Problem{Source: name, Text: "cannot be looked into: " + reasonOf(err).Error()})
}

func (f *finder) pass(name, reason string) {
	f.PassedOver = append(f.PassedOver, PassedOver{Name: name, Reason: reason})
}

// walk takes what is in a folder and below. It returns false for one that it has
// walked before.
func (f *finder) walk(folder string) bool {
	path := real(folder)
	if other, walked := f.folders[path]; walked {
		f.pass(folder, "is the same folder as "+other)
		return false
	}
	f.folders[path] = folder
	entries, err := os.ReadDir(folder) // sorted, and what could be read in spite of an error
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
		case strings.Contains(entry.Name(), "CloudTrail-Digest"):
			f.pass(name, "is a digest of CloudTrail's, which holds no records")
		case info.IsDir():
			f.walk(name)
		case !info.Mode().IsRegular():
			f.pass(name, "is no regular file")
		case !holdsJSON(entry.Name()):
			f.pass(name, "ends neither in .json, .jsonl nor .ndjson, with or without .gz")
		default:
			f.held++
			if !f.named[filepath.Join(path, entry.Name())] {
				f.add(name, info)
			}
		}
	}
	return true
}

// holdsJSON tells whether a file may be a source by its name.
func holdsJSON(name string) bool {
	name = strings.TrimSuffix(strings.ToLower(name), ".gz")
	return slices.Contains([]string{".json", ".jsonl", ".ndjson"}, filepath.Ext(name))
}
