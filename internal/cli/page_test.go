package cli

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// commands are all that a person can run, in the order of help.
func commands() []*cobra.Command {
	root := rootCommand(Invocation{Build: Build{Version: "v0.0.0-test"}})
	var out []*cobra.Command
	var walk func(*cobra.Command)
	walk = func(cmd *cobra.Command) {
		if len(cmd.Commands()) == 0 {
			out = append(out, cmd)
		}
		for _, child := range cmd.Commands() {
			if child.Name() != "help" && child.Name() != "completion" {
				walk(child)
			}
		}
	}
	walk(root)
	return out
}

// flagsOf are the command's own flags, sorted by name.
func flagsOf(cmd *cobra.Command) []*pflag.Flag {
	var out []*pflag.Flag
	cmd.NonInheritedFlags().VisitAll(func(f *pflag.Flag) { out = append(out, f) })
	return out
}

const pageHead = `# The command line

` + "`sgward COMMAND --help`" + ` prints the same. Results go to standard output, everything else to standard error.
Flags that name files or values more than once may be repeated; ` + "`-`" + ` is standard input.

| exit status | meaning |
| --- | --- |
| 0 | clean: nothing to report |
| 1 | an error: something could not be read or done, a policy test failed, or sgward crashed |
| 2 | usage: the command line or a policy file is wrong |
| 3 | a finding other than exempt was printed |

They are the same in every format. An error wins over findings. ` + "`--format json`" + ` writes one object per line and nothing else.
` + "`--fail-on`" + ` sets which findings count: see [REPORTS.md](REPORTS.md#what-makes-the-exit-status-3).

On a terminal, text has colours (none if ` + "`NO_COLOR`" + ` is set) and its lines are wrapped at the width of the terminal. In a
pipe or a file a line is a line. A port may be written as the name of its service: ` + "`--port mysql`" + `.

## Completion

` + "`sgward completion SHELL`" + ` prints a script that completes commands, flags and their values: formats, services as ports,
regions, the profiles of ` + "`~/.aws/config`" + `, and files of the right kind.

` + "```sh" + `
source <(sgward completion bash)   # now; it needs the package bash-completion
sgward completion bash > ~/.local/share/bash-completion/completions/sgward
sgward completion zsh > "${fpath[1]}/_sgward"
sgward completion fish > ~/.config/fish/completions/sgward.fish
sgward completion powershell | Out-String | Invoke-Expression
` + "```" + `
`

func writePage(cmds []*cobra.Command) string {
	var b strings.Builder
	b.WriteString(pageHead)
	for _, cmd := range cmds {
		fmt.Fprintf(&b, "\n## %s\n\n%s.\n\n```\n%s\n```\n", cmd.CommandPath(), cmd.Short, cmd.UseLine())
		if cmd.Long != "" {
			fmt.Fprintf(&b, "\n%s\n", strings.ReplaceAll(strings.ReplaceAll(cmd.Long, "<", "&lt;"), "\nExit status:", "\n\nExit status:"))
		}
		if cmd.Example != "" {
			fmt.Fprintf(&b, "\n```sh\n%s\n```\n", strings.ReplaceAll(strings.TrimPrefix(cmd.Example, "  "), "\n  ", "\n"))
		}
		if flags := flagsOf(cmd); len(flags) > 0 {
			b.WriteString("\n| flag | meaning |\n| --- | --- |\n")
			for _, f := range flags {
				name := "--" + f.Name
				if f.Shorthand != "" {
					name = "-" + f.Shorthand + ", " + name
				}
				kind, usage := pflag.UnquoteUsage(f)
				if kind != "" {
					name += " " + kind
				}
				if hasDefault(f) {
					usage += fmt.Sprintf(" (default `%s`)", f.DefValue)
				}
				fmt.Fprintf(&b, "| `%s` | %s |\n", name, strings.ReplaceAll(usage, "|", `\|`))
			}
		}
	}
	return b.String()
}

func TestPageOfTheCommandLineIsOfThisProgram(t *testing.T) {
	const path = "../../docs/CLI.md"
	got := writePage(commands())
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(got), 0o600))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, string(want), got, "go test ./internal/cli -update writes it anew")
}

// What has one name means one thing, whatever the command.
func TestFlagsOfOneNameAreAlike(t *testing.T) {
	type flag struct{ kind, shorthand, usage, value string }
	seen := map[string]flag{}
	by := map[string]string{}
	// The same words with another meaning: what they take differs by command.
	differ := []string{"fail-on", "format", "group-id", "mode", "out", "policy", "port", "region", "since", "yes"}
	for _, cmd := range commands() {
		for _, f := range flagsOf(cmd) {
			this := flag{f.Value.Type(), f.Shorthand, f.Usage, f.DefValue}
			if slices.Contains(differ, f.Name) {
				this.usage, this.value = "", ""
			}
			if before, ok := seen[f.Name]; ok {
				assert.Equal(t, before, this, "--%s of %s and of %s", f.Name, by[f.Name], cmd.CommandPath())
			}
			seen[f.Name], by[f.Name] = this, cmd.CommandPath()
		}
	}
}

// Commands that judge or change something say so alike.
func TestCommandsHaveWhatEveryCommandHas(t *testing.T) {
	plain := []string{"sgward version", "sgward policy schema"}
	noResults := []string{"sgward demo", "sgward local"}
	status := regexp.MustCompile(`(?m)^Exit status: 0 .*1 .*2 `)
	for _, cmd := range commands() {
		path := cmd.CommandPath()
		t.Run(path, func(t *testing.T) {
			assert.NotEmpty(t, cmd.Short)
			assert.NotRegexp(t, `\.$`, cmd.Short)
			if slices.Contains(plain, path) {
				return
			}
			assert.Regexp(t, status, cmd.Long)
			assert.NotEmpty(t, cmd.Example)
			if slices.Contains(noResults, path) {
				return
			}
			assert.NotNil(t, cmd.Flags().Lookup("format"), "--format")
			assert.NotNil(t, cmd.Flags().Lookup("quiet"), "--quiet")
			for _, name := range []string{"format", "mode", "direction", "protocol", "pattern"} {
				if cmd.Flags().Lookup(name) != nil {
					_, ok := cmd.GetFlagCompletionFunc(name)
					assert.True(t, ok, "--%s is completed", name)
				}
			}
		})
	}
}
