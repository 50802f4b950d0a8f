package cli

import (
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestABuildSaysOnlyWhatItKnows(t *testing.T) {
	assert.Equal(t, "v1.2.3", Build{Version: "v1.2.3"}.String())
	assert.Equal(t, "v1.2.3 (2027-01-31T09:30:00Z)", Build{Version: "v1.2.3", Date: "2027-01-31T09:30:00Z"}.String())
}

func TestABuildWithoutFlagsHasAVersionAndAPlatform(t *testing.T) {
	got := ReadBuild(Build{})
	assert.NotEmpty(t, got.Version)
	assert.Equal(t, runtime.Version(), got.GoVersion)
	assert.Equal(t, runtime.GOOS+"/"+runtime.GOARCH, got.Platform)
	assert.Equal(t, "v1.2.3", ReadBuild(Build{Version: "v1.2.3"}).Version, "the linker's flag wins")
}
