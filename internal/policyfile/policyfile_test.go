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
	"sgward/internal/policy/document"
	"sgward/internal/policyyaml"
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

// write writes a policy, sound or not, and its JSON form.
func write(t *testing.T, path, text string) {
	t.Helper()
	form, err := policyyaml.Document("policy.yaml", []byte(text)).JSON()
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	require.NoError(t, os.WriteFile(document.JSONName(path), form, 0o600))
}

func ownPolicy(t *testing.T, text string) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "own.yaml")
	write(t, path, text)
	return path
}

func TestTheVariableNamesTheFile(t *testing.T) {
	var log bytes.Buffer
	path := ownPolicy(t, sound)
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
	assert.ErrorContains(t, err, "the layer of PolicyLayerArn lacks it: want sgward/policy.yaml and sgward/policy.yaml.json, as \"sgward policy package\" of this release makes them")
	assert.Empty(t, log.String(), "nothing was loaded")

	require.NoError(t, os.Mkdir(filepath.Dir(path), 0o700))
	require.NoError(t, os.WriteFile(path, []byte(sound), 0o600))
	p, err = Load(environment(map[string]string{Variable: path}), quiet)
	assert.Nil(t, p)
	assert.ErrorContains(t, err, "policy.yaml.json: no such file", "a layer of an earlier release")
	assert.ErrorContains(t, err, "as \"sgward policy package\" of this release makes them")
}

func TestWithoutTheVariableThePolicyStandsBesideTheBinary(t *testing.T) {
	executable, err := os.Executable()
	require.NoError(t, err)
	beside := filepath.Join(filepath.Dir(executable), "policy.yaml")
	_, err = Load(environment(nil), quiet)
	require.ErrorIs(t, err, os.ErrNotExist)
	assert.ErrorContains(t, err, beside, "the error says which file is missing")

	write(t, beside, sound)
	t.Cleanup(func() {
		assert.NoError(t, os.Remove(beside))
		assert.NoError(t, os.Remove(document.JSONName(beside)))
	})
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

// What is applied is what people can review beside it.
func TestTheTwoFormsOfAPolicyMustBelongTogether(t *testing.T) {
	for name, c := range map[string]struct {
		damage func(t *testing.T, path string)
		want   []string
	}{
		"another policy beside it": {func(t *testing.T, path string) {
			require.NoError(t, os.WriteFile(path, []byte(sound+"# edited in the console\n"), 0o600))
		}, []string{"own.yaml.json: it was made of another file than own.yaml, which has sha256:"}},
		"no JSON form": {func(t *testing.T, path string) {
			require.NoError(t, os.Remove(document.JSONName(path)))
		}, []string{"own.yaml.json: no such file or directory: want the JSON form of own.yaml beside it"}},
		"a JSON form that is cut": {func(t *testing.T, path string) {
			form, err := os.ReadFile(document.JSONName(path))
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(document.JSONName(path), form[:len(form)/2], 0o600))
		}, []string{"own.yaml.json: at byte ", "not the JSON form of a policy"}},
	} {
		path := ownPolicy(t, sound)
		c.damage(t, path)
		p, err := Read(path)
		assert.Nil(t, p, name)
		for _, want := range append(c.want, `make both with "sgward policy package"`) {
			assert.ErrorContains(t, err, want, name)
		}
	}
}

func TestEveryProblemOfTheFileIsInTheError(t *testing.T) {
	path := ownPolicy(t, "version: 2\nworld: {ipv4: 9, ipv6: 32}\nstatements: []\n")
	p, err := Read(path)
	assert.Nil(t, p)
	var problems policy.Problems
	require.ErrorAs(t, err, &problems)
	assert.Len(t, problems, 2)
	assert.ErrorContains(t, err, path)
	assert.ErrorContains(t, err, "own.yaml:1: version: want 1, found \"2\"")
	assert.ErrorContains(t, err, "own.yaml:3: statements is empty")
}
