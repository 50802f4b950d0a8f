package logfile_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/logfile"
)

const day = "AWSLogs/123456789012/CloudTrail/eu-central-1/2026/11/03/"

// tree writes files of one byte below a new folder, which becomes the working one.
func tree(t *testing.T, files ...string) {
	t.Helper()
	t.Chdir(t.TempDir())
	for _, name := range files {
		require.NoError(t, os.MkdirAll(filepath.Dir(name), 0o700))
		require.NoError(t, os.WriteFile(name, []byte("x"), 0o600))
	}
}

func names(sources []logfile.Source) []string {
	var out []string
	for _, s := range sources {
		out = append(out, filepath.ToSlash(s.Name))
	}
	return out
}

func TestFoldersAreLookedThroughInOrder(t *testing.T) {
	tree(t, "logs/"+day+"b.json.gz", "logs/"+day+"a.JSON", "logs/c.ndjson", "logs/d.jsonl.gz", "logs/README.md", "logs/e.gz", "logs/f.json.zst")
	found := logfile.Find([]string{"logs/"}, nil)
	assert.Equal(t, []string{"logs/" + day + "a.JSON", "logs/" + day + "b.json.gz", "logs/c.ndjson", "logs/d.jsonl.gz"}, names(found.Sources))
	assert.Equal(t, int64(1), found.Sources[0].Size)
	require.Len(t, found.Ignored, 3)
	assert.Equal(t, logfile.Ignored{Name: filepath.Join("logs", "README.md"), Reason: "does not end in .json, .jsonl or .ndjson, with or without .gz"}, found.Ignored[0])
	assert.Empty(t, found.Problems)
}

func TestDigestsArePassedOver(t *testing.T) {
	tree(t, "AWSLogs/123456789012/CloudTrail-Digest/eu-central-1/2026/11/03/d.json.gz", day+"123456789012_CloudTrail-Digest_eu-central-1_x.json.gz", day+"a.json.gz")
	found := logfile.Find([]string{"AWSLogs"}, nil)
	assert.Equal(t, []string{day + "a.json.gz"}, names(found.Sources))
	require.Len(t, found.Ignored, 2)
	assert.Contains(t, found.Ignored[0].Reason, "digest")
	assert.Contains(t, found.Ignored[1].Reason, "digest")
}

func TestWhatWasNamedItselfIsASource(t *testing.T) {
	tree(t, "history.txt", "logs/a.json")
	found := logfile.Find([]string{"./history.txt", "-"}, strings.NewReader(""))
	assert.Equal(t, []string{"-", "history.txt"}, names(found.Sources))
	assert.Equal(t, int64(-1), found.Sources[0].Size)
	assert.Empty(t, found.Ignored)
}

func TestWhatIsNamedTwiceIsTakenOnceWhateverTheOrder(t *testing.T) {
	tree(t, "logs/"+day+"a.json", "logs/b.json")
	paths := []string{"logs", "logs/b.json", "./logs/AWSLogs", "-", "-", "logs/" + day + "a.json", "./logs/b.json"}
	want := logfile.Find(paths, nil)
	assert.Equal(t, []string{"-", "logs/" + day + "a.json", "logs/b.json"}, names(want.Sources))
	slices.Reverse(paths)
	assert.Equal(t, want, logfile.Find(paths, nil))
}

func TestMissingPathIsAProblem(t *testing.T) {
	tree(t, "a.json")
	found := logfile.Find([]string{"b.json", "a.json"}, nil)
	assert.Equal(t, []string{"a.json"}, names(found.Sources))
	assert.Equal(t, []logfile.Problem{{Source: "b.json", Text: "does not exist"}}, found.Problems)
}

func TestSymbolicLinksAreFollowedOnce(t *testing.T) {
	tree(t, "logs/a.json", "elsewhere/b.json")
	for name, target := range map[string]string{"logs/loop": ".", "logs/up": "..", "logs/other": "../elsewhere", "logs/c.json": "../elsewhere/b.json", "logs/gone.json": "nowhere", "logs/self.json": "self.json"} {
		require.NoError(t, os.Symlink(target, name))
	}
	found := logfile.Find([]string{"logs"}, nil)
	assert.Equal(t, []string{"logs/a.json", "logs/c.json", "logs/other/b.json"}, names(found.Sources))
	assert.Contains(t, found.Ignored, logfile.Ignored{Name: filepath.Join("logs", "loop"), Reason: "is the same folder as logs"})
	require.Len(t, found.Problems, 2)
	assert.Equal(t, filepath.Join("logs", "gone.json"), found.Problems[0].Source)
	assert.Equal(t, filepath.Join("logs", "self.json"), found.Problems[1].Source)
}

func TestUnreadableFolderIsAProblemAndNotTheEnd(t *testing.T) {
	tree(t, "logs/closed/a.json", "logs/open/b.json")
	require.NoError(t, os.Chmod("logs/closed", 0))
	t.Cleanup(func() { assert.NoError(t, os.Chmod("logs/closed", fs.FileMode(0o700))) })
	if _, err := os.ReadDir("logs/closed"); err == nil {
		t.Skip("this user may read everything")
	}
	found := logfile.Find([]string{"logs"}, nil)
	assert.Equal(t, []string{"logs/open/b.json"}, names(found.Sources))
	assert.Equal(t, []logfile.Problem{{Source: filepath.Join("logs", "closed"), Text: "cannot be opened: permission denied"}}, found.Problems)
}

func TestAFolderWithNothingToReadIsAProblem(t *testing.T) {
	empty, digests, named := t.TempDir(), t.TempDir(), t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(digests, "123456789012_CloudTrail-Digest_us-east-1.json.gz"), nil, 0o600))
	file := filepath.Join(named, "a.json")
	require.NoError(t, os.WriteFile(file, []byte("[]"), 0o600))
	for _, dir := range []string{empty, digests} {
		found := logfile.Find([]string{dir, dir}, strings.NewReader(""))
		require.Len(t, found.Problems, 1, "once, however often it was named")
		assert.Equal(t, dir, found.Problems[0].Source)
		assert.Contains(t, found.Problems[0].Text, "holds nothing to read: want files whose names end in .json")
	}
	assert.Empty(t, logfile.Find([]string{named, file}, strings.NewReader("")).Problems, "its file was named itself")
}
