package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"sgward/internal/text"
)

// Help is as wide as the terminal, up to mostHelp; plainHelp if it is none.
const (
	mostHelp  = 100
	plainHelp = 80
)

// startsOfLines begin a line of their own in the long text of a command.
var startsOfLines = []string{"Exit status:"}

// showHelp prints the help of a command.
func showHelp(in Invocation, cmd *cobra.Command) {
	cmd.InitDefaultHelpFlag()
	terminal := in.terminal(in.Stdout)
	if terminal.Width == 0 {
		terminal.Width = plainHelp
	}
	terminal.Width = min(terminal.Width, mostHelp)
	fmt.Fprint(in.Stdout, helpOf(cmd, terminal))
}

func helpOf(cmd *cobra.Command, terminal text.Terminal) string {
	var b strings.Builder
	heading := func(s string) { b.WriteString("\n" + terminal.Apply(text.Bold, s) + "\n") }
	b.WriteString(terminal.Flow(cmd.Short+".", startsOfLines...) + "\n")
	if cmd.Long != "" {
		b.WriteString("\n" + terminal.Flow(cmd.Long, startsOfLines...) + "\n")
	}
	heading("Usage:")
	if cmd.HasAvailableSubCommands() {
		b.WriteString("  " + cmd.CommandPath() + " COMMAND\n")
	} else {
		b.WriteString(terminal.Lines("  "+cmd.UseLine()) + "\n")
	}
	if cmd.Example != "" {
		heading("Examples:")
		b.WriteString(terminal.Apply(text.Cyan, cmd.Example) + "\n") // to paste: not wrapped
	}
	if cmd.HasAvailableSubCommands() {
		heading("Available Commands:")
		var rows [][2]string
		for _, child := range cmd.Commands() {
			if child.IsAvailableCommand() || child.Name() == "help" {
				rows = append(rows, [2]string{child.Name(), child.Short})
			}
		}
		writeRows(&b, terminal, rows)
	}
	if cmd.HasAvailableLocalFlags() {
		heading("Flags:")
		var rows [][2]string
		cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
			if !f.Hidden {
				name, usage := flagText(f)
				rows = append(rows, [2]string{name, usage})
			}
		})
		writeRows(&b, terminal, rows)
	}
	if cmd.HasAvailableSubCommands() {
		fmt.Fprintf(&b, "\nRun '%s COMMAND --help' for more about a command.\n", cmd.CommandPath())
	}
	return b.String()
}

// flagText is a flag with its value's kind, and its usage with the default.
func flagText(f *pflag.Flag) (name, usage string) {
	kind, usage := pflag.UnquoteUsage(f)
	name = "    --" + f.Name
	if f.Shorthand != "" {
		name = "-" + f.Shorthand + ", --" + f.Name
	}
	if kind != "" {
		name += " " + kind
	}
	if hasDefault(f) {
		usage += " (default " + f.DefValue + ")"
	}
	return name, usage
}

// hasDefault reports whether a flag's default is worth showing.
func hasDefault(f *pflag.Flag) bool {
	return f.DefValue != "" && f.DefValue != "false" && f.DefValue != "[]" && f.DefValue != "0"
}

// writeRows writes names and what they mean, in two columns. A name that is too wide for
// its column has a line of its own.
func writeRows(b *strings.Builder, terminal text.Terminal, rows [][2]string) {
	widest := 0
	for _, row := range rows {
		if n := text.Columns(row[0]); n <= terminal.Width/3 {
			widest = max(widest, n)
		}
	}
	indent := strings.Repeat(" ", 2+widest+2)
	for _, row := range rows {
		begin := "  " + text.PadRight(row[0], widest) + "  "
		if text.Columns(row[0]) > widest {
			begin = "  " + row[0] + "\n" + indent
		}
		room := text.Terminal{Width: max(terminal.Width-len(indent), 20)}
		b.WriteString(begin + strings.ReplaceAll(room.Flow(row[1]), "\n", "\n"+indent) + "\n")
	}
}
