// Package sgward_test holds what must be true of the module as a whole.
package sgward_test

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// listed is what `go list -deps -json` says of one package.
type listed struct {
	ImportPath string
	Standard   bool
	Imports    []string
}

// deps returns every package that the builds of the given ones link.
func deps(t *testing.T, packages ...string) map[string]listed {
	t.Helper()
	// The build tag and the target are those of the deployed functions.
	cmd := exec.Command("go", append([]string{"list", "-deps", "-tags", "lambda.norpc", "-json=ImportPath,Standard,Imports"}, packages...)...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	require.NoError(t, err, stderr.String())
	all := map[string]listed{}
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listed
		err := dec.Decode(&p)
		if errors.Is(err, io.EOF) {
			return all
		}
		require.NoError(t, err)
		all[p.ImportPath] = p
	}
}

func TestDetectLinksNoAWSSDK(t *testing.T) {
	linked := deps(t, "./functions/detect")
	require.Contains(t, linked, "github.com/aws/aws-lambda-go/lambda", "the list is of the right program")
	for path := range linked {
		assert.False(t, strings.HasPrefix(path, "github.com/aws/aws-sdk-go"), path)
		assert.False(t, strings.HasPrefix(path, "github.com/aws/smithy-go"), path)
	}
}

// mayImport says which packages of the module each may import: those on the floors
// below. What is not named here may not be imported by anything in it.
var mayImport = map[string][]string{
	"secgroup":    {},
	"awsid":       {},
	"policy":      {"awsid", "secgroup", "text"},
	"cloudtrail":  {"secgroup"},
	"policyfile":  {"policy"},
	"finding":     {"policy", "cloudtrail", "secgroup", "text"},
	"text":        {},
	"alert":       {"finding", "secgroup", "text"},
	"ec2rules":    {"finding", "secgroup"},
	"remediation": {"ec2rules", "finding", "policy", "secgroup"},
	"jsonscan":    {},
	"logfile":     {"gunzip", "jsonscan"},
	"inventory":   {"ec2rules", "finding", "policy", "secgroup", "jsonscan", "gunzip", "text"},
	"sweep":       {"inventory", "remediation", "ec2rules", "finding", "policy", "cloudtrail", "secgroup"},
	"report":      {"finding", "policy", "text"},
	"replay":      {"report", "finding", "policy", "cloudtrail", "logfile", "secgroup"},
	"pattern":     {"secgroup"},
	"authorize":   {"ec2rules", "finding", "policy", "secgroup"},
	"undo":        {"authorize", "awsid", "ec2rules", "finding", "policy", "secgroup"},
	"lambdaenv":   {"awsid", "finding"},
}

func TestPackagesImportOnlyFloorsBelow(t *testing.T) {
	all := deps(t, "./...")
	const internal = "sgward/internal/"
	for pkg, allowed := range mayImport {
		p, ok := all[internal+pkg]
		require.True(t, ok, "package %s is named here but not in the module", pkg)
		for _, imported := range p.Imports {
			if rest, ok := strings.CutPrefix(imported, internal); ok {
				assert.Contains(t, allowed, rest, "%s imports %s", pkg, rest)
			}
			assert.False(t, strings.HasPrefix(imported, "sgward/functions") || strings.HasPrefix(imported, "sgward/cmd"), "%s imports %s", pkg, imported)
		}
	}
}

// pure packages decide; they may not reach for a clock, the environment, a file or
// the network.
func TestJudgingIsPure(t *testing.T) {
	all := deps(t, "./internal/...")
	for _, pkg := range []string{"secgroup", "policy", "cloudtrail", "finding"} {
		for _, imported := range all["sgward/internal/"+pkg].Imports {
			for _, banned := range []string{"os", "net", "net/http", "log", "log/slog", "os/exec"} {
				assert.NotEqual(t, banned, imported, "%s imports %s", pkg, imported)
			}
		}
	}
}

func TestStandInIsIndependentOfWhatItTests(t *testing.T) {
	for _, imported := range deps(t, "./localaws/...")["sgward/localaws/ec2api"].Imports {
		assert.False(t, strings.HasPrefix(imported, "sgward/internal/") && !strings.HasPrefix(imported, "sgward/localaws"), imported)
	}
}
