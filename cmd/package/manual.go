package main

import (
	"bytes"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

// manual returns what the commands say of themselves: man pages, and a completion script for each shell.
func manual(root *cobra.Command, version string, date time.Time) ([]file, error) {
	root.DisableAutoGenTag = true // else the day of the build is in every page
	var files []file
	var add func(cmd *cobra.Command) error
	add = func(cmd *cobra.Command) error {
		var page bytes.Buffer
		// GenMan writes the section and the date into the header.
		header := doc.GenManHeader{Section: "1", Date: &date, Source: "sgward " + version, Manual: "sgward"}
		if err := doc.GenMan(cmd, &header, &page); err != nil {
			return err
		}
		files = append(files, file{"man/man1/" + strings.ReplaceAll(cmd.CommandPath(), " ", "-") + ".1", page.Bytes()})
		for _, child := range cmd.Commands() {
			if !child.IsAvailableCommand() || child.IsAdditionalHelpTopicCommand() {
				continue
			}
			if err := add(child); err != nil {
				return err
			}
		}
		return nil
	}
	if err := add(root); err != nil {
		return nil, err
	}
	for name, write := range map[string]func(io.Writer) error{
		"sgward.bash": func(w io.Writer) error { return root.GenBashCompletionV2(w, true) },
		"_sgward":     root.GenZshCompletion,
		"sgward.fish": func(w io.Writer) error { return root.GenFishCompletion(w, true) },
		"sgward.ps1":  root.GenPowerShellCompletionWithDesc,
	} {
		var script bytes.Buffer
		if err := write(&script); err != nil {
			return nil, err
		}
		files = append(files, file{"completions/" + name, script.Bytes()})
	}
	return files, nil
}
