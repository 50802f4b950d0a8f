package sdkhttp_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/sdkhttp"
)

// spy is a client that looks at the body that it is given.
type spy struct {
	http.Client
	writesItself bool
}

func (s *spy) Do(r *http.Request) (*http.Response, error) {
	_, s.writesItself = r.Body.(io.WriterTo)
	return s.Client.Do(r)
}

type writable struct{ *strings.Reader }

func (writable) Close() error { return nil }

func TestBodyIsReadAndArrivesWhole(t *testing.T) {
	got, length := "", int64(0)
	web := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		assert.NoError(t, err)
		got, length = string(body), r.ContentLength
	}))
	t.Cleanup(web.Close)
	for _, text := range []string{"Action=DescribeVpcs", ""} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, web.URL, writable{strings.NewReader(text)})
		require.NoError(t, err)
		request.ContentLength = int64(len(text))
		if text == "" {
			request.Body = http.NoBody
		}
		s := &spy{}
		answer, err := sdkhttp.Client(s).Do(request)
		require.NoError(t, err)
		require.NoError(t, answer.Body.Close())
		assert.Equal(t, text, got)
		assert.Equal(t, int64(len(text)), length, "it says how long it is")
		assert.Equal(t, text == "", s.writesItself, "only an empty body is left as it is")
	}
}
