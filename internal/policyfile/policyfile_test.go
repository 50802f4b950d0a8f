package policyfile

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/policy"
)

const sound = `version: 1
world: {ipv4: 9, ipv6: 32}
statements:
  - {id: world-open, severity: low, effect: alert, ingress: {from: world}}
`

var quiet = slog.New(slog.DiscardHandler)

func environment(values map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		v, ok := values[name]
		return v, ok
	}
}

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "own.yaml")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

func TestTheVariableNamesTheFile(t *testing.T) {
	var log bytes.Buffer
	path := write(t, sound)
	p, err := Load(environment(map[string]string{Variable: path}), slog.New(slog.NewJSONHandler(&log, nil)), "mode", "observe")
	require.NoError(t, err)
	assert.Equal(t, "own.yaml", p.File(), "reasons cite the base name")
	assert.Equal(t, "1 statement, 0 exceptions", p.Summary())

	var line map[string]any
	require.NoError(t, json.Unmarshal(log.Bytes(), &line), "one line")
	delete(line, "time")
	assert.Equal(t, map[string]any{"level": "INFO", "msg": "policy loaded", "policyDigest": fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(sound))),
		"file": path, "statements": 1.0, "exceptions": 0.0, "mode": "observe"}, line)
}

func TestALayerWithoutAPolicyIsNamed(t *testing.T) {
	var log bytes.Buffer
	layer := t.TempDir()
	path := filepath.Join(layer, InLayer)
	p, err := Load(environment(map[string]string{Variable: path}), slog.New(slog.NewJSONHandler(&log, nil)))
	assert.Nil(t, p)
	require.ErrorIs(t, err, os.ErrNotExist)
	assert.ErrorContains(t, err, path)
	assert.ErrorContains(t, err, "the layer of PolicyLayerArn holds no policy: want sgward/policy.yaml in it")
	assert.Empty(t, log.String(), "nothing was loaded")

	require.NoError(t, os.Mkdir(filepath.Dir(path), 0o700))
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	_, err = Load(environment(map[string]string{Variable: path}), quiet)
	assert.ErrorContains(t, err, "policy.yaml:1: ", "an empty policy is not sound")
}

func TestWithoutTheVariableThePolicyStandsBesideTheBinary(t *testing.T) {
	executable, err := os.Executable()
	require.NoError(t, err)
	beside := filepath.Join(filepath.Dir(executable), "policy.yaml")
	_, err = Load(environment(nil), quiet)
	require.ErrorIs(t, err, os.ErrNotExist)
	assert.ErrorContains(t, err, beside, "the error says which file is missing")

	require.NoError(t, os.WriteFile(beside, []byte(sound), 0o600))
	t.Cleanup(func() { assert.NoError(t, os.Remove(beside)) })
	p, err := Load(environment(nil), quiet)
	require.NoError(t, err)
	assert.Equal(t, "policy.yaml", p.File())
}

func TestAnEmptyVariableIsAnErrorAndNoDefault(t *testing.T) {
	p, err := Load(environment(map[string]string{Variable: ""}), quiet)
	assert.Nil(t, p)
	assert.EqualError(t, err, "reading POLICY_FILE: it is set but empty: want the path of a policy file, or no such variable")
}

func TestAFileThatIsNotThereIsNamed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "none.yaml")
	p, err := Read(path)
	assert.Nil(t, p)
	assert.ErrorIs(t, err, os.ErrNotExist)
	assert.ErrorContains(t, err, path)
	_, err = Read(filepath.Dir(path))
	assert.Error(t, err, "a folder is no policy")
}

func TestEveryProblemOfTheFileIsInTheError(t *testing.T) {
	path := write(t, "version: 2\nworld: {ipv4: 9, ipv6: 32}\nstatements: []\n")
	p, err := Read(path)
	assert.Nil(t, p)
	var problems policy.Problems
	require.ErrorAs(t, err, &problems)
	assert.Len(t, problems, 2)
	assert.ErrorContains(t, err, path)
	assert.ErrorContains(t, err, "own.yaml:1: version: want 1, found \"2\"")
	assert.ErrorContains(t, err, "own.yaml:3: statements is empty")
}
