package cli_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/cli"
	"sgward/internal/policy"
)

// history is a file of all that was done.
func (d *workspace) history() string {
	d.Helper()
	file := filepath.Join(d.TempDir(), "history.ndjson")
	var lines strings.Builder
	for _, call := range d.calls {
		lines.WriteString(strings.ReplaceAll(string(call), "\n", "") + "\n")
	}
	require.NoError(d, os.WriteFile(file, []byte(lines.String()), 0o600))
	return file
}

// Each slice is judged alone, and both together are the world.
func TestSuggestedExceptionsDoNotOpenGuardedPortsTogether(t *testing.T) {
	d := newWorkspace(t)
	for _, group := range []struct {
		name   string
		ranges []string
		port   int32
	}{
		{"orders-db", []string{"52.0.0.0/10", "52.64.0.0/10"}, 3306},
		{"pooler", []string{"52.0.0.0/10", "52.64.0.0/10"}, 15432}, // a port of the policy's own
		{"half-db", []string{"52.0.0.0/10"}, 3307},
		{"half-exempt", []string{"54.0.0.0/10", "54.64.0.0/10"}, 3306},
	} {
		id := d.open(ownKey, workspaceRegion, group.name)
		for _, cidr := range group.ranges {
			_, err := d.person().AuthorizeSecurityGroupIngress(t.Context(), &ec2.AuthorizeSecurityGroupIngressInput{GroupId: &id, IpPermissions: []types.IpPermission{{
				IpProtocol: aws.String("tcp"), FromPort: &group.port, ToPort: &group.port, IpRanges: []types.IpRange{{CidrIp: &cidr}},
			}}})
			require.NoError(t, err)
		}
	}
	own := filepath.Join(t.TempDir(), "policy.yaml")
	require.NoError(t, os.WriteFile(own, []byte("version: 1\nworld: {ipv4: 9, ipv6: 32}\nports: {stores: [mysql, 3307/tcp, 15432/tcp]}\nstatements:\n"+
		"  - {id: world-open, severity: high, effect: revoke, ingress: {from: world, ports: stores}}\n"+
		"  - {id: wide-open, severity: high, effect: revoke, ingress: {from: {public: {ipv4: 12, ipv6: 40}}, ports: stores}}\n"+
		"exceptions:\n  - {id: half, reason: r, owner: o@example.com, expires: 2099-01-01, match: {ports: [3306/tcp], peers: [54.0.0.0/10]}}\n"), 0o600))
	file := filepath.Join(t.TempDir(), "suggested.yaml")
	got := d.run("replay --policy " + own + " --suggest " + file + " " + d.history())
	require.Equal(t, cli.StatusFindings, got.status, got.errs)
	assert.Contains(t, got.errs, "wrote 1 exception to "+file)
	assert.Contains(t, got.errs, "5 openings to the world")
	suggested, err := os.ReadFile(file)
	require.NoError(t, err)
	assert.Contains(t, string(suggested), "3307/tcp")
}

func TestSuggestedExceptionsLeaveAloneWhatIsOpenAndNoDataStore(t *testing.T) {
	d := newWorkspace(t)
	d.open(ownKey, workspaceRegion, "web", 8080)
	d.open(ownKey, workspaceRegion, "api", 8081)
	d.open(ownKey, workspaceRegion, "bastion", 22)
	d.open(ownKey, workspaceRegion, "orders-db", 3306)
	d.openedAndClosed(d.aGroup("short"), 3389, "0.0.0.0/0")
	history := d.history()
	file := filepath.Join(t.TempDir(), "suggested.yaml")

	got := d.run("replay --suggest " + file + " " + history)
	require.Equal(t, cli.StatusFindings, got.status, got.errs)
	assert.Contains(t, got.errs, "wrote 2 exceptions to "+file+", to be reviewed")
	assert.Contains(t, got.errs, "2 openings to the world of data stores, or of ports that the policy closes to it, get none")
	suggested, err := os.ReadFile(file)
	require.NoError(t, err)
	assert.Contains(t, string(suggested), "8080/tcp")
	assert.Contains(t, string(suggested), "8081/tcp")
	assert.NotContains(t, string(suggested), "22/tcp", "the policy closes it to the world")
	assert.NotContains(t, string(suggested), "3306")
	assert.NotContains(t, string(suggested), "3389", "it is closed")

	shipped, err := os.ReadFile("policy.yaml")
	require.NoError(t, err)
	before, _, found := strings.Cut(string(shipped), "\nexceptions:\n") // which has an example, commented out
	require.True(t, found)
	shipped = []byte(before + "\n")
	merged := filepath.Join(t.TempDir(), "policy.yaml")
	require.NoError(t, os.WriteFile(merged, []byte(string(shipped)+string(suggested)), 0o600))
	lint := d.run("policy lint " + merged)
	assert.Equal(t, cli.StatusUsage, lint.status, "nobody has reviewed it")
	assert.Contains(t, lint.errs, "is a placeholder")
	filled := strings.NewReplacer(policy.PlaceholderReason, "reviewed", policy.PlaceholderOwner, "web@example.com").Replace(string(shipped) + string(suggested))
	require.NoError(t, os.WriteFile(merged, []byte(filled), 0o600))
	got = d.run("replay --policy " + merged + " --suggest " + file + "2 --format json " + history)
	assert.Equal(t, cli.StatusFindings, got.status, "the database and what was closed are findings as before: %s", got.errs)
	assert.Contains(t, got.errs, "there is no exception to write")
	assert.NoFileExists(t, file+"2")
	assert.Equal(t, 2, strings.Count(got.out, `"decision":"exempt"`))

	again := d.run("replay --suggest " + file + " " + history)
	assert.Equal(t, cli.StatusUsage, again.status)
	assert.Contains(t, again.errs, "the file exists")
}
