package cli_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/cli"
)

func TestDoctorExaminesWhatItCanAndSaysWhatItCannot(t *testing.T) {
	d, _ := deployed(t)
	got := d.run("doctor --format json")
	assert.Equal(t, cli.StatusError, got.status, "the stand-in has no API of EventBridge")
	assert.Contains(t, got.out, `"check":"dead letters","status":"ok","text":"none"`)
	assert.Contains(t, got.out, `"check":"rules","status":"unknown"`)
	assert.Contains(t, got.errs, "the examination is incomplete")

	got = d.run("doctor --stack elsewhere")
	assert.Equal(t, cli.StatusError, got.status)
	assert.Equal(t, "sgward: no stack elsewhere in us-east-1: name one with --stack: sgward\n", got.errs)

	got = d.run("doctor --regions us-east-1,eu-west-1 --stack elsewhere --quiet")
	assert.Equal(t, cli.StatusFindings, got.status, got.errs)
	assert.Contains(t, got.out, "no stack elsewhere in eu-west-1")
	assert.Contains(t, got.out, "no stack elsewhere in us-east-1")

	got = d.run("doctor --all-regions --stack elsewhere --quiet")
	assert.Equal(t, cli.StatusClean, got.status, "most accounts have regions that they do not use")
	assert.Contains(t, got.out, "warning")
}

func TestDoctorRefusesFlagsThatDoNotGoTogether(t *testing.T) {
	d := newWorkspace(t)
	for _, words := range []string{"--fail-on loud", "--yes", "--vpc-id vpc-1", "--self-test --yes --regions us-east-1", "--self-test", "--self-test --yes --format json", "--self-test --confirm", "--confirm --all-regions", "--confirm --format json", "--all-regions --regions us-east-1",
		"--accounts-file x", "--external-id x", "--organization arn:aws:iam::123456789012:role/audit", "--organization audit --assume-role " + theirRole,
		"--self-test --yes --organization audit", "--confirm --organization audit"} {
		assert.Equal(t, cli.StatusUsage, d.run("doctor "+words).status, words)
	}
}

func TestTheSelfTestSaysWhatBecameOfItsRule(t *testing.T) {
	d, s := deployed(t)
	got := d.run("doctor --self-test --yes")
	assert.Equal(t, cli.StatusClean, got.status, got.errs)
	for _, step := range []string{"opened ingress tcp 3306 from 0.0.0.0/0", "detect judged the event: revoke", "it is closed", "remediate published the alert", "The path works: judged after "} {
		assert.Contains(t, got.out, step)
	}
	assert.Contains(t, got.errs, "is deleted.\n")
	for _, g := range s.EC2().Groups() {
		assert.NotContains(t, g.Name, "self-test")
	}
}

func TestThePageOfOpenPointsNamesThoseThatCannotBeRead(t *testing.T) {
	d, _ := deployed(t)
	got := d.run("doctor --confirm")
	assert.Equal(t, cli.StatusError, got.status, "the stand-in has no API of CloudWatch")
	assert.Contains(t, got.out, "# sgward on live AWS\n")
	assert.Contains(t, got.out, "| prefix lists accept 0.0.0.0/0 as an entry | not answered: none of 0 lists has it: create one |")
	assert.Contains(t, got.errs, "could not be read: the examination is incomplete")
}

func TestDoctorOfAnOrganizationNamesEachAccountAndRegion(t *testing.T) {
	d, _ := deployed(t)
	sessions := d.assumed("let-me-in")
	const all = "doctor --external-id let-me-in --organization security/audit --regions us-east-1,eu-central-1 "
	got := d.run(all)
	assert.Equal(t, cli.StatusError, got.status, "an account was not read")
	for _, line := range []string{ // the stand-in has one stack for all accounts and regions, and few APIs
		"Stack sgward in 3 accounts\n",
		"unknown  123456789012 (management)     us-east-1       trail, rules, ",
		"FAILURE  123456789012 (management)     eu-central-1    topic; unknown: trail, rules, ",
		"unknown  111122223333 (Payments Prod)  us-east-1       trail, rules, ",
		"unknown  777788889999 (acquired)       -               the account cannot be examined as arn:aws:iam::777788889999:role/security/audit: access denied: the credentials lack sts:AssumeRole",
		"\n2 failures, 3 unknown\n",
	} {
		assert.Contains(t, got.out, line)
	}
	assert.Contains(t, got.errs, "the examination is incomplete")
	assert.Equal(t, []string{"sgward-doctor"}, *sessions, "one session for all regions")

	got = d.run(all + "--format json")
	assert.Contains(t, got.out, `{"accountId":"111122223333","accountName":"Payments Prod","region":"us-east-1","stack":"sgward","check":"dead letters","status":"ok"`)
	assert.Contains(t, got.out, `{"accountId":"777788889999","accountName":"acquired","region":"","stack":"sgward","check":"account","status":"unknown"`)

	accounts := filepath.Join(t.TempDir(), "accounts.txt")
	require.NoError(t, os.WriteFile(accounts, []byte("123456789012\n111122223333 shop\n"), 0o600))
	got = d.run("doctor --stack elsewhere --external-id let-me-in --organization audit --accounts-file " + accounts)
	assert.Equal(t, cli.StatusFindings, got.status, got.errs)
	assert.Contains(t, got.out, "no stack named elsewhere: deploy it (docs/ORGANISATION.md), or name one with --stack: sgward\n")
	assert.Contains(t, got.out, "2 failures\n")
	got = d.run("doctor --stack elsewhere --all-regions --external-id let-me-in --organization audit --accounts-file " + accounts)
	assert.Equal(t, cli.StatusFindings, got.status, "an account without a stack in any region is not watched")
	assert.NotContains(t, got.out, "warning")
	got = d.run("doctor --stack elsewhere --external-id let-me-in --assume-role " + theirRole)
	assert.Equal(t, cli.StatusFindings, got.status, got.errs)
	assert.Contains(t, got.out, "FAILURE  111122223333  us-east-1       no stack named elsewhere")

	d.noList = true
	got = d.run(all)
	assert.Equal(t, cli.StatusError, got.status)
	assert.Empty(t, got.out)
	assert.Contains(t, got.errs, "name them with --accounts-file")
}
