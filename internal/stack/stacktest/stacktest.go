// Package stacktest runs template.yaml with the real functions between the stand-ins of
// localaws, for tests of what works on a deployed stack.
package stacktest

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"sgward/internal/policypackage"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/stretchr/testify/require"

	"sgward/internal/sdkhttp"
	"sgward/localaws"
)

// root returns the top of the module, whatever folder the test is in.
var root = sync.OnceValues(func() (string, error) {
	out, err := exec.Command("go", "env", "GOMOD").Output()
	if err != nil {
		return "", fmt.Errorf("looking for the module: %w", err)
	}
	return filepath.Dir(strings.TrimSpace(string(out))), nil
})

// builds holds the functions, built once for each test binary.
var builds = sync.OnceValues(func() (string, error) {
	built = true
	dir, err := os.MkdirTemp("", "stacktest")
	if err != nil {
		return "", err
	}
	top, err := root()
	if err != nil {
		return "", err
	}
	policy, err := os.ReadFile(filepath.Join(top, "policy.yaml"))
	if err != nil {
		return "", err
	}
	for id, name := range map[string]string{"DetectFunction": "detect", "RemediateFunction": "remediate", "SweepFunction": "sweep"} {
		build := exec.Command("go", "build", "-o", filepath.Join(dir, id, "bootstrap"), "./functions/"+name)
		build.Dir = top
		if out, err := build.CombinedOutput(); err != nil {
			return "", fmt.Errorf("building %s: %w: %s", name, err, out)
		}
		if err := policypackage.Write(filepath.Join(dir, id), "policy.yaml", policy); err != nil {
			return "", err
		}
	}
	return dir, nil
})

// built is set once builds has made its folder.
var built bool

// Main runs the tests of a package, and removes what they built.
func Main(m *testing.M) {
	m.Run() // its result is the status of the process
	if built {
		dir, _ := builds()
		_ = os.RemoveAll(dir)
	}
}

// Start starts a stack in enforce mode that ends with the test.
func Start(t *testing.T, change func(*localaws.Config)) (*localaws.Stack, aws.Config) {
	t.Helper()
	dir, err := builds()
	require.NoError(t, err)
	top, err := root()
	require.NoError(t, err)
	cfg := localaws.Config{
		TemplatePath: filepath.Join(top, "template.yaml"), BuildDir: dir, Listen: "127.0.0.1:0",
		Parameters: map[string]string{"Mode": "enforce"}, RetryAfter: 10 * time.Millisecond,
	}
	if change != nil {
		change(&cfg)
	}
	s, err := localaws.Start(t.Context(), cfg)
	require.NoError(t, err)
	t.Cleanup(s.Close)
	return s, aws.Config{
		Region: "us-east-1", BaseEndpoint: aws.String(s.Endpoint()), AppID: "sgward",
		Credentials: credentials.NewStaticCredentialsProvider("test", "test", ""), HTTPClient: sdkhttp.Client(http.DefaultClient),
	}
}
