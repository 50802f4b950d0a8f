package hook_test

import (
	"encoding/json"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/hook"
	"sgward/internal/policy"
	"sgward/internal/text"
)

// sound holds an answer against what AWS documents, and against the request.
func sound(t *testing.T, mode hook.Mode, payload []byte, a *hook.Answer) {
	t.Helper()
	assert.Nil(t, a.Stack, "no crash: %v", a.Err)
	encoded, err := a.Response.JSON()
	require.NoError(t, err)
	assert.True(t, utf8.Valid(encoded))
	var shape struct {
		HookStatus         string `json:"hookStatus"`
		ErrorCode          string `json:"errorCode"`
		Message            string `json:"message"`
		ClientRequestToken string `json:"clientRequestToken"`
	}
	decoder := json.NewDecoder(strings.NewReader(string(encoded)))
	decoder.DisallowUnknownFields()
	require.NoError(t, decoder.Decode(&shape))
	assert.NotEmpty(t, shape.Message)
	assert.LessOrEqual(t, text.Units(shape.Message), 4096)
	if a.Request.StackID == "" {
		assert.LessOrEqual(t, text.Units(shape.Message), 1024)
	}
	var token struct {
		Value string `json:"clientRequestToken"`
	}
	// Go's older reader takes names in any case, and damaged texts.
	if json.Unmarshal(payload, &token) == nil && utf8.Valid(payload) && strings.Count(strings.ToLower(string(payload)), "clientrequesttoken") == 1 && strings.Contains(string(payload), `"clientRequestToken"`) {
		assert.Equal(t, token.Value, shape.ClientRequestToken)
	}
	forbidden := a.Verdict == policy.Revoke
	switch shape.HookStatus {
	case "SUCCESS":
		assert.Empty(t, shape.ErrorCode)
		assert.False(t, forbidden)
		assert.True(t, a.Err == nil || mode == hook.Warn)
	case "FAILED":
		assert.Equal(t, forbidden, shape.ErrorCode == "NonCompliant")
		assert.Equal(t, !forbidden, shape.ErrorCode == "InternalFailure")
		assert.True(t, forbidden || mode == hook.Refuse, "nothing of its own fails a deployment while it warns")
	default:
		t.Errorf("status %q", shape.HookStatus)
	}
}

func FuzzAnswer(f *testing.F) {
	f.Add([]byte(`{"clientRequestToken": "t", "requestData": {"targetName": "AWS::EC2::SecurityGroup"}}`))
	f.Add(request(groups, group(tcp(3306, "0.0.0.0/0")), group(tcp(22, "::/0"))))
	judges := map[hook.Mode]*hook.Judge{hook.Warn: judge(f, hook.Warn, "testdata/policy.yaml"), hook.Refuse: judge(f, hook.Refuse, "testdata/policy.yaml")}
	f.Fuzz(func(t *testing.T, payload []byte) {
		for mode, j := range judges {
			a := j.Answer(payload)
			sound(t, mode, payload, &a)
		}
	})
}

// Properties of any content, of a group and of rules, new and changed.
func FuzzProperties(f *testing.F) {
	f.Add([]byte(group(tcp(3306, "0.0.0.0/0"))), []byte(group(tcp(22, "::/0"))))
	f.Add([]byte(rule(tcp(3306, "0.0.0.0/0"))), []byte(`{"GroupId": {"Ref": "X"}, "CidrIp": {"Fn::Sub": "${A}"}}`))
	f.Add([]byte(`{"SecurityGroupIngress": {"Fn::If": ["C", [], {}]}, "Tags": [7]}`), []byte(`{}`))
	j := judge(f, hook.Refuse, "testdata/policy.yaml")
	f.Fuzz(func(t *testing.T, properties, previous []byte) {
		for _, kind := range []string{groups, rules, egress} {
			for _, before := range []string{"", string(previous)} {
				payload := request(kind, string(properties), before)
				a := j.Answer(payload)
				sound(t, hook.Refuse, payload, &a)
			}
		}
	})
}

// The same in every run, without a fuzzer: requests with damage in them.
func TestDamagedRequestsAreAnswered(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	pieces := []string{"null", "true", "[]", "{}", "7", `"x"`, "}", "-1e999", `{"Ref": "A"}`, `{"Fn::If": ["A", 1]}`, `"{{resolve:ssm:x}}"`, "\\u0000", "\xff", "  "}
	requests, err := filepath.Glob("../../functions/hook/testdata/*.json")
	require.NoError(t, err)
	require.Greater(t, len(requests), 4)
	modes := map[hook.Mode]*hook.Judge{hook.Warn: judge(t, hook.Warn, "testdata/policy.yaml"), hook.Refuse: judge(t, hook.Refuse, "testdata/policy.yaml")}
	for _, file := range requests {
		whole, err := os.ReadFile(file)
		require.NoError(t, err)
		for range 300 {
			at := random.IntN(len(whole))
			damaged := string(whole[:at]) + pieces[random.IntN(len(pieces))] + string(whole[min(len(whole), at+random.IntN(40)):])
			for mode, j := range modes {
				a := j.Answer([]byte(damaged))
				sound(t, mode, []byte(damaged), &a)
			}
			if t.Failed() {
				t.Fatalf("%s: %s", file, damaged)
			}
		}
	}
}
