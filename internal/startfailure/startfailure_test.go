package startfailure

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestTheErrorIsReportedAsLambdaTakesIt(t *testing.T) {
	var path, kind string
	var body []byte
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path, kind = r.Method+" "+r.URL.Path, r.Header.Get("Lambda-Runtime-Function-Error-Type")
		body, _ = io.ReadAll(r.Body)
		w.WriteHeader(http.StatusAccepted)
	}))
	defer api.Close()
	report(strings.TrimPrefix(api.URL, "http://"), errors.New("policy.yaml:4: a\npolicy.yaml:5: \"b\""))
	assert.Equal(t, "POST /2018-06-01/runtime/init/error", path)
	assert.Equal(t, errorType, kind)
	assert.JSONEq(t, `{"errorType":"Function.ConfigurationInvalid","errorMessage":"policy.yaml:4: a\npolicy.yaml:5: \"b\""}`, string(body))

	report(strings.TrimPrefix(api.URL, "http://"), errors.New(strings.Repeat("é", maxMessage)))
	var said struct {
		ErrorMessage string `json:"errorMessage"`
	}
	require.NoError(t, json.Unmarshal(body, &said))
	assert.Len(t, said.ErrorMessage, maxMessage)
}

func TestNothingListensForTheError(*testing.T) {
	report("", errors.New("a"))
	report("127.0.0.1:1", errors.New("a"))
	report("not an address", errors.New("a"))
}
