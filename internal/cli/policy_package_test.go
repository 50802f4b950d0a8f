package cli

import (
	"archive/zip"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/policyfile"
)

// packaged runs policy package in a folder of its own.
func packaged(t *testing.T, args ...string) (said string, status int) {
	t.Helper()
	var out, errs strings.Builder
	status = Run(t.Context(), Invocation{
		Args: append([]string{"policy", "package"}, args...), Stdin: strings.NewReader(""), Stdout: &out, Stderr: &errs,
		LookupEnv: func(string) (string, bool) { return "", false },
	})
	return out.String() + errs.String(), status
}

func TestALayerHoldsThePolicyByteForByteEveryTime(t *testing.T) {
	policy, err := os.ReadFile("../../policy.yaml")
	require.NoError(t, err)
	t.Chdir(t.TempDir())
	require.NoError(t, os.WriteFile("strict.yaml", policy, 0o600))
	said, status := packaged(t, "--policy", "strict.yaml")
	require.Equal(t, StatusClean, status, said)
	assert.Contains(t, said, fmt.Sprintf("digest: sha256:%x\n", sha256.Sum256(policy)), "which sha256sum prints too")
	archive, err := zip.OpenReader("policy-layer.zip")
	require.NoError(t, err)
	defer func() { _ = archive.Close() }()
	require.Len(t, archive.File, 2, "with its JSON form")
	r, err := archive.File[0].Open()
	require.NoError(t, err)
	got, err := io.ReadAll(r)
	require.NoError(t, err)
	assert.Equal(t, policy, got)

	first, err := os.ReadFile("policy-layer.zip")
	require.NoError(t, err)
	require.NoError(t, os.Mkdir("elsewhere", 0o700))
	require.NoError(t, os.WriteFile(filepath.Join("elsewhere", "policy.yaml"), policy, 0o644))
	_, status = packaged(t, "--policy", "elsewhere/policy.yaml", "--out", "second.zip")
	require.Equal(t, StatusClean, status)
	second, err := os.ReadFile("second.zip")
	require.NoError(t, err)
	assert.Equal(t, first, second, "whatever the file's name, mode and time")
}

func TestTheFoldersOfFunctionsGetThePolicyAndItsJSONForm(t *testing.T) {
	policy, err := os.ReadFile("../../policy.yaml")
	require.NoError(t, err)
	t.Chdir(t.TempDir())
	require.NoError(t, os.WriteFile("strict.yaml", policy, 0o600))
	require.NoError(t, os.Mkdir("one", 0o700))
	require.NoError(t, os.Mkdir("two", 0o700))
	said, status := packaged(t, "--policy", "strict.yaml", "--into", "one", "--into", "two")
	require.Equal(t, StatusClean, status, said)
	assert.Contains(t, said, fmt.Sprintf("digest: sha256:%x\n", sha256.Sum256(policy)))
	for _, folder := range []string{"one", "two"} {
		p, err := policyfile.Read(filepath.Join(folder, "policy.yaml"))
		require.NoError(t, err)
		assert.Equal(t, fmt.Sprintf("sha256:%x", sha256.Sum256(policy)), p.Digest())
		assert.Contains(t, said, filepath.Join(folder, "policy.yaml.json"))
	}
	assert.NoFileExists(t, "policy-layer.zip")

	said, status = packaged(t, "--policy", "strict.yaml", "--into", "three")
	assert.Equal(t, StatusError, status)
	assert.Contains(t, said, "--into three: ")
	_, status = packaged(t, "--policy", "strict.yaml", "--into", "one", "--out", "layer.zip")
	assert.Equal(t, StatusUsage, status)
}

// An empty variable in a script, or the folder of the sources, must not cost anybody a policy.
func TestIntoReplacesNoPolicyThatWasNotPackaged(t *testing.T) {
	policy, err := os.ReadFile("../../policy.yaml")
	require.NoError(t, err)
	t.Chdir(t.TempDir())
	require.NoError(t, os.WriteFile("strict.yaml", policy, 0o600))
	require.NoError(t, os.WriteFile("policy.yaml", []byte("mine"), 0o600))
	for folder, want := range map[string]string{"": "--into: it is empty: want a folder", ".": "--into .: it holds another policy.yaml, and not one that was packaged"} {
		said, status := packaged(t, "--policy", "strict.yaml", "--into", folder)
		assert.Equal(t, StatusUsage, status, said)
		assert.Contains(t, said, want)
		held, err := os.ReadFile("policy.yaml")
		require.NoError(t, err)
		assert.Equal(t, "mine", string(held))
	}

	require.NoError(t, os.Mkdir("function", 0o700))
	_, status := packaged(t, "--policy", "strict.yaml", "--into", "function", "--into", ".")
	assert.Equal(t, StatusUsage, status)
	assert.NoFileExists(t, filepath.Join("function", "policy.yaml"), "nothing is half done")
	for _, text := range []string{"", "# the next one\n"} {
		require.NoError(t, os.WriteFile("strict.yaml", append(policy, text...), 0o600))
		said, status := packaged(t, "--policy", "strict.yaml", "--into", "function")
		assert.Equal(t, StatusClean, status, said)
	}
	info, err := os.Stat(filepath.Join("function", "policy.yaml.json"))
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o644), info.Mode(), "Lambda reads it as another user")
}

func TestNoLayerIsMadeOfAPolicyThatIsNotSound(t *testing.T) {
	unsound, err := filepath.Abs("testdata/files/unsound.yaml")
	require.NoError(t, err)
	t.Chdir(t.TempDir())
	said, status := packaged(t, "--policy", unsound)
	assert.Equal(t, StatusUsage, status)
	assert.Contains(t, said, "unsound.yaml:18: ", "every problem has its line")
	left, err := os.ReadDir(".")
	require.NoError(t, err)
	assert.Empty(t, left)
}

// The printed commands are pasted into a shell.
func TestAShellTakesTheCommandsAsTheyAreMeant(t *testing.T) {
	dir := t.TempDir()
	stub := "#!/bin/sh\n" + `case "$1 $2" in
"lambda publish-layer-version") echo arn:aws:lambda:us-east-1:123456789012:layer:sgward-policy:7 ;;
"cloudformation describe-stacks")
	case "$*" in *SweepFunctionName*) echo prod-SweepFunction-AbCdEf ;; *) printf 'ParameterKey=Mode,UsePreviousValue=true\tParameterKey=AlertEmail,UsePreviousValue=true\n' ;; esac ;;
"lambda invoke") cat >> "$SEEN" ;;
esac
for word; do echo "$word"; done >> "$SEEN"
`
	require.NoError(t, os.WriteFile(filepath.Join(dir, "aws"), []byte(stub), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "sleep"), []byte("#!/bin/sh\n"), 0o700))
	seen := filepath.Join(dir, "seen")
	cmd := exec.Command("sh", "-e")
	cmd.Env = []string{"PATH=" + dir + ":" + os.Getenv("PATH"), "SEEN=" + seen}
	cmd.Stdin = strings.NewReader(strings.Join(deployLayer("prod", "it's a $(layer).zip", "sha256:00"), "\n"))
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	words, err := os.ReadFile(seen)
	require.NoError(t, err)
	assert.Contains(t, string(words), "lambda\npublish-layer-version\n--layer-name\nprod-policy\n--description\nsha256:00\n--zip-file\nfileb://it's a $(layer).zip\n")
	assert.Contains(t, string(words), "--parameters\nParameterKey=PolicyLayerArn,ParameterValue=arn:aws:lambda:us-east-1:123456789012:layer:sgward-policy:7\n"+
		"ParameterKey=Mode,UsePreviousValue=true\nParameterKey=AlertEmail,UsePreviousValue=true\n", "no parameter falls back to its default")
	assert.Contains(t, string(words), "Stacks[0].Parameters[?ParameterKey!='PolicyLayerArn'].join('', ['ParameterKey=', ParameterKey, ',UsePreviousValue=true'])\n")
	assert.Contains(t, string(words), "{\"sgward\":\"sweep\"}\nlambda\ninvoke\n--invocation-type\nEvent\n--payload\nfileb:///dev/stdin\n--function-name\nprod-SweepFunction-AbCdEf\n/dev/null\n")
	for _, function := range []string{"detect", "remediate", "sweep"} {
		assert.Regexp(t, "/aws/lambda/prod-"+function+`\n--filter-pattern\n\{ \$\.message = "policy loaded" \}\n--start-time\n\d{13}\n`, string(words))
	}
}
