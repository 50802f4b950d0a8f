package cli_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/cli"
	"sgward/localaws/awswire"
	"sgward/localaws/ec2api"
)

const (
	ownKey    = "AKIAIOSFODNN7EXAMPLE"
	theirRole = "arn:aws:iam::111122223333:role/audit"
	dumps     = "internal/inventory/testdata/"
)

// open makes a group that lets the world in, and returns its id.
func (d *workspace) open(key, region, name string, ports ...int32) string {
	d.Helper()
	client := ec2.New(ec2.Options{Region: region, BaseEndpoint: aws.String(os.Getenv("AWS_ENDPOINT_URL")),
		Credentials: credentials.NewStaticCredentialsProvider(key, "not-a-secret", "")})
	made, err := client.CreateSecurityGroup(d.Context(), &ec2.CreateSecurityGroupInput{GroupName: &name, Description: &name})
	require.NoError(d, err)
	for _, port := range ports {
		_, err := client.AuthorizeSecurityGroupIngress(d.Context(), &ec2.AuthorizeSecurityGroupIngressInput{GroupId: made.GroupId, IpPermissions: []types.IpPermission{{
			IpProtocol: aws.String("tcp"), FromPort: &port, ToPort: &port, IpRanges: []types.IpRange{{CidrIp: aws.String("0.0.0.0/0")}},
		}}})
		require.NoError(d, err)
	}
	return *made.GroupId
}

// ingress are the groups and ports of the ingress findings in JSON lines.
func ingress(t *testing.T, lines string) []string {
	t.Helper()
	var out []string
	for line := range strings.Lines(lines) {
		var f struct {
			Decision, GroupName, AccountID, Region string
			Rule                                   struct {
				Direction string
				FromPort  int
			}
			Attached []struct{ NetworkInterfaceID, PublicIP string }
		}
		require.NoError(t, json.Unmarshal([]byte(line), &f), line)
		if f.Rule.Direction == "ingress" {
			out = append(out, fmt.Sprintf("%s %s %s %s %d %d", f.AccountID, f.Region, f.GroupName, f.Decision, f.Rule.FromPort, len(f.Attached)))
		}
	}
	return out
}

func TestAuditJudgesTheGroupsOfARegion(t *testing.T) {
	d := newWorkspace(t)
	id := d.open(ownKey, workspaceRegion, "web", 22, 443)
	d.open(ownKey, "eu-central-1", "far", 3306)
	_, err := d.ec2.AddNetworkInterface(ec2api.NetworkInterface{Region: workspaceRegion, GroupIDs: []string{id}, PublicIPv4: "198.51.100.7", Description: "ELB app/shop/50dc6c495c0c9188"})
	require.NoError(t, err)
	got := d.run("audit --format json")
	assert.Equal(t, cli.StatusFindings, got.status, got.errs)
	assert.Equal(t, []string{"123456789012 us-east-1 web revoke 22 1"}, ingress(t, got.out))
	assert.Empty(t, got.errs)

	got = d.run("audit")
	assert.Contains(t, got.out, "Sources: account 123456789012, us-east-1\n")
	assert.Regexp(t, `(?m)^forbidden critical  SSH \(22\) from the whole internet  web sg-[0-9a-f]{17}  at 198\.51\.100\.7$`, got.out)
	assert.Contains(t, d.run("audit --details").out, "load balancer app/shop/50dc6c495c0c9188")
}

func TestAuditReadsTheRegionsThatAreNamed(t *testing.T) {
	d := newWorkspace(t)
	d.open(ownKey, workspaceRegion, "web", 22)
	d.open(ownKey, "eu-central-1", "far", 3306)
	far, near := "123456789012 eu-central-1 far revoke 3306 0", "123456789012 us-east-1 web revoke 22 0"
	for words, want := range map[string][]string{
		"--all-regions": {far, near}, "--regions eu-central-1,us-east-1,eu-central-1": {far, near}, "--regions us-east-1 --regions eu-central-1": {far, near},
		"--region eu-central-1": {far}, "--regions eu-west-1": nil,
	} {
		got := d.run("audit --format json " + words)
		assert.Equal(t, map[bool]int{true: cli.StatusFindings, false: cli.StatusClean}[len(want) > 0], got.status, got.errs)
		assert.Equal(t, want, ingress(t, got.out), words)
	}
	got := d.run("audit --all-regions")
	assert.Contains(t, got.out, "Sources: account 123456789012, 17 regions\n")
	assert.Contains(t, got.out, "in account 123456789012")
}

func TestARegionThatCannotBeReadKeepsNoOtherFromBeingJudged(t *testing.T) {
	d := newWorkspace(t)
	d.open(ownKey, workspaceRegion, "web", 22)
	d.ec2.FailNext("DescribeSecurityGroups", 1, "UnauthorizedOperation")
	got := d.run("audit --format json --regions eu-central-1")
	assert.Equal(t, cli.StatusError, got.status)
	assert.Regexp(t, "^sgward: nothing was judged: account 123456789012, eu-central-1: access denied: the credentials lack ec2:DescribeSecurityGroups \\(UnauthorizedOperation.*\n$", got.errs)

	denied := false
	d.ec2.SetAuthorizer(func(action, _ string) string {
		if action == "DescribeNetworkInterfaces" && !denied {
			denied = true
			return "UnauthorizedOperation"
		}
		return ""
	})
	got = d.run("audit --format json")
	assert.Equal(t, cli.StatusError, got.status, "an error wins over findings")
	assert.Equal(t, []string{"123456789012 us-east-1 web revoke 22 0"}, ingress(t, got.out))
	assert.Contains(t, got.errs, "account 123456789012, us-east-1: access denied: the credentials lack ec2:DescribeNetworkInterfaces (UnauthorizedOperation")
}

func TestAThrottleIsWaitedOut(t *testing.T) {
	d := newWorkspace(t)
	d.open(ownKey, workspaceRegion, "web", 22)
	t.Setenv("AWS_MAX_ATTEMPTS", "")
	d.ec2.FailNext("DescribeSecurityGroupRules", 1, "RequestLimitExceeded")
	got := d.run("audit --format json")
	assert.Equal(t, cli.StatusFindings, got.status, got.errs)
	assert.Equal(t, []string{"123456789012 us-east-1 web revoke 22 0"}, ingress(t, got.out))
}

func TestAuditWithoutAWorkingAccountIsAnError(t *testing.T) {
	d := newWorkspace(t)
	t.Setenv("AWS_REGION", "")
	got := d.run("audit")
	assert.Equal(t, cli.StatusUsage, got.status)
	assert.Contains(t, got.errs, "no AWS region: name one with --region")

	refusing := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusForbidden)
		_, _ = fmt.Fprint(w, `<ErrorResponse><Error><Code>ExpiredToken</Code><Message>The security token is expired</Message></Error></ErrorResponse>`)
	}))
	t.Cleanup(refusing.Close)
	got = d.run("audit --region us-east-1 --endpoint-url " + refusing.URL)
	assert.Equal(t, cli.StatusError, got.status)
	assert.Empty(t, got.out)
	assert.Contains(t, got.errs, "ExpiredToken")
}

// assumed puts in front of a workspace an STS that hands out the credentials of roles of
// the account 111122223333, but for those called locked.
func (d *workspace) assumed(externalID string) *[]string {
	d.Helper()
	behind, err := url.Parse(os.Getenv("AWS_ENDPOINT_URL"))
	require.NoError(d, err)
	proxy := httputil.NewSingleHostReverseProxy(behind)
	sessions := &[]string{}
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Content-Type") != "" && strings.Contains(r.Header.Get("Authorization"), "/sts/") {
			if r.FormValue("Action") == "AssumeRole" {
				if strings.HasSuffix(r.Form.Get("RoleArn"), "/locked") || strings.Contains(r.Form.Get("RoleArn"), ":"+lockedAccount+":") || r.Form.Get("ExternalId") != externalID {
					w.WriteHeader(http.StatusForbidden)
					_, _ = fmt.Fprint(w, `<ErrorResponse><Error><Code>AccessDenied</Code><Message>not authorized to perform: sts:AssumeRole</Message></Error></ErrorResponse>`)
					return
				}
				*sessions = append(*sessions, r.Form.Get("RoleSessionName"))
				_, _ = fmt.Fprintf(w, `<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>%s</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>`+
					`<Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>`, otherKey)
				return
			}
			body := r.Form.Encode()
			r.Body, r.ContentLength = http.NoBody, 0
			r.URL.RawQuery = body
		}
		if strings.HasSuffix(r.Header.Get("X-Amz-Target"), ".ListAccounts") {
			if d.noList {
				awswire.WriteError(w, "1.1", http.StatusBadRequest, "AccessDeniedException", "You don't have permissions to access this resource.")
				return
			}
			awswire.WriteJSON(w, "1.1", http.StatusOK, json.RawMessage(`{"Accounts":[{"Id":"123456789012","Name":"management","Status":"ACTIVE"},`+
				`{"Id":"111122223333","Name":"Payments Prod","Status":"ACTIVE"},{"Id":"`+lockedAccount+`","Name":"acquired","Status":"ACTIVE"},{"Id":"444455556666","Status":"SUSPENDED"}]}`))
			return
		}
		proxy.ServeHTTP(w, r)
	}))
	d.Cleanup(front.Close)
	d.Setenv("AWS_ENDPOINT_URL", front.URL)
	return sessions
}

// lockedAccount has no role that could be assumed.
const lockedAccount = "777788889999"

func TestAuditOfAnOrganizationIsOneReport(t *testing.T) {
	d := newWorkspace(t)
	d.open(ownKey, workspaceRegion, "web", 22)
	d.open(otherKey, workspaceRegion, "db", 5432)
	d.open(otherKey, "eu-central-1", "far", 3306)
	sessions := d.assumed("")
	own, far, db := "123456789012 us-east-1 web revoke 22 0", "111122223333 eu-central-1 far revoke 3306 0", "111122223333 us-east-1 db revoke 5432 0"
	got := d.run("audit --format json --regions us-east-1,eu-central-1 --organization security/audit")
	assert.Equal(t, cli.StatusError, got.status, "an account was not read")
	assert.ElementsMatch(t, []string{own, far, db}, ingress(t, got.out))
	assert.Contains(t, got.errs, "sgward: account "+lockedAccount+" (acquired): access denied: the credentials lack sts:AssumeRole (AccessDenied)\n")
	assert.Contains(t, got.out, `"accountName":"Payments Prod"`)
	assert.Contains(t, got.out, `"accountName":"management"`)
	assert.Equal(t, []string{"sgward-audit"}, *sessions, "the own account needs no role, and the other one session for all regions")

	text := d.run("audit --regions us-east-1,eu-central-1 --organization security/audit")
	assert.Contains(t, text.out, "111122223333 (Payments Prod) eu-central-1")
	assert.Contains(t, text.out, "account "+lockedAccount+" (acquired): access denied")
	for _, format := range []string{"html", "sarif"} {
		assert.Contains(t, d.run("audit --organization security/audit --format "+format).out, "Payments Prod")
	}

	accounts := filepath.Join(t.TempDir(), "accounts.txt")
	require.NoError(t, os.WriteFile(accounts, []byte("111122223333 shop # ours\n"), 0o600))
	d.noList = true
	got = d.run("audit --format json --organization audit --accounts-file " + accounts)
	assert.Equal(t, cli.StatusFindings, got.status, got.errs)
	assert.Equal(t, []string{db}, ingress(t, got.out))
	assert.Contains(t, got.out, `"accountName":"shop"`)
	got = d.run("audit --organization audit")
	assert.Equal(t, cli.StatusError, got.status)
	assert.Contains(t, got.errs, "the credentials lack organizations:ListAccounts (AccessDeniedException")
	assert.Contains(t, got.errs, "name them with --accounts-file")
	require.NoError(t, os.WriteFile(accounts, []byte("\nshop\n"), 0o600))
	got = d.run("audit --organization audit --accounts-file " + accounts)
	assert.Equal(t, cli.StatusError, got.status)
	assert.Contains(t, got.errs, "accounts.txt:2: \"shop\": want an account id")
	for flags, want := range map[string]string{
		"--organization audit --assume-role " + theirRole: "want one of them",
		"--accounts-file x":                "--accounts-file is for --organization",
		"--organization " + theirRole:      "want the name of a role that stands in every account",
		"--organization audit groups.json": "files are judged without AWS",
	} {
		got = d.run("audit " + flags)
		assert.Equal(t, cli.StatusUsage, got.status, flags)
		assert.Contains(t, got.errs, want)
	}
}

func TestAuditAssumesRolesOfOtherAccounts(t *testing.T) {
	d := newWorkspace(t)
	d.open(ownKey, workspaceRegion, "web", 22)
	d.open(otherKey, workspaceRegion, "db", 5432)
	d.open(otherKey, "eu-central-1", "far", 3306)
	sessions := d.assumed("let-me-in")
	far, db := "111122223333 eu-central-1 far revoke 3306 0", "111122223333 us-east-1 db revoke 5432 0"
	got := d.run("audit --format json --regions us-east-1,eu-central-1 --external-id let-me-in --assume-role " + theirRole)
	assert.Equal(t, cli.StatusFindings, got.status, got.errs)
	assert.Equal(t, []string{far, db}, ingress(t, got.out), "and nothing of one's own account")
	assert.Equal(t, []string{"sgward-audit"}, *sessions)

	locked := strings.Replace(theirRole, "audit", "locked", 1)
	got = d.run("audit --format json --external-id let-me-in --assume-role " + locked + "," + theirRole)
	assert.Equal(t, cli.StatusError, got.status)
	assert.Equal(t, []string{db}, ingress(t, got.out), "one that cannot be assumed keeps no other from being read")
	assert.Contains(t, got.errs, "sgward: "+locked+": access denied: the credentials lack sts:AssumeRole (AccessDenied)\n")

	got = d.run("audit --format json --external-id other --assume-role " + theirRole)
	assert.Equal(t, cli.StatusError, got.status)
	assert.Empty(t, got.out)
	assert.Contains(t, got.errs, "sgward: nothing was judged: "+theirRole+": access denied: the credentials lack sts:AssumeRole (AccessDenied")
}

func TestABaselineHoldsBackWhatWasKnown(t *testing.T) {
	d := newWorkspace(t)
	d.open(ownKey, workspaceRegion, "web", 22)
	known := filepath.Join(t.TempDir(), "known.json")
	first := d.run("audit --format json")
	require.Equal(t, cli.StatusFindings, first.status)
	writeFile(t, known, first.out)
	got := d.run("audit --baseline", known)
	assert.Equal(t, cli.StatusClean, got.status, got.errs)
	assert.NotContains(t, got.out, "launch-wizard")

	assert.Empty(t, got.errs, "all have come up again")
	got = d.run("audit --regions eu-west-1 --format json --baseline", known)
	assert.Contains(t, got.errs, "are gone")

	d.open(ownKey, workspaceRegion, "launch-wizard-1", 3306)
	got = d.run("audit --format json --baseline", known)
	assert.Equal(t, cli.StatusFindings, got.status, got.errs)
	assert.Equal(t, []string{"123456789012 us-east-1 launch-wizard-1 revoke 3306 0"}, ingress(t, got.out))

	weaker := strings.ReplaceAll(first.out, `"decision":"revoke"`, `"decision":"alert"`)
	writeFile(t, known, weaker)
	got = d.run("audit --format json --baseline", known)
	assert.Contains(t, ingress(t, got.out), "123456789012 us-east-1 web revoke 22 0", "what has become worse is new")
}

func TestAnExemptRuleIsReportedAndIsNoReasonToWorry(t *testing.T) {
	d := newWorkspace(t)
	d.open(ownKey, workspaceRegion, "web", 22)
	p := filepath.Join(t.TempDir(), "policy.yaml")
	writeFile(t, p, `version: 1
world: {ipv4: 9, ipv6: 32}
statements: [{id: ssh, severity: high, effect: revoke, ingress: {from: world, ports: [22/tcp]}}]
exceptions: [{id: demo, reason: a demo, owner: demo@example.com, expires: 2099-12-31, match: {ports: [22/tcp]}}]
`)
	got := d.run("audit --format json --policy", p)
	assert.Equal(t, cli.StatusClean, got.status, got.errs)
	assert.Equal(t, []string{"123456789012 us-east-1 web exempt 22 0"}, ingress(t, got.out))
}

func TestAPrefixListIsResolvedLive(t *testing.T) {
	d := newWorkspace(t)
	d.ec2.SetRuleQuota(1000)
	id := d.open(ownKey, workspaceRegion, "web")
	client := ec2.New(ec2.Options{Region: workspaceRegion, BaseEndpoint: aws.String(os.Getenv("AWS_ENDPOINT_URL")), Credentials: credentials.NewStaticCredentialsProvider(ownKey, "not-a-secret", "")})
	list, err := client.CreateManagedPrefixList(t.Context(), &ec2.CreateManagedPrefixListInput{
		PrefixListName: aws.String("all"), AddressFamily: aws.String("IPv4"), MaxEntries: aws.Int32(2),
		Entries: []types.AddPrefixListEntry{{Cidr: aws.String("0.0.0.0/1")}, {Cidr: aws.String("128.0.0.0/1")}},
	})
	require.NoError(t, err)
	_, err = client.AuthorizeSecurityGroupIngress(t.Context(), &ec2.AuthorizeSecurityGroupIngressInput{GroupId: &id, IpPermissions: []types.IpPermission{{
		IpProtocol: aws.String("tcp"), FromPort: aws.Int32(22), ToPort: aws.Int32(22), PrefixListIds: []types.PrefixListId{{PrefixListId: list.PrefixList.PrefixListId}},
	}}})
	require.NoError(t, err)
	assert.Equal(t, []string{"123456789012 us-east-1 web revoke 22 0"}, ingress(t, d.run("audit --format json").out))
	d.ec2.FailNext("GetManagedPrefixListEntries", 1, "UnauthorizedOperation")
	got := d.run("audit --format json")
	assert.Equal(t, cli.StatusFindings, got.status, got.errs)
	assert.Equal(t, []string{"123456789012 us-east-1 web alert 22 0"}, ingress(t, got.out))
	assert.Contains(t, got.out, "cannot be read (UnauthorizedOperation")
}

// The same dumps give the same bytes, however they are split and ordered.
func TestAuditWritesTheSameBytesForTheSameDumps(t *testing.T) {
	d := newWorkspace(t)
	var dump struct{ SecurityGroups []json.RawMessage }
	data, err := os.ReadFile(dumps + "groups.json")
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(data, &dump))
	folder := t.TempDir()
	var parts []string
	for i, g := range dump.SecurityGroups {
		part := filepath.Join(folder, fmt.Sprintf("part-%d.json", i))
		writeFile(t, part, `{"SecurityGroups": [`+string(g)+`]}`)
		parts = append(parts, part)
	}
	parts = append(parts, dumps+"rules.json", dumps+"interfaces.json", dumps+"pl-0123456789abcdef0.json")
	for _, format := range []string{"json", "csv"} {
		whole := d.run("audit --format " + format + " --from-file " + dumps + "groups.json," + dumps + "rules.json," + dumps + "interfaces.json," + dumps + "pl-0123456789abcdef0.json")
		require.Equal(t, cli.StatusFindings, whole.status, whole.errs)
		for range 3 {
			slices.Reverse(parts)
			got := d.run("audit --format " + format + " --from-file " + strings.Join(parts, ","))
			assert.Equal(t, whole.out, got.out, format)
			parts = append(parts[2:], parts[:2]...)
		}
	}
	sarif := "audit --format sarif --from-file " + strings.Join(parts, ",") // which names the sources
	first, second := d.run(sarif), d.run(sarif)
	assert.Equal(t, first, second)
}

func TestWhatCannotBeUnderstoodInADumpIsAProblem(t *testing.T) {
	d := newWorkspace(t)
	file := filepath.Join(t.TempDir(), "groups.json")
	writeFile(t, file, `{"SecurityGroups": [{"GroupId": "sg-0123456789abcdef0", "OwnerId": "123456789012", "IpPermissionsEgress": [], "IpPermissions": [
		{"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "0.0.0.0/0"}, {"CidrIp": "everywhere"}]}]}]}`)
	d.ec2.ResetCalls()
	got := d.run("audit --format json --from-file", file)
	assert.Equal(t, cli.StatusError, got.status)
	assert.Equal(t, []string{"123456789012   revoke 22 0"}, ingress(t, got.out))
	assert.Contains(t, got.errs, `sgward: account 123456789012 sg-0123456789abcdef0: IpPermissions[0].IpRanges[1]: reading rule "" of sg-0123456789abcdef0: parsing CIDR "everywhere"`)
	assert.Contains(t, got.errs, "it was not judged")
	assert.Zero(t, d.ec2.Calls().Of(), "no call for a file")
}

func TestAProjectionIsJudgedAsFarAsItGoes(t *testing.T) {
	d := newWorkspace(t)
	file := filepath.Join(t.TempDir(), "groups.json")
	const group = `{"GroupId": "sg-0123456789abcdef0", "OwnerId": "123456789012", "VpcId": "vpc-0123456789abcdef0", "IpPermissions": [
		{"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]`
	writeFile(t, file, `{"SecurityGroups": [`+group+`}]}`)
	audit := "audit --region us-east-1 --from-file " + dumps + "interfaces.json --format "
	got := d.run(audit+"json --from-file", file)
	assert.Equal(t, cli.StatusError, got.status, "half of the rules are not judged")
	assert.Equal(t, []string{"123456789012 us-east-1  revoke 22 2"}, ingress(t, got.out))
	assert.Equal(t, "sgward: "+file+": is not complete: IpPermissionsEgress of sg-0123456789abcdef0 is missing, perhaps left out by --query; no egress rules of it were judged\n"+
		"sgward: 1 problem: the report is incomplete\n", got.errs)

	// Nobody knows whether a rule that is missing names another group.
	const other = `{"GroupId": "sg-0123456789abcdef7", "OwnerId": "123456789012", "VpcId": "vpc-0123456789abcdef0", "IpPermissions": [], "IpPermissionsEgress": []}]}`
	writeFile(t, file, `{"SecurityGroups": [`+group+`}, `+other)
	assert.NotContains(t, d.run(audit+"text --from-file", file).out, "nothing uses it")
	writeFile(t, file, `{"SecurityGroups": [`+group+`, "IpPermissionsEgress": []}, `+other)
	assert.Contains(t, d.run(audit+"text --from-file", file).out, "nothing uses it")
}

func TestAFolderWithoutADumpIsNoAccountWithoutGroups(t *testing.T) {
	d := newWorkspace(t)
	folder := t.TempDir()
	got := d.run("audit --format json --from-file", folder)
	assert.Equal(t, cli.StatusError, got.status)
	assert.Contains(t, got.errs, "sgward: nothing was judged: "+folder+" holds nothing to read: want files whose names end in .json, .jsonl or .ndjson, with or without .gz\n")

	writeFile(t, filepath.Join(folder, "groups.txt"), `{"SecurityGroups": []}`)
	got = d.run("audit --format json --from-file " + dumps + "groups.json --from-file " + folder)
	assert.Equal(t, cli.StatusError, got.status)
	assert.NotEmpty(t, ingress(t, got.out), "the other source is judged")
	assert.Contains(t, got.errs, "ignored "+filepath.Join(folder, "groups.txt"))
	assert.Contains(t, got.errs, "sgward: "+folder+": holds nothing to read")
}

func TestAMissingRegionIsSaid(t *testing.T) {
	d := newWorkspace(t)
	old := "audit --format json --from-file " + dumps + "groups-v1.json"
	got := d.run(old)
	assert.Equal(t, cli.StatusFindings, got.status)
	assert.Equal(t, "sgward: no file names the region of 3 groups, on which verdicts and ids of findings may depend: set it with --region\n", got.errs)
	assert.Empty(t, d.run(old+" --quiet").errs)
	assert.Empty(t, d.run(old+" --region eu-central-1").errs)
}

func TestAProblemIsOneLine(t *testing.T) {
	d := newWorkspace(t)
	file := filepath.Join(t.TempDir(), "groups.json")
	writeFile(t, file, `{"SecurityGroups": [{"GroupId": "sg-0\nsgward: all is well", "IpPermissions": [{}], "IpPermissionsEgress": []}]}`)
	got := d.run("audit --region eu-central-1 --format json --from-file", file)
	assert.Equal(t, cli.StatusError, got.status)
	assert.NotContains(t, got.errs, "\nsgward: all is well")
	assert.Contains(t, got.errs, "sg-0[U+000A]sgward: all is well")
}

func TestAWrongEndpointIsReportedSoon(t *testing.T) {
	d := newWorkspace(t)
	t.Setenv("AWS_MAX_ATTEMPTS", "")
	begin := time.Now()
	got := d.run("audit --endpoint-url http://127.0.0.1:1")
	assert.Equal(t, cli.StatusError, got.status)
	assert.Equal(t, "sgward: http://127.0.0.1:1 does not answer (is sgward local running?): connection refused\n", got.errs)
	assert.Less(t, time.Since(begin), 30*time.Second, "three tries and no more")
}
