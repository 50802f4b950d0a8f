package document_test

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/policy/document"
	"sgward/internal/policyyaml"
)

const text = `version: 1
statements:
  - {id: a, unless: {group-tags: {Public: yes, "7": [x, 0x1f]}}}
allow: true
nothing: ~
empty: []
`

func TestTheJSONFormHoldsEachValueWithItsLine(t *testing.T) {
	d := policyyaml.Document("policy.yaml", []byte(text))
	form, err := d.JSON()
	require.NoError(t, err)
	assert.JSONEq(t, `{"format": 1, "digest": "`+document.DigestOf([]byte(text))+`", "policy": [1, {
		"version": [1, [1, "1"]],
		"statements": [2, [3, [[3, {
			"id": [3, [3, "a"]],
			"unless": [3, [3, {"group-tags": [3, [3, {"Public": [3, [3, "yes"]], "7": [3, [3, [[3, "x"], [3, "0x1f"]]]]}]]}]]
		}]]]],
		"allow": [4, [4, "true", true]],
		"nothing": [5, [5]],
		"empty": [6, [6, []]]
	}]}`, string(form))

	read, err := document.FromJSON("policy.yaml", form)
	require.NoError(t, err)
	again, err := read.JSON()
	require.NoError(t, err)
	assert.Equal(t, string(form), string(again))
}

func TestValuesThatReferToOthersHaveNoJSONForm(t *testing.T) {
	for text, want := range map[string]string{
		"a: &x 1\nb: *x\n":             "p.yaml: line 2: a reference to another value has no JSON form",
		"a: &x {b: 1}\nc:\n  <<: *x\n": "p.yaml: line 3: a key that is not a string has no JSON form",
		"? [a]\n: 1\n":                 "p.yaml: line 1: a key that is not a string has no JSON form",
		"":                             "p.yaml holds no policy",
	} {
		_, err := policyyaml.Document("p.yaml", []byte(text)).JSON()
		assert.EqualError(t, err, want, text)
	}
}

func TestADamagedJSONFormIsRefusedWithThePlace(t *testing.T) {
	sound, err := policyyaml.Document("policy.yaml", []byte(text)).JSON()
	require.NoError(t, err)
	for name, damaged := range map[string]string{
		"empty":                   "",
		"cut":                     string(sound[:len(sound)/2]),
		"more behind it":          string(sound) + "{}",
		"a list at the top":       `{"format": 1, "digest": "sha256:00", "policy": [1, []]}`,
		"no digest":               `{"format": 1, "policy": [1, {}]}`,
		"a line that is none":     `{"format": 1, "digest": "", "policy": [-1, {}]}`,
		"half a line":             `{"format": 1, "digest": "", "policy": [1.5, {}]}`,
		"a number as a value":     `{"format": 1, "digest": "", "policy": [1, {"a": [1, [1, 2]]}]}`,
		"a key twice":             `{"format": 1, "digest": "", "policy": [1, {"a": [1, [1]], "a": [1, [1]]}]}`,
		"a null that is a policy": `{"format": 1, "digest": "", "policy": [1]}`,
		"too deep":                `{"format": 1, "digest": "", "policy": ` + strings.Repeat("[1, [", 100) + strings.Repeat("]]", 100) + `}`,
	} {
		_, err := document.FromJSON("policy.yaml", []byte(damaged))
		require.Error(t, err, name)
		assert.ErrorContains(t, err, "at byte ", name)
		assert.ErrorContains(t, err, `not the JSON form of a policy, as "sgward policy package" makes it`, name)
	}
	_, err = document.FromJSON("policy.yaml", []byte(`{"format": 2, "digest": "", "policy": [1, {}]}`))
	assert.EqualError(t, err, `it has format 2: want 1, as "sgward policy package" of this release makes it`)
}

// Whatever the bytes are, they are refused, or give a document that has them as its JSON form.
func FuzzFromJSON(f *testing.F) {
	for _, file := range []string{"../../../policy.yaml", "../../../drill/policy.yaml"} {
		data, err := os.ReadFile(file)
		require.NoError(f, err)
		form, err := policyyaml.Document("policy.yaml", data).JSON()
		require.NoError(f, err)
		f.Add(form)
	}
	f.Add([]byte(`{"format": 1, "digest": "", "policy": [1, {"a": [1, [2, "x", true]], "b": [3, [3]]}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		d, err := document.FromJSON("policy.yaml", data)
		if err != nil {
			return
		}
		form, err := d.JSON()
		require.NoError(t, err)
		again, err := document.FromJSON("policy.yaml", form)
		require.NoError(t, err)
		require.Equal(t, d, again)
	})
}
