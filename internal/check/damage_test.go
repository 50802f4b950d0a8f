package check_test

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/check"
	"sgward/internal/planned"
)

// Whatever a file holds, reading and judging it ends, and a part that is cut off is a
// problem.
func TestDamagedFilesAreReadWithoutPanic(t *testing.T) {
	p := testPolicy(t)
	random := rand.New(rand.NewPCG(1, 2)) // the same damage in every run
	pieces := [][]byte{[]byte("null"), []byte("true"), []byte("[]"), []byte("{}"), []byte("7"), []byte(`"x"`), []byte("}"), []byte("-1e999"), []byte("*a"), []byte("!If [x]"), []byte("!Ref"), []byte("<<: *ssh"), []byte("\n"), []byte("  ")}
	plans, err := filepath.Glob("../terraform/testdata/*.json")
	require.NoError(t, err)
	for _, path := range append(plans, "../template/testdata/forms.yaml", "../template/testdata/unknown.yaml", "../template/testdata/loops.yaml", "../template/testdata/cdk.out/App.template.json") {
		whole, err := os.ReadFile(path)
		require.NoError(t, err)
		for range 60 {
			at := random.IntN(len(whole))
			end := min(len(whole), at+random.IntN(40))
			damaged := bytes.Join([][]byte{whole[:at], pieces[random.IntN(len(pieces))], whole[end:]}, nil)
			for _, c := range check.Read([]string{"-"}, bytes.NewReader(damaged), nil).Changes {
				planned.Judge(p, c.Change, c.Name, now)
			}
		}
		cut := check.Read([]string{"-"}, bytes.NewReader(whole[:len(whole)*2/3]), nil)
		if filepath.Ext(path) == ".json" {
			assert.NotEmpty(t, cut.Problems, path)
		}
	}
}
