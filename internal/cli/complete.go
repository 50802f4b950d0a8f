package cli

import (
	"bufio"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// The endings of the files that flags and arguments take.
var (
	policyFiles = []string{"yaml", "yml"}
	recordFiles = []string{"json", "jsonl", "ndjson", "gz"}
)

// offerFiles makes the shell complete files of some endings, and folders, for a flag.
func offerFiles(cmd *cobra.Command, flag string, endings ...string) {
	_ = cmd.RegisterFlagCompletionFunc(flag, completeFiles(endings...)) // as in offer
}

// completeFiles completes files of some endings, and folders.
func completeFiles(endings ...string) cobra.CompletionFunc {
	return cobra.FixedCompletions(endings, cobra.ShellCompDirectiveFilterFileExt)
}

// offerProfiles completes the profiles of the shared AWS configuration.
func offerProfiles(cmd *cobra.Command) {
	_ = cmd.RegisterFlagCompletionFunc("profile", func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
		return profiles(os.LookupEnv), cobra.ShellCompDirectiveNoFileComp
	})
}

// profiles lists the profiles in the files that the AWS SDK reads; a file that is missing
// has none.
func profiles(lookup func(string) (string, bool)) []string {
	home, _ := os.UserHomeDir() // "": then only the variables name files
	var out []string
	for _, file := range []struct{ variable, name string }{{"AWS_CONFIG_FILE", "config"}, {"AWS_SHARED_CREDENTIALS_FILE", "credentials"}} {
		path, ok := lookup(file.variable)
		if !ok || path == "" {
			path = filepath.Join(home, ".aws", file.name)
		}
		f, err := os.Open(path)
		if err != nil {
			continue
		}
		lines := bufio.NewScanner(f)
		for lines.Scan() {
			section, ok := strings.CutPrefix(strings.TrimSpace(lines.Text()), "[")
			section, closed := strings.CutSuffix(section, "]")
			if !ok || !closed {
				continue
			}
			name, isProfile := strings.CutPrefix(section, "profile ")
			if isProfile || file.name == "credentials" || section == "default" {
				out = append(out, strings.Trim(strings.TrimSpace(name), `"'`))
			}
		}
		_ = f.Close() // it was only read
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// regionNames are AWS's public regions, for completion; any other name is accepted too
// (https://docs.aws.amazon.com/global-infrastructure/latest/regions/aws-regions.html).
func regionNames() []string {
	return []string{
		"af-south-1", "ap-east-1", "ap-east-2", "ap-northeast-1", "ap-northeast-2", "ap-northeast-3", "ap-south-1", "ap-south-2",
		"ap-southeast-1", "ap-southeast-2", "ap-southeast-3", "ap-southeast-4", "ap-southeast-5", "ap-southeast-6", "ap-southeast-7",
		"ca-central-1", "ca-west-1", "cn-north-1", "cn-northwest-1", "eu-central-1", "eu-central-2", "eu-north-1", "eu-south-1",
		"eu-south-2", "eu-west-1", "eu-west-2", "eu-west-3", "eusc-de-east-1", "il-central-1", "me-central-1", "me-south-1", "mx-central-1",
		"sa-east-1", "us-east-1", "us-east-2", "us-gov-east-1", "us-gov-west-1", "us-west-1", "us-west-2",
	}
}
