package cli_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

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
	for _, words := range []string{"--fail-on loud", "--yes", "--vpc-id vpc-1", "--self-test --yes --regions us-east-1", "--self-test", "--self-test --yes --format json", "--self-test --confirm", "--confirm --all-regions", "--confirm --format json", "--all-regions --regions us-east-1"} {
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
	assert.Contains(t, got.out, "| prefix lists accept 0.0.0.0/0 as an entry | not told: none of 0 lists has it: create one |")
	assert.Contains(t, got.errs, "could not be read: the examination is incomplete")
}
