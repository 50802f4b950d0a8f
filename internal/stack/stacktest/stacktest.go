// Package stacktest runs template.yaml with the real functions between the stand-ins of
// localaws, for tests of what works on a deployed stack. A package that uses it calls
// functionstest.Main.
package stacktest

import (
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/stretchr/testify/require"

	"sgward/internal/functionstest"
	"sgward/internal/sdkhttp"
	"sgward/localaws"
)

// Start starts a stack in enforce mode that ends with the test.
func Start(t *testing.T, change func(*localaws.Config)) (*localaws.Stack, aws.Config) {
	t.Helper()
	dir := functionstest.Build(t, functionstest.Policy(t), "detect", "remediate", "sweep")
	top, err := functionstest.Root()
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
