package awscall

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestLinesOfALogComePageByPageUpToALimit(t *testing.T) {
	const all = 4
	began := time.UnixMilli(1_795_000_000_000)
	var asked []map[string]any
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var in map[string]any
		assert.NoError(t, json.NewDecoder(r.Body).Decode(&in))
		asked = append(asked, in)
		n, next := len(asked), ""
		if n < all {
			next = fmt.Sprintf(`,"nextToken":"after %d"`, n)
		}
		_, _ = fmt.Fprintf(w, `{"events":[{"timestamp":%d,"message":"line %d"}]%s}`, began.UnixMilli()+int64(n), n, next)
	}))
	t.Cleanup(web.Close)
	client := New(aws.Config{Region: "us-east-1", BaseEndpoint: &web.URL, Credentials: credentials.NewStaticCredentialsProvider("AKIA", "secret", "")})
	for most, want := range map[int]error{0: nil, all: nil, 2: ErrMoreLines} {
		asked = nil
		var lines []LogLine
		var err error
		for page, problem := range client.LogPages(t.Context(), LogQuery{Group: "/detect", Pattern: "x", From: began, MaxPages: most}) {
			lines, err = append(lines, page...), problem
		}
		require.ErrorIs(t, err, want)
		require.Len(t, lines, map[error]int{nil: all, ErrMoreLines: 2}[want])
		assert.Len(t, asked, len(lines))
		assert.Equal(t, LogLine{At: began.Add(2 * time.Millisecond), Text: "line 2"}, lines[1])
		assert.Equal(t, map[string]any{"logGroupName": "/detect", "filterPattern": "x", "startTime": float64(began.UnixMilli())}, asked[0])
		assert.Equal(t, "after 1", asked[1]["nextToken"])
	}
}
