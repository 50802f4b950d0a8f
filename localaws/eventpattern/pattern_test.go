package eventpattern_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/localaws/eventpattern"
)

func TestPatternMatches(t *testing.T) {
	tests := []struct {
		name, pattern, event string
		want                 bool
	}{
		{"exact string", `{"a":["x"]}`, `{"a":"x"}`, true},
		{"exact string, other value", `{"a":["x"]}`, `{"a":"y"}`, false},
		{"exact string is case-sensitive", `{"a":["x"]}`, `{"a":"X"}`, false},
		{"any of several values", `{"a":["x","y"]}`, `{"a":"y"}`, true},
		{"nested", `{"a":{"b":["x"]}}`, `{"a":{"b":"x"}}`, true},
		{"nested, parent is a string", `{"a":{"b":["x"]}}`, `{"a":"x"}`, false},
		{"all fields must match", `{"a":["x"],"b":["y"]}`, `{"a":"x","b":"z"}`, false},
		{"fields that are not named do not matter", `{"a":["x"]}`, `{"a":"x","b":"z"}`, true},

		{"array in the event, one element matches", `{"a":["x"]}`, `{"a":["w","x"]}`, true},
		{"array in the event, none matches", `{"a":["x"]}`, `{"a":["w"]}`, false},
		{"empty array in the event", `{"a":["x"]}`, `{"a":[]}`, false},
		{"array of objects", `{"a":{"b":["x"]}}`, `{"a":[{"b":"w"},{"b":"x"}]}`, true},
		{"two fields may match in different elements", `{"a":{"b":["x"],"c":["y"]}}`, `{"a":[{"b":"x"},{"c":"y"}]}`, true},

		{"exists, present", `{"a":[{"exists":true}]}`, `{"a":"x"}`, true},
		{"exists, null is present", `{"a":[{"exists":true}]}`, `{"a":null}`, true},
		{"exists, absent", `{"a":[{"exists":true}]}`, `{"b":1}`, false},
		{"not exists, absent", `{"a":[{"exists":false}]}`, `{"b":1}`, true},
		{"not exists, present", `{"a":[{"exists":false}]}`, `{"a":"x"}`, false},
		{"not exists, parent absent", `{"a":{"b":[{"exists":false}]}}`, `{}`, true},
		{"exists looks at leaves only", `{"a":[{"exists":true}]}`, `{"a":{"b":1}}`, false},

		{"value or operator in one list", `{"a":["x",{"exists":false}]}`, `{}`, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			pattern, err := eventpattern.Compile([]byte(tt.pattern))
			require.NoError(t, err)
			got, err := pattern.Matches([]byte(tt.event))
			require.NoError(t, err)
			assert.Equal(t, tt.want, got, "pattern %s on %s", tt.pattern, tt.event)
		})
	}
}

func TestCompileRefusesWhatItDoesNotKnow(t *testing.T) {
	tests := []struct{ name, pattern, want string }{
		{"operator", `{"a":[{"cidr":"10.0.0.0/8"}]}`, "is unknown here"},
		{"two operators in one object", `{"a":[{"exists":true,"suffix":"b"}]}`, "is unknown here"},
		{"number", `{"a":[3]}`, "is unknown here"},
		{"or", `{"$or":[{"a":["x"]},{"b":["x"]}]}`, "is unknown here"},
		{"operator below nesting is named by path", `{"a":{"b":[{"cidr":"x"}]}}`, "a.b: "},
		{"bare value", `{"a":"x"}`, "want a list or an object"},
		{"empty list", `{"a":[]}`, "empty list"},
		{"empty object", `{"a":{}}`, "empty object"},
		{"empty pattern", `{}`, "empty object"},
		{"exists with a string", `{"a":[{"exists":"true"}]}`, "is unknown here"},
		{"list in a list", `{"a":[["x"]]}`, "is unknown here"},
		{"not JSON", `{`, "reading event pattern"},
		{"two documents", `{"a":["x"]} {}`, "reading event pattern"},
		{"list", `[]`, "reading event pattern"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := eventpattern.Compile([]byte(tt.pattern))
			assert.ErrorContains(t, err, tt.want)
		})
	}
}

func TestMatchesRefusesAnEventThatIsNotJSON(t *testing.T) {
	pattern, err := eventpattern.Compile([]byte(`{"a":["x"]}`))
	require.NoError(t, err)
	_, err = pattern.Matches([]byte(`{"a":`))
	assert.Error(t, err)
}
