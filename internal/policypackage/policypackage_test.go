package policypackage

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/policy"
	"sgward/internal/policy/document"
	"sgward/internal/policyfile"
)

const sound = "version: 1\nworld: {ipv4: 9, ipv6: 32}\nstatements:\n  - {id: a, severity: low, effect: alert, ingress: {from: world}}\n"

func TestALayerHoldsThePolicyWhereTheFunctionsLook(t *testing.T) {
	data, err := Layer([]byte(sound))
	require.NoError(t, err)
	archive, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	require.NoError(t, err)
	require.Len(t, archive.File, 2)
	held := map[string][]byte{}
	for _, f := range archive.File {
		assert.Equal(t, fs.FileMode(0o644), f.Mode())
		assert.Equal(t, "1980-01-01T00:00:00Z", f.Modified.Format(time.RFC3339))
		assert.Zero(t, f.Flags&8, "the sizes stand before the content")
		r, err := f.Open()
		require.NoError(t, err)
		held[f.Name], err = io.ReadAll(r) // checks the sum too
		require.NoError(t, err)
	}
	assert.Equal(t, sound, string(held["sgward/policy.yaml"]))
	d, err := document.FromJSON("policy.yaml", held["sgward/policy.yaml.json"])
	require.NoError(t, err)
	p, err := policy.Compile(d)
	require.NoError(t, err)
	assert.Equal(t, fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(sound))), p.Digest())
}

func TestAFolderOfAFunctionGetsWhatItReads(t *testing.T) {
	folder := t.TempDir()
	require.NoError(t, Write(folder, "own.yaml", []byte(sound)))
	p, err := policyfile.Read(filepath.Join(folder, "own.yaml"))
	require.NoError(t, err)
	assert.Equal(t, "own.yaml", p.File())
	assert.Equal(t, 1, p.Statements())
}

func TestAPolicyThatIsNotSoundIsNotPackaged(t *testing.T) {
	const unsound = "version: 1\nworld: {ipv4: 9, ipv6: 32}\nstatements: []\n"
	folder := t.TempDir()
	var problems policy.Problems
	require.ErrorAs(t, Write(folder, "own.yaml", []byte(unsound)), &problems)
	assert.Equal(t, "own.yaml:3: statements is empty: a policy without statements allows everything", problems.Error())
	left, err := os.ReadDir(folder)
	require.NoError(t, err)
	assert.Empty(t, left)
	_, err = Layer([]byte(unsound))
	assert.ErrorAs(t, err, &problems)
}

// A layer that is made again has the same bytes, on another machine and day and by another
// release too.
func TestTheBytesOfALayerAreThoseOfItsPolicy(t *testing.T) {
	data, err := Layer([]byte(sound))
	require.NoError(t, err)
	assert.Equal(t, "bc234679f72c6721f17e8647cad1ee7ba5c5f4284fc0f6c6a3b34fe02d9f4703", fmt.Sprintf("%x", sha256.Sum256(data)))
	other, err := Layer([]byte(sound + "\n"))
	require.NoError(t, err)
	assert.NotEqual(t, data, other)
}
