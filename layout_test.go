// Package sgward_test holds what must be true of the module as a whole.
package sgward_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
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

// deps returns every package that the builds of the given ones link. Those of this module have the name sgward, whatever path go.mod gives it.
func deps(t *testing.T, packages ...string) map[string]listed {
	t.Helper()
	// The build tags and the target are those of the deployed functions.
	cmd := exec.Command("go", append([]string{"list", "-deps", "-tags", "lambda.norpc,nethttpomithttp2", "-json=ImportPath,Standard,Imports"}, packages...)...)
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
		p.ImportPath = named(p.ImportPath)
		for i := range p.Imports {
			p.Imports[i] = named(p.Imports[i])
		}
		all[p.ImportPath] = p
	}
}

var modulePath = sync.OnceValue(func() string {
	out, err := exec.Command("go", "list", "-m").Output()
	if err != nil {
		panic(err)
	}
	return strings.TrimSpace(string(out))
})

func named(importPath string) string {
	if inside, ok := strings.CutPrefix(importPath, modulePath()+"/"); ok {
		return "sgward/" + inside
	}
	return importPath
}

// The functions read the JSON form of a policy: YAML's tables would cost each cold start a part
// of a millisecond. hook shares the reader of templates with sgward check, which reads YAML.
func TestNoFunctionButHookLinksAParserOfYAML(t *testing.T) {
	for _, function := range []string{"detect", "remediate", "sweep", "slack", "outlets"} {
		linked := deps(t, "./functions/"+function)
		require.Contains(t, linked, "github.com/aws/aws-lambda-go/lambda", "the list is of the right program")
		assert.NotContains(t, linked, "go.yaml.in/yaml/v3", function)
	}
}

func TestDetectAndHookLinkNoAWSSDK(t *testing.T) {
	for _, function := range []string{"./functions/detect", "./functions/hook"} {
		linked := deps(t, function)
		require.Contains(t, linked, "github.com/aws/aws-lambda-go/lambda", "the list is of the right program")
		for path := range linked {
			assert.False(t, strings.HasPrefix(path, "github.com/aws/aws-sdk-go"), "%s links %s", function, path)
			assert.False(t, strings.HasPrefix(path, "github.com/aws/smithy-go"), "%s links %s", function, path)
		}
	}
}

// mayImport says which packages of the module each may import: those on the floors
// below. What is not named here may not be imported by anything in it.
var mayImport = map[string][]string{
	"secgroup":       {"text"},
	"awsid":          {},
	"crash":          {},
	"pause":          {},
	"policy":         {"awsid", "policy/document", "secgroup", "text"},
	"cloudtrail":     {"awsid", "policy", "secgroup", "text"},
	"policyfile":     {"policy", "policy/document"},
	"policyyaml":     {"policy/document"},
	"policypackage":  {"policy", "policy/document", "policyfile", "policyyaml"},
	"cloudformation": {},
	"finding":        {"awsid", "policy", "cloudtrail", "secgroup"},
	"text":           {},
	"alert":          {"awsid", "cloudtrail", "finding", "policy", "secgroup", "text"},
	"logline":        {"finding", "policy", "secgroup"},
	"metric":         {},
	"ec2rules":       {"awsid", "crash", "finding", "metric", "pause", "secgroup"},
	"remediation":    {"cloudtrail", "crash", "ec2rules", "finding", "logline", "metric", "pause", "policy", "secgroup", "text"},
	"jsonscan":       {},
	"logfile":        {"crash", "jsonscan"},
	"bucket":         {"awscall", "awsid", "crash", "logfile", "pause", "text"},
	"athena":         {"awscall", "bucket", "cloudtrail", "logfile", "pause"},
	"eventhistory":   {"awscall", "crash", "logfile", "pause", "text"},
	"inventory":      {"awsid", "crash", "ec2rules", "finding", "policy", "secgroup", "text"},
	"repeats":        {"alert", "cloudtrail", "finding", "table", "text"},
	"table":          {"awscall"},
	"sweep":          {"cloudtrail", "ec2rules", "finding", "inventory", "logline", "pause", "policy", "remediation", "repeats", "secgroup", "table", "text"},
	"planned":        {"finding", "policy", "secgroup", "text"},
	"terraform":      {"awsid", "crash", "planned", "secgroup", "text"},
	"template":       {"cloudformation", "planned", "secgroup", "text"},
	"hook":           {"awsid", "planned", "policy", "template", "text"},
	"check":          {"cloudformation", "planned", "template", "terraform", "text"},
	"report":         {"awsid", "cloudtrail", "finding", "policy", "secgroup", "text"},
	"replay":         {"cloudtrail", "crash", "finding", "logfile", "policy", "report", "secgroup", "text"},
	"input":          {"awsid", "cloudtrail", "logfile", "policy", "policyyaml", "secgroup", "text"},
	"caller":         {"awsid", "policy"},
	"organization":   {"awscall", "awsid", "caller", "text"},
	"authorize":      {"alert", "cloudtrail", "ec2rules", "finding", "policy", "secgroup", "text"},
	"undo":           {"alert", "authorize", "awsid", "caller", "cloudtrail", "ec2rules", "eventhistory", "finding", "policy", "secgroup", "text"},
	"group":          {"authorize", "caller", "ec2rules", "finding", "policy", "remediation", "secgroup", "text"},
	"policytest":     {"awsid", "finding", "input", "policy", "secgroup", "text"},
	"lambdaenv":      {"awscall", "awsid", "finding", "table", "text"},
	"slack":          {"alert", "pause", "text"},
	"outlets":        {"awscall", "awsid", "cloudtrail", "finding", "pause", "policy", "text"},
	"startfailure":   {},
	"awscall":        {"pause", "text"},
	"sqs":            {"awscall"},
	"stack":          {"awscall", "ec2rules", "text"},
	"redrive":        {"awscall", "awsid", "cloudtrail", "crash", "invocation", "sqs", "stack", "text"},
	"doctor":         {"awscall", "awsid", "caller", "cloudtrail", "crash", "ec2rules", "eventhistory", "logline", "metric", "organization", "policy", "policy/document", "policyfile", "policyyaml", "sqs", "stack", "text"},
	"selftest":       {"authorize", "awscall", "caller", "cloudtrail", "ec2rules", "finding", "logline", "pause", "policy", "secgroup", "stack"},
	"invocation":     {},
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
			for _, above := range []string{"sgward/functions", "sgward/cmd", "sgward/localaws"} {
				assert.False(t, strings.HasPrefix(imported, above), "%s imports %s", pkg, imported)
			}
		}
	}
}

// pure packages decide; they may not reach for a clock, the environment, a file or
// the network.
func TestJudgingIsPure(t *testing.T) {
	all := deps(t, "./internal/...")
	for _, pkg := range []string{"secgroup", "text", "policy", "cloudtrail", "finding", "planned", "template", "hook"} {
		for _, imported := range all["sgward/internal/"+pkg].Imports {
			for _, banned := range []string{"os", "net", "net/http", "log", "log/slog", "os/exec"} {
				assert.NotEqual(t, banned, imported, "%s imports %s", pkg, imported)
			}
		}
	}
}

// The stand-in for AWS is no part of the product: two commands show it, and nothing
// else below internal links it but what only tests import.
func TestOnlyTheCommandLineLinksTheStandIn(t *testing.T) {
	for path, p := range deps(t, "./internal/...", "./functions/...") {
		for _, imported := range p.Imports {
			if strings.HasPrefix(imported, "sgward/localaws") && !strings.HasPrefix(path, "sgward/localaws") && !strings.HasSuffix(path, "test") {
				assert.Equal(t, "sgward/internal/cli", path, "imports %s", imported)
			}
		}
	}
}

func TestStandInIsIndependentOfWhatItTests(t *testing.T) {
	for _, imported := range deps(t, "./localaws/...")["sgward/localaws/ec2api"].Imports {
		assert.False(t, strings.HasPrefix(imported, "sgward/internal/") && !strings.HasPrefix(imported, "sgward/localaws"), imported)
	}
}

// The drill uses what the product is, from outside: its binaries and the stand-in.
func TestTheDrillStandsBesideTheProduct(t *testing.T) {
	for path, p := range deps(t, "./internal/...", "./functions/...", "./cmd/...", "./localaws/...") {
		for _, imported := range p.Imports {
			assert.False(t, strings.HasPrefix(imported, "sgward/drill"), "%s imports %s", path, imported)
		}
	}
	all := deps(t, "./drill/...")
	for path, p := range all {
		for _, imported := range p.Imports {
			if strings.HasPrefix(path, "sgward/drill") && strings.HasPrefix(imported, "sgward/internal/") {
				assert.Contains(t, []string{"sgward/internal/crash", "sgward/internal/sdkhttp"}, imported, "%s imports it", path)
			}
		}
	}
	require.Contains(t, all, "sgward/drill/oracle")
}

// An oracle that judges with the judge's code sees none of its errors.
func TestTheOracleSharesNoCodeWithTheProduct(t *testing.T) {
	linked := deps(t, "./drill/oracle")
	require.Contains(t, linked, "sgward/drill/oracle")
	for path := range linked {
		assert.True(t, path == "sgward/drill/oracle" || !strings.HasPrefix(path, "sgward/"), path)
	}
}

// mayUse says which packages may mention the operations that change what a group
// lets through: the SDK's, and those of ec2rules, which alone calls them. A name in
// an interface is enough for the linker to keep the operation.
var mayUse = map[string][]string{
	"RevokeSecurityGroupIngress":    {"ec2rules"},
	"RevokeSecurityGroupEgress":     {"ec2rules"},
	"AuthorizeSecurityGroupIngress": {"ec2rules"},
	"AuthorizeSecurityGroupEgress":  {"ec2rules"},
	"ModifySecurityGroupRules":      {},
	"CreateSecurityGroup":           {"group", "selftest"},
	"DeleteSecurityGroup":           {"selftest"},
	"ec2rules.Revoke":               {"remediation"},
	"ec2rules.Revoker":              {"remediation"},
	"ec2rules.Authorize":            {"authorize"},
	"ec2rules.Authorizer":           {"authorize"},
}

// testBench plays the person who opens groups and edits lists. Only tests link it.
const testBench = "internal/sweep/sweeptest"

func TestOnlyFewMayRevokeOrAuthorize(t *testing.T) {
	used := map[string][]string{}
	for _, root := range []string{"internal", "functions", "cmd"} {
		require.NoError(t, filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err == nil && filepath.ToSlash(path) == testBench {
				return filepath.SkipDir
			}
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			pkg := strings.TrimPrefix(filepath.ToSlash(filepath.Dir(path)), "internal/")
			ast.Inspect(file, func(n ast.Node) bool {
				var name string
				switch n := n.(type) {
				case *ast.Ident:
					name = n.Name
				case *ast.SelectorExpr:
					if of, ok := n.X.(*ast.Ident); ok && of.Name == "ec2rules" {
						name = "ec2rules." + n.Sel.Name
					}
				}
				if _, guarded := mayUse[name]; guarded && !slices.Contains(used[name], pkg) {
					used[name] = append(used[name], pkg)
				}
				return true
			})
			return nil
		}))
	}
	for name, allowed := range mayUse {
		assert.ElementsMatch(t, allowed, used[name], name)
	}
}

// The rest of sgward, the command line too, opens nothing itself.
func TestOnlyUndoGroupAndTheSelfTestPutRulesIntoGroups(t *testing.T) {
	var users []string
	for path, p := range deps(t, "./...") {
		if slices.Contains(p.Imports, "sgward/internal/authorize") {
			users = append(users, path)
		}
	}
	assert.ElementsMatch(t, []string{"sgward/internal/undo", "sgward/internal/group", "sgward/internal/selftest"}, users)
}

// That the functions close and cannot open rests on IAM, and on this.
func TestNoFunctionLinksACallThatOpens(t *testing.T) {
	for path := range deps(t, "./functions/...") {
		assert.NotEqual(t, "sgward/internal/authorize", path)
	}
	for path := range deps(t, "./functions/...", "./localaws/...") {
		assert.NotEqual(t, "sgward/internal/eventhistory", path, "undo, replay and doctor alone ask CloudTrail, for a person")
		if inside, ok := strings.CutPrefix(path, "sgward/"); ok && inside != "internal/awscall" {
			files, err := filepath.Glob(filepath.Join(inside, "*.go"))
			require.NoError(t, err)
			for _, file := range files {
				if strings.HasSuffix(file, "_test.go") {
					continue
				}
				source, err := os.ReadFile(file)
				require.NoError(t, err)
				for _, service := range []string{"CloudTrail", "Organizations", "IAM"} {
					assert.NotContains(t, string(source), "awscall."+service, "%s: a function calls no service of people", file)
				}
			}
		}
	}
	for path := range deps(t, "./functions/...", "./cmd/...", "./localaws/...") {
		assert.NotEqual(t, "sgward/"+testBench, path)
	}
	slackBinary := deps(t, "./functions/slack")
	require.Contains(t, slackBinary, "github.com/slack-go/slack", "the list is of the right program")
	for _, banned := range []string{"github.com/aws/aws-sdk-go-v2/service/ec2", "sgward/internal/ec2rules", "sgward/internal/remediation"} {
		assert.NotContains(t, slackBinary, banned, "slack only posts")
	}
	outletsBinary := deps(t, "./functions/outlets")
	require.Contains(t, outletsBinary, "sgward/internal/outlets", "the list is of the right program")
	for path := range outletsBinary {
		assert.False(t, strings.HasPrefix(path, "github.com/aws/aws-sdk-go-v2/service/"), "outlets makes its two calls without a client: %s", path)
	}
	dir := t.TempDir()
	for function, revokes := range map[string]bool{"remediate": true, "sweep": false} {
		binary := filepath.Join(dir, function)
		out, err := exec.Command("go", "build", "-tags", "lambda.norpc,nethttpomithttp2", "-o", binary, "./functions/"+function).CombinedOutput()
		require.NoError(t, err, string(out))
		linked, err := os.ReadFile(binary)
		require.NoError(t, err)
		has := func(operation string) bool { return bytes.Contains(linked, []byte("ec2.(*Client)."+operation)) }
		assert.True(t, has("DescribeSecurityGroupRules"), "the names of linked methods are in the binary")
		assert.Equal(t, revokes, has("RevokeSecurityGroupIngress"), "only remediate may revoke: %s", function)
		assert.Equal(t, revokes, has("RevokeSecurityGroupEgress"), "only remediate may revoke: %s", function)
		for _, operation := range []string{"AuthorizeSecurityGroupIngress", "AuthorizeSecurityGroupEgress", "ModifySecurityGroupRules", "CreateSecurityGroup"} {
			assert.False(t, has(operation), "%s links %s", function, operation)
		}
	}
}

// A panic in a goroutine without it ends the command line with status 2, which means usage.
func TestGoroutinesReportTheirCrash(t *testing.T) {
	found := 0
	for _, folder := range []string{"cmd", "drill", "internal", "localaws"} {
		require.NoError(t, filepath.WalkDir(folder, func(path string, _ fs.DirEntry, err error) error {
			if err != nil || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") {
				return err
			}
			files := token.NewFileSet()
			file, err := parser.ParseFile(files, path, nil, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			ast.Inspect(file, func(n ast.Node) bool {
				if started, ok := goroutine(n); ok {
					found++
					assert.True(t, reportsCrash(started), `%s: a goroutine has to begin with "defer crash.Exit()"`, files.Position(n.Pos()))
				}
				return true
			})
			return nil
		}))
	}
	assert.Greater(t, found, 10, "the sources were read")
}

// goroutine returns the function that a statement starts: by go, or by a method Go of a wait group or its like.
func goroutine(n ast.Node) (ast.Expr, bool) {
	switch n := n.(type) {
	case *ast.GoStmt:
		return n.Call.Fun, true
	case *ast.CallExpr:
		if method, ok := n.Fun.(*ast.SelectorExpr); ok && method.Sel.Name == "Go" && len(n.Args) == 1 {
			return n.Args[0], true
		}
	}
	return nil, false
}

func reportsCrash(started ast.Expr) bool {
	function, ok := started.(*ast.FuncLit)
	if !ok || len(function.Body.List) == 0 {
		return false
	}
	first, ok := function.Body.List[0].(*ast.DeferStmt)
	if !ok {
		return false
	}
	called, ok := first.Call.Fun.(*ast.SelectorExpr)
	if !ok {
		return false
	}
	pkg, ok := called.X.(*ast.Ident)
	return ok && pkg.Name == "crash" && called.Sel.Name == "Exit"
}
