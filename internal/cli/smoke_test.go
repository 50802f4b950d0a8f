package cli_test

import (
	"bytes"
	"context"
	"flag"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/cli"
)

var built = flag.Bool("built", false, "run the command line and the functions that \"make build\" has put into build/")

// step is one command of the smoke test after the tutorial.
type step struct {
	args   string
	status int
	want   string // somewhere in the output
}

// steps are the commands that the tutorial leaves out. VPC and WEB stand for ids of the tutorial.
func steps() []step {
	return []step{
		{"version", cli.StatusClean, "sgward "},
		{"help", cli.StatusClean, "Available Commands"},
		{"help group allow", cli.StatusClean, "sgward group allow"},
		{"completion bash", cli.StatusClean, "bash completion"},
		{"completion fish", cli.StatusClean, "fish completion"},
		{"completion powershell", cli.StatusClean, "powershell completion"},
		{"completion zsh", cli.StatusClean, "zsh completion"},
		{"policy lint policy.yaml", cli.StatusClean, ""},
		{"policy test", cli.StatusClean, "passed"},
		{"policy package --out layer.zip", cli.StatusClean, "aws lambda publish-layer-version"},
		{"policy schema", cli.StatusClean, "json-schema.org"},
		{"explain --port 22 --cidr 0.0.0.0/0", cli.StatusFindings, "world-open-admin"},
		{"explain --event events/ingress-mysql-world.json", cli.StatusFindings, "3306"},
		{"demo --fast", cli.StatusClean, ""},
		{"audit", cli.StatusClean, "5 groups"},
		{"audit --policy egress.yaml", cli.StatusFindings, "try-me"},
		{"audit --policy egress.yaml --all-regions", cli.StatusFindings, "try-me"},
		{"audit --policy egress.yaml --regions us-east-1 --format html", cli.StatusFindings, "<!doctype html>"},
		{"audit --from-file dumps/private.json --region us-east-1", cli.StatusClean, "launch-wizard-7"},
		{"replay --account-history --regions us-east-1", cli.StatusFindings, "event history"},
		{"check plans/create.json", cli.StatusFindings, "aws_security_group_rule.postgres"},
		{"check --parameter-overrides Env=prod -- templates/forms.yaml", cli.StatusFindings, "templates/forms.yaml:43"},
		{"check --format sarif plans/errored.json", cli.StatusError, "run terraform plan again"},
		{"group create --pattern web-server --vpc-id VPC --name web", cli.StatusClean, "nothing to change"},
		{"group create --dry-run --pattern scanner --vpc-id VPC --name another", cli.StatusClean, "would be made"},
		{"group allow --dry-run --for 8h --group-id WEB --port 8443 --cidr 203.0.113.0/24 --description vendor", cli.StatusClean, "sgward:until="},
		{"group allow --dry-run --group-id WEB --port 443 --cidr 203.0.113.0/24 --description HTTPS", cli.StatusClean, "would make"},
		{"doctor --stack elsewhere", cli.StatusError, "name one with --stack: sgward"},
		{"doctor --self-test --yes --policy policy.yaml", cli.StatusClean, "The path works"},
		{"redrive --dry-run", cli.StatusClean, "No dead letters in stack sgward"},
		{"redrive --all --stack elsewhere", cli.StatusError, "name one with --stack: sgward"},
		{"nonsense", cli.StatusUsage, "nonsense"},
	}
}

// TestSmoke runs every command of the built command line, those of docs/TUTORIAL.md first, against its own
// sgward local, in an environment that holds nothing of this machine's but PATH.
func TestSmoke(t *testing.T) {
	if !*built {
		t.Skip(`"make smoke" runs it`)
	}
	file := filepath.Join(t.TempDir(), "file")
	writeFile(t, file, "")
	readOnly := filepath.Join(t.TempDir(), "home")
	require.NoError(t, os.Mkdir(readOnly, 0o500))
	environments := []struct {
		name  string
		home  string // none if empty
		vars  []string
		umask string
	}{
		{name: "empty home", home: t.TempDir(), vars: []string{"LANG=C.UTF-8"}},
		{name: "no home"},
		{name: "read-only home", home: readOnly},
		{name: "home that nobody can make", home: filepath.Join(file, "home"), vars: []string{"LANG=C"}}, // read-only does not bind root
		{name: "far east", home: t.TempDir(), vars: []string{"TZ=Pacific/Kiritimati", "LANG=tr_TR.UTF-8", "LC_ALL=tr_TR.UTF-8"}},
		{name: "far west", home: t.TempDir(), vars: []string{"TZ=Pacific/Pago_Pago"}},
		{name: "closed umask", home: t.TempDir(), umask: "077"},
	}
	var ran map[string][]string
	for _, e := range environments {
		t.Run(e.name, func(t *testing.T) {
			vars := append(e.vars, "PATH="+os.Getenv("PATH"), "TERM=dumb")
			if e.home != "" {
				vars = append(vars, "HOME="+e.home)
			}
			ran = smoke(t, vars, e.umask)
		})
	}
	for _, command := range slices.Sorted(maps.Keys(ran)) {
		for _, typed := range ran[command] {
			t.Log("sgward " + typed)
		}
	}
	t.Logf("%d commands in %d environments", len(ran), len(environments))
}

// smoke runs everything in one environment and returns the runs of each command.
func smoke(t *testing.T, vars []string, umask string) map[string][]string {
	t.Helper()
	r := newReader(t)
	repository, err := filepath.Abs("../..")
	require.NoError(t, err)
	p := &builtProgram{TB: t, path: filepath.Join(repository, "build", "sgward"), env: vars, umask: umask, ran: map[string][]string{}}
	r.sgward, r.make = p.run, func() { linkBuild(t, repository, r.checkout) }
	r.setenv = func(name, value string) { p.env = append(p.env, name+"="+value) }
	all := p.commands()
	r.tutorial()

	ids := strings.NewReplacer("VPC", r.ids["vpc-0d4573d603d96c20d"], "WEB", r.ids["sg-00a83d22cfb3edaa9"])
	for _, s := range steps() {
		p.expect(strings.Fields(ids.Replace(s.args)), s.status, s.want)
	}
	p.env = append(p.env, "AWS_PROFILE=nobody-has-this")
	for _, args := range []string{"audit", "group allow --group-id sg-00a83d22cfb3edaa9 --port 443 --cidr 203.0.113.0/24 --description HTTPS", "undo --yes build/seen/alert-1.json"} {
		p.expect(strings.Fields(args), cli.StatusError, "nobody-has-this")
	}
	for _, command := range all {
		assert.NotEmpty(t, p.ran[command], "the smoke test leaves out sgward %s", command)
	}
	return p.ran
}

// linkBuild makes a folder look like a checkout after "make build".
func linkBuild(t *testing.T, repository, checkout string) {
	t.Helper()
	require.NoError(t, os.Mkdir(filepath.Join(checkout, "build"), 0o700))
	functions, err := filepath.Glob(filepath.Join(repository, "build", "*Function"))
	require.NoError(t, err)
	require.NotEmpty(t, functions, `run "make build" first`)
	for _, path := range append(functions, filepath.Join(repository, "build", "sgward")) {
		require.NoError(t, os.Symlink(path, filepath.Join(checkout, "build", filepath.Base(path))))
	}
	// The default policy has nothing against the rules that the tutorial leaves, AWS's own egress among them.
	writeFile(t, filepath.Join(checkout, "egress.yaml"),
		"version: 1\nworld: {ipv4: 9, ipv6: 32}\nstatements:\n  - {id: egress, severity: low, effect: alert, egress: {to: world}}\n")
	for _, name := range []string{"policy_test.yaml", "events"} {
		require.NoError(t, os.Symlink(filepath.Join(repository, name), filepath.Join(checkout, name)))
	}
	for name, folder := range map[string]string{"dumps": "internal/cli/testdata/files/audit", "plans": "internal/terraform/testdata", "templates": "internal/template/testdata"} {
		require.NoError(t, os.Symlink(filepath.Join(repository, filepath.FromSlash(folder)), filepath.Join(checkout, name)))
	}
}

// builtProgram is the command line that "make build" makes, in an environment of its own.
type builtProgram struct {
	testing.TB
	path  string
	env   []string
	umask string
	all   []string            // its commands
	ran   map[string][]string // the runs of each
}

// run is a program. Nothing of the test's own environment reaches it.
func (p *builtProgram) run(ctx context.Context, args []string, out, errs io.Writer) int {
	typed := strings.Join(args, " ")
	for _, command := range p.all {
		if typed == command || strings.HasPrefix(typed, command+" ") {
			p.ran[command] = append(p.ran[command], typed)
		}
	}
	words := append([]string{p.path}, args...)
	if p.umask != "" {
		words = append([]string{"sh", "-c", "umask " + p.umask + `; exec "$0" "$@"`}, words...)
	}
	cmd := exec.CommandContext(ctx, words[0], words[1:]...)
	cmd.Env, cmd.Stdout, cmd.Stderr = p.env, out, errs
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	if err := cmd.Run(); cmd.ProcessState == nil {
		assert.NoError(p, err, `run "make build" first`)
		return -1
	}
	return cmd.ProcessState.ExitCode()
}

// expect runs a command and holds what it says against what is wanted.
func (p *builtProgram) expect(args []string, status int, want string) {
	p.Helper()
	var said bytes.Buffer
	got := p.run(context.Background(), args, &said, &said)
	assert.Equal(p, status, got, "sgward %s\n%s", strings.Join(args, " "), &said)
	assert.Contains(p, said.String(), want, "sgward %s", strings.Join(args, " "))
}

// commands asks the program itself for all that can be typed, by its help.
func (p *builtProgram) commands() []string {
	p.Helper()
	var leaves []string
	var walk func(words []string)
	walk = func(words []string) {
		var help bytes.Buffer
		require.Equal(p, cli.StatusClean, p.run(context.Background(), append(slices.Clone(words), "--help"), &help, &help), &help)
		_, list, found := strings.Cut(help.String(), "\nAvailable Commands:\n")
		if !found {
			leaves = append(leaves, strings.Join(words, " "))
			return
		}
		list, _, _ = strings.Cut(list, "\n\n")
		for line := range strings.Lines(list) {
			walk(append(slices.Clone(words), strings.Fields(line)[0]))
		}
	}
	walk(nil)
	require.Greater(p, len(leaves), 10, "the help was understood")
	p.all = leaves
	return leaves
}
