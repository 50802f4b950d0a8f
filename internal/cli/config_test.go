package cli_test

import (
	"encoding/pem"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"

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
	assert.Contains(t, said.errs, "no usable AWS credentials: name a profile with --profile or AWS_PROFILE")
}
