package main

import (
	"debug/buildinfo"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestFunctionsAreShippedWithTheLicencesOfAllTheyLink(t *testing.T) {
	for name, some := range map[string][]string{
		"detect":    {"github.com/aws/aws-lambda-go v1.", "LICENSE-LAMBDACODE\n", "go4.org/netipx v"},
		"remediate": {"github.com/aws/aws-sdk-go-v2/service/ec2 v1.", "github.com/aws/smithy-go v1.", "singleflight/LICENSE\n"},
		"sweep":     {"github.com/aws/aws-sdk-go-v2/service/sns v1.", "NOTICE.txt\n"},
	} {
		t.Run(name, func(t *testing.T) {
			binary := filepath.Join(t.TempDir(), "bootstrap")
			out, err := exec.Command("go", "build", "-o", binary, "../../functions/"+name).CombinedOutput()
			require.NoError(t, err, string(out))

			require.NoError(t, write(binary))

			written, err := os.ReadFile(filepath.Join(filepath.Dir(binary), fileName))
			require.NoError(t, err)
			got := string(written)
			info, err := buildinfo.ReadFile(binary)
			require.NoError(t, err)
			want := append(some, "\n"+info.Main.Path+": LICENSE\n", "\nGo "+info.GoVersion+": LICENSE\n", "\nCopyright 2009 The Go Authors.\n")
			for _, m := range info.Deps {
				want = append(want, "\n"+m.Path+" "+m.Version+": LICENSE")
			}
			for _, line := range want {
				assert.True(t, strings.Contains(got, line), line) //nolint:testifylint // contains: a failure would print all licences
			}
			assert.Equal(t, 1, strings.Count(got, "\nAdditional IP Rights Grant (Patents)\n"), "a text stands once")
		})
	}
}

func TestModuleWithoutATextIsAnError(t *testing.T) {
	info := &debug.BuildInfo{
		GoVersion: goVersion(t), Path: ".",
		Deps: []*debug.Module{{Path: "example.com/unlicensed", Version: "v1.0.0"}},
	}
	_, err := collect(info)
	require.EqualError(t, err, "module example.com/unlicensed v1.0.0 has no licence text")
}

func TestAnotherGoThanTheBuildersIsAnError(t *testing.T) {
	_, err := collect(&debug.BuildInfo{GoVersion: "go1.0", Path: "."})
	require.ErrorContains(t, err, "it was built with go1.0, and here is "+goVersion(t))
}

func TestTheCopyOfGosLicenceIsCurrent(t *testing.T) {
	root, err := exec.Command("go", "env", "GOROOT").Output()
	require.NoError(t, err)
	current, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(root)), "LICENSE"))
	if os.IsNotExist(err) {
		t.Skip("this installation of Go comes without its licence")
	}
	require.NoError(t, err)
	assert.Equal(t, string(current), string(goLicense))
}

func goVersion(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("go", "env", "GOVERSION").Output()
	require.NoError(t, err)
	return strings.TrimSpace(string(out))
}
