package tour

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/localaws"
	"sgward/localaws/snsapi"
)

func TestRecordsOfEarlierRunsStay(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "seen")
	for _, run := range []string{"1", "2"} {
		r, err := newRecorder(dir)
		require.NoError(t, err)
		alert, err := r.keep(localaws.Step{Kind: localaws.StepCall, Record: json.RawMessage(`{"run":` + run + `}`)})
		require.NoError(t, err)
		assert.Empty(t, alert, "a call is none")
		alert, err = r.keep(localaws.Step{Kind: localaws.StepAlerted, Message: &snsapi.Message{Structure: "json", Body: `{"default":"run ` + run + `"}`}})
		require.NoError(t, err)
		assert.Equal(t, filepath.Join(dir, "alert-"+run+".json"), alert)
		require.NoError(t, r.Close())
	}
	for name, want := range map[string]string{"alert-1.json": "run 1\n", "alert-2.json": "run 2\n", "trail.ndjson": "{\"run\":1}\n{\"run\":2}\n"} {
		got, err := os.ReadFile(filepath.Join(dir, name))
		require.NoError(t, err)
		assert.Equal(t, want, string(got), name)
	}
}

func TestRecordsThatCannotBeKeptAreAnError(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	_, err := newRecorder(file)
	assert.ErrorContains(t, err, "folder for records")
	r, err := newRecorder(t.TempDir())
	require.NoError(t, err)
	require.NoError(t, r.Close())
	_, err = r.keep(localaws.Step{Record: json.RawMessage("{}")})
	assert.ErrorContains(t, err, "keeping a CloudTrail record")
}
