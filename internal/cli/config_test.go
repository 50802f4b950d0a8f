package cli_test

import (
	"bytes"
	"encoding/pem"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/assert"

	"sgward/internal/cli"
)

func TestCertificatesOfTheBundleAreTrusted(t *testing.T) {
	d := newWorkspace(t)
	d.open(ownKey, workspaceRegion, "shop", 22)
	web := httptest.NewUnstartedServer(d.web)
	web.Config.ErrorLog = log.New(io.Discard, "", 0) // of the handshake that fails
	web.StartTLS()
	t.Cleanup(web.Close)
	live := "audit --quiet --endpoint-url " + web.URL

	said := d.run(live)
	assert.Equal(t, cli.StatusError, said.status)
	assert.Contains(t, said.errs, "certificate")

	bundle := filepath.Join(t.TempDir(), "bundle.pem")
	writeFile(t, bundle, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: web.Certificate().Raw})))
	t.Setenv("AWS_CA_BUNDLE", bundle)
	said = d.run(live)
	assert.Equal(t, cli.StatusFindings, said.status, said.errs)
	assert.Contains(t, said.out, "shop")
}

func TestConfigurationThatCannotBeReadIsNamed(t *testing.T) {
	d := newWorkspace(t)
	for _, tt := range []struct{ variable, value, args string }{
		{"AWS_PROFILE", "nobody-has-this", "audit"},
		{"AWS_PROFILE", "", "audit --profile nobody-has-this"},
		{"AWS_CA_BUNDLE", "nobody-has-this.pem", "audit"},
	} {
		t.Run(tt.variable+" "+tt.args, func(t *testing.T) {
			t.Setenv(tt.variable, tt.value)
			said := d.run(tt.args)
			assert.Equal(t, cli.StatusError, said.status)
			assert.Contains(t, said.errs, "nobody-has-this")
		})
	}
}

func TestMissingCredentialsAreNamed(t *testing.T) {
	d := newWorkspace(t)
	t.Setenv("AWS_ACCESS_KEY_ID", "")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "")
	metadata := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(metadata.Close)
	t.Setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", metadata.URL)
	said := d.run("audit --quiet")
	assert.Equal(t, cli.StatusError, said.status)
	assert.Contains(t, said.errs, "sgward: no AWS credentials: set AWS_PROFILE or --profile, run aws sso login")
}

func TestErrorsOfAWSAreInAPersonsWords(t *testing.T) {
	answer := func(status int, body string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		})
	}
	ofSTS := func(code, message string) string {
		return "<ErrorResponse><Error><Type>Sender</Type><Code>" + code + "</Code><Message>" + message + "</Message></Error></ErrorResponse>"
	}
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	for want, web := range map[string]http.Handler{
		"sgward: access denied: the credentials lack sts:GetCallerIdentity (AccessDenied: no)\n": answer(403, ofSTS("AccessDenied", "no")),
		"has expired or is missing: run aws sso login":                                           answer(403, ofSTS("ExpiredToken", "The security token included in the request is expired")),
		"AWS does not accept these credentials (sts:GetCallerIdentity: InvalidClientTokenId)":    answer(403, ofSTS("InvalidClientTokenId", "The security token included in the request is invalid.")),
		closed.URL + " does not answer (is sgward local running?): connection refused\n":         nil,
	} {
		t.Run(want, func(t *testing.T) {
			d := newWorkspace(t)
			url := closed.URL
			if web != nil {
				server := httptest.NewServer(web)
				t.Cleanup(server.Close)
				url = server.URL
			}
			for _, args := range []string{"audit --quiet", "group allow --group-id sg-0123456789abcdef0 --port 443 --cidr 203.0.113.0/24 --description HTTPS"} {
				said := d.run(args + " --endpoint-url " + url)
				assert.Equal(t, cli.StatusError, said.status)
				assert.Contains(t, said.errs, want)
			}
		})
	}
}

func TestPermissionThatIsMissingIsNamed(t *testing.T) {
	d := newWorkspace(t)
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		data, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(data))
		if bytes.Contains(data, []byte("Action=DescribeNetworkInterfaces")) {
			w.WriteHeader(http.StatusForbidden)
			_, _ = io.WriteString(w, "<Response><Errors><Error><Code>UnauthorizedOperation</Code><Message>You are not authorized to perform this operation. "+
				"Encoded authorization failure message: abc</Message></Error></Errors><RequestID>r</RequestID></Response>")
			return
		}
		d.web.ServeHTTP(w, r)
	}))
	t.Cleanup(web.Close)
	said := d.run("audit --format json --endpoint-url " + web.URL)
	assert.Equal(t, cli.StatusError, said.status)
	assert.Contains(t, said.errs, "us-east-1: access denied: the credentials lack ec2:DescribeNetworkInterfaces (UnauthorizedOperation: You are not authorized to perform this operation)\n")
	assert.NotContains(t, said.errs, "Encoded")
}

func TestSessionThatHasExpiredAsksForALogin(t *testing.T) {
	d := newWorkspace(t)
	home := t.TempDir()
	config := filepath.Join(home, "config")
	const place = "sso_account_id = 123456789012\nsso_role_name = Dev\nregion = us-east-1\n"
	writeFile(t, config, "[profile session]\nsso_session = corp\n"+place+"[sso-session corp]\nsso_start_url = https://example.com/start\nsso_region = us-east-1\n"+
		"[profile plain]\nsso_start_url = https://example.com/start\nsso_region = us-east-1\n"+place)
	for name, value := range map[string]string{"HOME": home, "AWS_CONFIG_FILE": config, "AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""} {
		t.Setenv(name, value)
	}
	for _, profile := range []string{"session", "plain"} {
		said := d.run("audit --quiet --profile " + profile)
		assert.Equal(t, cli.StatusError, said.status)
		assert.Contains(t, said.errs, "has expired or is missing: run aws sso login", profile)
	}
}

// Every command that takes a region refuses what cannot be one, before any call.
func TestARegionThatIsNoneIsAMistakeOfUse(t *testing.T) {
	d := newWorkspace(t)
	lines := map[string]string{
		"audit": "audit", "doctor": "doctor", "redrive": "redrive --dry-run", "explain": "explain --cidr 0.0.0.0/0 --port 22",
		"undo": "undo a-0123456789abcdef", "group allow": "group allow --group-id sg-0123456789abcdef0 --cidr 198.51.100.7/32 --port 22 --description office",
		"group create": "group create --pattern database --vpc-id vpc-0123456789abcdef0 --name web",
		"replay":       "replay --account-history",
	}
	takers := 0
	var walk func(cmd *cobra.Command)
	walk = func(cmd *cobra.Command) {
		if cmd.Flags().Lookup("region") != nil {
			takers++
			name := strings.TrimPrefix(cmd.CommandPath(), "sgward ")
			line, known := lines[name]
			if !assert.True(t, known, "%s takes a region", name) {
				return
			}
			got := d.run(line, "--region", "eu central")
			assert.Equal(t, cli.StatusUsage, got.status, name)
			assert.Contains(t, got.errs, `--region "eu central": want a region such as eu-central-1`, name)
		}
		for _, child := range cmd.Commands() {
			walk(child)
		}
	}
	walk(cli.Command(cli.Build{}))
	assert.Greater(t, takers, 5)

	t.Setenv("AWS_REGION", "eu central")
	got := d.run("audit")
	assert.Equal(t, cli.StatusUsage, got.status)
	assert.Contains(t, got.errs, `the region "eu central" of the environment or the profile: want a region such as eu-central-1`)
}
