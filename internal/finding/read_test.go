package finding_test

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/finding"
)

func TestAnAlertIsReadAsItWasWritten(t *testing.T) {
	want := finding.Alert{
		SchemaVersion: finding.SchemaVersion, ID: "a-0123456789abcdef", Mode: finding.Enforce,
		Findings: []finding.Result{{Finding: finding.Finding{ID: "f-1"}, Outcome: finding.OutcomeRevoked}},
	}
	encoded, err := json.Marshal(want)
	require.NoError(t, err)
	got, err := finding.ReadAlert(encoded)
	require.NoError(t, err)
	assert.Equal(t, "a-0123456789abcdef", got.ID)
	again, err := json.Marshal(got)
	require.NoError(t, err)
	assert.JSONEq(t, string(encoded), string(again))
}

func TestMessagesThatAreNoAlertAreToldFromAlertsThatCannotBeRead(t *testing.T) {
	for _, message := range []string{
		"", "hello", "null", "[]", "7", `{}`, `{"AlarmName":"x"}`, `{"schemaVersion":"1"}`, `{"findings":[]}`,
		`{"schemaVersion":"1","findings":null}`, `{"schemaVersion":1,"findings":[]}`, `{"SCHEMAVERSION":"1","Findings":[]}`, `{"schemaVersion":"1","findings":[]`,
	} {
		a, err := finding.ReadAlert([]byte(message))
		assert.ErrorIs(t, err, finding.ErrNoAlert, message)
		assert.Nil(t, a, message)
	}

	_, err := finding.ReadAlert([]byte(`{"schemaVersion":"2","findings":"of another shape"}`))
	var other *finding.VersionError
	require.ErrorAs(t, err, &other)
	assert.Equal(t, "2", other.Version)
	assert.EqualError(t, err, `the alert has schemaVersion "2": this sgward knows "1"`)

	for _, message := range []string{`{"schemaVersion":"1","findings":{}}`, `{"schemaVersion":"1","findings":[],"findings":[]}`, "{\"schemaVersion\":\"1\",\"findings\":[],\"id\":\"\xff\"}"} {
		a, err := finding.ReadAlert([]byte(message))
		require.Error(t, err, message)
		assert.False(t, errors.Is(err, finding.ErrNoAlert) || errors.As(err, &other), message)
		assert.Nil(t, a, message)
	}
}
