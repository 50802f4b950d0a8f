package stage

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"sgward/drill/history"
)

func TestAllTimesOfAMessageGetOlderTogether(t *testing.T) {
	assert.JSONEq(t, `{"timestamp":"2026-11-28T09:55:01.500Z","requestPayload":{"time":"2026-11-28T09:54:00Z","detail":{"eventTime":"2026-11-28T09:54:00Z","n":1}},
		"responsePayload":{"decision":"revoke","event":{"eventTime":"2026-11-28T09:54:00Z"}}}`,
		string(aged([]byte(`{"timestamp":"2026-11-28T10:01:01.5Z","requestPayload":{"time":"2026-11-28T10:00:00Z","detail":{"eventTime":"2026-11-28T10:00:00Z","n":1}},
		"responsePayload":{"decision":"revoke","event":{"eventTime":"2026-11-28T10:00:00Z"}}}`), 6*time.Minute)))
	assert.JSONEq(t, `{"time":"2026-11-28T09:59:00Z","detail":{"eventTime":"2026-11-28T09:59:00Z"}}`,
		string(aged([]byte(`{"time":"2026-11-28T10:00:00Z","detail":{"eventTime":"2026-11-28T10:00:00Z"}}`), time.Minute)))
	for _, other := range []string{`not JSON`, `{"time":"yesterday"}`, `[]`} {
		assert.Equal(t, other, string(aged([]byte(other), time.Minute)))
	}
}

func TestARecordIsGivenAnotherForm(t *testing.T) {
	const record = `{"detail":{"eventID":"e","requestParameters":{"groupId":"sg-1","ipPermissions":{"items":[1]}},"responseElements":{"_return":true,"securityGroupRuleSet":{"items":[2]}}}}`
	assert.Equal(t, record, string(formed([]byte(record), history.Whole)))
	assert.JSONEq(t, `{"detail":{"eventID":"e","requestParameters":{"groupId":"sg-1","ipPermissions":{"items":[1]}},"responseElements":{"_return":true}}}`, string(formed([]byte(record), history.NoIDs)))
	assert.JSONEq(t, `{"detail":{"eventID":"e","requestParameters":{"groupId":"sg-1","ipPermissions":{}},"responseElements":{"_return":true}}}`, string(formed([]byte(record), history.NoRules)))
}
