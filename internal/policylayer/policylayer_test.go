package policylayer

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"io/fs"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const document = "version: 1\nworld: {ipv4: 9, ipv6: 32}\n"

func TestALayerHoldsThePolicyWhereTheFunctionsLook(t *testing.T) {
	data, err := Zip([]byte(document))
	require.NoError(t, err)
	archive, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	require.NoError(t, err)
	require.Len(t, archive.File, 1)
	f := archive.File[0]
	assert.Equal(t, "sgward/policy.yaml", f.Name)
	assert.Equal(t, fs.FileMode(0o644), f.Mode())
	assert.Equal(t, "1980-01-01T00:00:00Z", f.Modified.Format(time.RFC3339))
	assert.Zero(t, f.Flags&8, "the sizes stand before the content")
	r, err := f.Open()
	require.NoError(t, err)
	got, err := io.ReadAll(r) // checks the sum too
	require.NoError(t, err)
	assert.Equal(t, document, string(got))
}

// A layer that is made again has the same bytes, on another machine and day and by another
// release too.
func TestTheBytesOfALayerAreThoseOfItsPolicy(t *testing.T) {
	data, err := Zip([]byte(document))
	require.NoError(t, err)
	assert.Equal(t, "e1223df0be181164237e5cc8359990f0fc18b79a72ac8f797fc740dc8133187a", fmt.Sprintf("%x", sha256.Sum256(data)))
	other, err := Zip([]byte(document + "\n"))
	require.NoError(t, err)
	assert.NotEqual(t, data, other)
}
