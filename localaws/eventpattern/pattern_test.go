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
		{"number by value", `{"a":[300]}`, `{"a":3.0e2}`, true},
		{"number is not its text", `{"a":[300]}`, `{"a":"300"}`, false},
		{"boolean", `{"a":[true]}`, `{"a":true}`, true},
		{"boolean is not its text", `{"a":[true]}`, `{"a":"true"}`, false},
		{"null", `{"a":[null]}`, `{"a":null}`, true},
		{"null is not absence", `{"a":[null]}`, `{}`, false},
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

		{"prefix", `{"a":[{"prefix":"Auth"}]}`, `{"a":"AuthorizeSecurityGroupIngress"}`, true},
		{"prefix, other", `{"a":[{"prefix":"Auth"}]}`, `{"a":"Revoke"}`, false},
		{"prefix of a number", `{"a":[{"prefix":"3"}]}`, `{"a":33}`, false},
		{"suffix", `{"a":[{"suffix":"Ingress"}]}`, `{"a":"AuthorizeSecurityGroupIngress"}`, true},
		{"suffix, other", `{"a":[{"suffix":"Ingress"}]}`, `{"a":"AuthorizeSecurityGroupEgress"}`, false},
		{"equals-ignore-case", `{"a":[{"equals-ignore-case":"TCP"}]}`, `{"a":"tcp"}`, true},

		{"anything-but, other value", `{"a":[{"anything-but":"x"}]}`, `{"a":"y"}`, true},
		{"anything-but, same value", `{"a":[{"anything-but":"x"}]}`, `{"a":"x"}`, false},
		{"anything-but, missing field", `{"a":[{"anything-but":"x"}]}`, `{"b":"y"}`, false},
		{"anything-but list, excluded", `{"a":[{"anything-but":["x","y"]}]}`, `{"a":"y"}`, false},
		{"anything-but list, other", `{"a":[{"anything-but":["x","y"]}]}`, `{"a":"z"}`, true},
		{"anything-but number", `{"a":[{"anything-but":[1]}]}`, `{"a":1.0}`, false},
		{"anything-but prefix, excluded", `{"a":[{"anything-but":{"prefix":"aws."}}]}`, `{"a":"aws.ec2"}`, false},
		{"anything-but prefix, other", `{"a":[{"anything-but":{"prefix":"aws."}}]}`, `{"a":"mine"}`, true},
		{"anything-but suffix list", `{"a":[{"anything-but":{"suffix":["x","y"]}}]}`, `{"a":"by"}`, false},
		{"anything-but, one element of an array is free", `{"a":[{"anything-but":"x"}]}`, `{"a":["x","y"]}`, true},

		{"numeric range, inside", `{"a":[{"numeric":[">=",1,"<",5]}]}`, `{"a":1}`, true},
		{"numeric range, at the open end", `{"a":[{"numeric":[">=",1,"<",5]}]}`, `{"a":5}`, false},
		{"numeric equals", `{"a":[{"numeric":["=",3]}]}`, `{"a":3.0}`, true},
		{"numeric less or equal", `{"a":[{"numeric":["<=",3]}]}`, `{"a":3.1}`, false},
		{"numeric greater", `{"a":[{"numeric":[">",3]}]}`, `{"a":3.1}`, true},
		{"numeric of a string", `{"a":[{"numeric":["=",3]}]}`, `{"a":"3"}`, false},

		{"or, first branch", `{"$or":[{"a":["x"]},{"b":["y"]}]}`, `{"a":"x"}`, true},
		{"or, second branch", `{"$or":[{"a":["x"]},{"b":["y"]}]}`, `{"b":"y"}`, true},
		{"or, neither", `{"$or":[{"a":["x"]},{"b":["y"]}]}`, `{"a":"y"}`, false},
		{"or is one condition among others", `{"c":["z"],"$or":[{"a":["x"]},{"b":["y"]}]}`, `{"a":"x"}`, false},
		{"or below a field", `{"d":{"$or":[{"a":["x"]},{"b":["y"]}]}}`, `{"d":{"b":"y"}}`, true},
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
		{"operator of a later day", `{"a":[{"cidr":"10.0.0.0/8"}]}`, `operator "cidr" is not known here`},
		{"operator inside anything-but", `{"a":[{"anything-but":{"wildcard":"*"}}]}`, `operator "wildcard" is not known here`},
		{"operator below nesting is named by path", `{"a":{"b":[{"cidr":"x"}]}}`, "a.b: "},
		{"two operators in one object", `{"a":[{"prefix":"a","suffix":"b"}]}`, "one key"},
		{"bare value", `{"a":"x"}`, "want a list or an object, found a string"},
		{"empty list", `{"a":[]}`, "empty list"},
		{"empty object", `{"a":{}}`, "empty object"},
		{"empty pattern", `{}`, "empty object"},
		{"exists with a string", `{"a":[{"exists":"true"}]}`, "want true or false"},
		{"prefix with a number", `{"a":[{"prefix":1}]}`, "want a string"},
		{"numeric with half a range", `{"a":[{"numeric":[">",1,"<"]}]}`, "numeric"},
		{"numeric operator", `{"a":[{"numeric":["!=",1]}]}`, "not known here"},
		{"or with one branch", `{"$or":[{"a":["x"]}]}`, "two or more"},
		{"list in a list", `{"a":[["x"]]}`, "list inside a list"},
		{"not JSON", `{`, "unexpected EOF"},
		{"two documents", `{"a":["x"]} {}`, "more than one"},
		{"list", `[]`, "want a JSON object"},
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
