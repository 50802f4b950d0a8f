package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/spf13/cobra"

	"sgward/internal/awsid"
	"sgward/internal/input"
	"sgward/internal/policy/document"
	"sgward/internal/policyfile"
	"sgward/internal/policypackage"
	"sgward/internal/report"
	"sgward/internal/text"
)

// stackName is the form of a stack's name, short enough for the name of its layer.
var stackName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9-]{0,56}$`)

func packageCommand(in Invocation) *cobra.Command {
	var output outputFlags
	var file, out, stack string
	var folders []string
	cmd := &cobra.Command{
		Use:   "package",
		Short: "Make a Lambda layer of a policy, to deploy it without a build",
		Long: "Package writes the archive of a Lambda layer that holds the policy, and prints the policy's digest and the commands\n" +
			"that publish the layer and give it to the functions of a stack, by the parameter PolicyLayerArn. The functions log\n" +
			"the digest when they start. Package calls nothing of AWS; the same policy gives the same bytes.\n" +
			"Beside the policy stands its JSON form, which is what the functions read, as they hold no parser of policies in\n" +
			"YAML; they do not start if it was made of another file. With --into both are written into the folder of a function, as the build does.\n" +
			"A policy that is not sound is refused, with every problem as policy lint lists it.\n" +
			"Exit status: 0 made, 1 error, 2 usage or a policy that is not sound.",
		Example: "  sgward policy package\n  sgward policy package --policy strict.yaml --out strict.zip --stack-name sgward-prod\n" +
			"  sgward policy package --policy strict.yaml --into build/DetectFunction",
		Args: cobra.NoArgs, ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if len(folders) > 0 && (cmd.Flags().Changed("out") || cmd.Flags().Changed("stack-name")) {
				return usageError("--into makes no layer: want it without --out and --stack-name")
			}
			if !stackName.MatchString(stack) {
				return usageError("--stack-name %q: want letters, digits and dashes that begin with a letter, 57 at most", stack)
			}
			p, data, err := input.PolicyData(file)
			if err != nil {
				if err := printProblems(in, outputFlags{format: string(report.Text)}, file, nil, err); err != nil {
					return fmt.Errorf("writing the result: %w", err)
				}
				return &statusError{status: StatusUsage} // its problems are printed
			}
			if err := printProblems(in, outputFlags{format: string(report.Text), quiet: true}, file, p, nil); err != nil {
				return fmt.Errorf("writing the result: %w", err)
			}
			packed := packedPolicy{PolicyFile: p.File(), PolicyDigest: p.Digest(), Statements: p.Statements(), Exceptions: p.Exceptions()}
			if len(folders) > 0 {
				return writeInto(in, &output, folders, data, packed)
			}
			archive, err := policypackage.Layer(data)
			if err != nil {
				return fmt.Errorf("making the layer: %w", err)
			}
			if err := writeLayer(in, out, archive); err != nil {
				return err
			}
			made := layerMade{
				File: out, Bytes: len(archive), Path: "/opt/" + policyfile.InLayer, packedPolicy: packed,
				Commands: deployLayer(stack, out, p.Digest()),
			}
			if output.format == string(report.JSON) {
				return writeJSON(in.Stdout, made)
			}
			return made.print(output.results(in), bare(in.Stdout), output.quiet)
		},
	}
	output.add(cmd, report.Text, report.JSON)
	policyFlag(cmd, &file)
	cmd.Flags().StringVarP(&out, "out", "o", "policy-layer.zip", "write the layer's archive into this file")
	cmd.Flags().StringVar(&stack, "stack-name", "sgward", "the stack in the printed commands; its layer is STACK-policy")
	cmd.Flags().StringArrayVar(&folders, "into", nil, "make no layer: write policy.yaml and its JSON form into this folder; may repeat")
	_ = cmd.MarkFlagDirname("into") // the flag exists
	return cmd
}

// writeInto writes the policy into folders of functions.
func writeInto(in Invocation, output *outputFlags, folders []string, data []byte, packed packedPolicy) error {
	made := policyWritten{packedPolicy: packed}
	for _, folder := range folders {
		if folder == "" {
			return usageError("--into: it is empty: want a folder")
		}
		if isSource(filepath.Join(folder, input.DefaultPolicy), data) {
			return usageError("--into %s: it holds another policy.yaml, and not one that was packaged: want the folder of a function", folder)
		}
	}
	for _, folder := range folders {
		if err := policypackage.Write(folder, input.DefaultPolicy, data); err != nil {
			return fmt.Errorf("--into %s: %w", folder, err)
		}
		made.Files = append(made.Files, filepath.Join(folder, input.DefaultPolicy), document.JSONName(filepath.Join(folder, input.DefaultPolicy)))
	}
	switch {
	case output.format == string(report.JSON):
		return writeJSON(in.Stdout, made)
	case output.quiet:
		_, err := fmt.Fprintln(bare(in.Stdout), made.PolicyDigest)
		return err
	}
	if _, err := fmt.Fprintf(output.results(in), "%s\nwritten: %s\n", packed, strings.Join(made.Files, "\n         ")); err != nil {
		return fmt.Errorf("writing the result: %w", err)
	}
	return nil
}

// isSource reports whether a policy file is not a copy that this command made: it differs from
// what is to be written, and lacks its JSON form. Somebody may have no other copy of it.
func isSource(file string, data []byte) bool {
	held, err := os.ReadFile(file)
	if err != nil || bytes.Equal(held, data) {
		return false
	}
	_, err = os.Stat(document.JSONName(file))
	return errors.Is(err, fs.ErrNotExist)
}

// packedPolicy is the policy that was packed.
type packedPolicy struct {
	PolicyFile   string `json:"policyFile"`
	PolicyDigest string `json:"policyDigest"`
	Statements   int    `json:"statements"`
	Exceptions   int    `json:"exceptions"`
}

// String describes the policy in two lines.
func (p packedPolicy) String() string {
	return fmt.Sprintf("policy: %s, %s\ndigest: %s", text.Plural(p.Statements, "statement"), text.Plural(p.Exceptions, "exception"), p.PolicyDigest)
}

// policyWritten is the result of --into: one line of JSON.
type policyWritten struct {
	Files []string `json:"files"`
	packedPolicy
}

func writeLayer(in Invocation, name string, archive []byte) error {
	file, err := createFile(name)
	if err != nil {
		return err
	}
	defer file.discard()
	if _, err := file.Write(archive); err != nil {
		return fmt.Errorf("--out %s: %w", name, err)
	}
	return file.keep(in, true)
}

// layerMade is the result: one line of JSON.
type layerMade struct {
	File  string `json:"file"`
	Bytes int    `json:"bytes"`
	Path  string `json:"path"` // in the functions
	packedPolicy
	Commands []string `json:"commands"`
}

// print writes the result for people: prose to lines, and commands, which are pasted, to
// plain.
func (m layerMade) print(lines, plain io.Writer, quiet bool) error {
	if quiet {
		_, err := fmt.Fprintln(plain, m.PolicyDigest)
		return err
	}
	if _, err := fmt.Fprintf(lines, "%s: %s bytes, with %s as %s\n%s\n\nTo publish it, and give it to the functions:\n",
		m.File, text.Thousands(m.Bytes), m.PolicyFile, m.Path, m.packedPolicy); err != nil {
		return fmt.Errorf("writing the result: %w", err)
	}
	_, err := fmt.Fprintf(plain, "\n%s\n", strings.Join(m.Commands, "\n"))
	return err
}

// deployLayer returns the commands, for a POSIX shell, that publish an archive as a version
// of the stack's layer and update the stack with it. All other parameters keep their values:
// CloudFormation gives those that a call leaves out their defaults.
func deployLayer(stack, archive, digest string) []string {
	return []string{
		fmt.Sprintf("layer=$(aws lambda publish-layer-version --layer-name %s-policy --description %s \\\n"+
			"  --zip-file %s --query LayerVersionArn --output text)", stack, digest, shellWord("fileb://"+archive)),
		"since=$(date +%s)000", // earlier log lines are about the former policy
		fmt.Sprintf("aws cloudformation update-stack --stack-name %s --use-previous-template \\\n"+
			"  --capabilities CAPABILITY_IAM CAPABILITY_AUTO_EXPAND \\\n"+
			"  --parameters ParameterKey=PolicyLayerArn,ParameterValue=\"$layer\" \\\n"+
			"    $(aws cloudformation describe-stacks --stack-name %[1]s --output text --query \\\n"+
			"      \"Stacks[0].Parameters[?ParameterKey!='PolicyLayerArn'].join('', ['ParameterKey=', ParameterKey, ',UsePreviousValue=true'])\")", stack),
		"aws cloudformation wait stack-update-complete --stack-name " + stack,
		// A function says which policy it has when it starts: sweep now, the others with their first event.
		fmt.Sprintf("echo '{\"sgward\":\"sweep\"}' | aws lambda invoke --invocation-type Event --payload fileb:///dev/stdin \\\n"+
			"  --function-name \"$(aws cloudformation describe-stacks --stack-name %s --output text --query \\\n"+
			"    \"Stacks[0].Outputs[?OutputKey=='SweepFunctionName'].OutputValue\")\" /dev/null", stack),
		"sleep 30",
		fmt.Sprintf("for function in detect remediate sweep; do\n"+
			"  aws logs filter-log-events --log-group-name /aws/lambda/%s-$function --filter-pattern '{ $.message = \"policy loaded\" }' \\\n"+
			"    --start-time \"$since\" --output json --query 'events[-1].message'\n"+
			"done", stack),
	}
}

// shellWord quotes a word for a POSIX shell, if it has to be.
func shellWord(s string) string {
	if awsid.OnlyOf(s, awsid.Alphanumeric+"_-./:,=+@%") {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
