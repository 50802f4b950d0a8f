package terraform

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestAddressesAreReadWhateverTheirKeysHold(t *testing.T) {
	for text, want := range map[string]address{
		`aws_security_group.g`:                     {kind: "aws_security_group", name: "g"},
		`aws_security_group.g[0].id`:               {kind: "aws_security_group", name: "g", key: "[0]"},
		`module.net["a.b[\"c\"]"].aws_eip.x["]."]`: {modules: []instance{{"net", `["a.b[\"c\"]"]`}}, kind: "aws_eip", name: "x", key: `["]."]`},
		`module.a.module.b[1].data.aws_eip.x`:      {modules: []instance{{"a", ""}, {"b", "[1]"}}, data: true, kind: "aws_eip", name: "x"},
		`module.net.group_id`:                      {modules: []instance{{"net", ""}}, kind: "group_id"},
		`module.net`:                               {modules: []instance{{"net", ""}}},
		`var.x`:                                    {kind: "var", name: "x"},
		`each.value.group`:                         {kind: "each", name: "value"},
		``:                                         {},
		`module`:                                   {kind: "module"},
		`aws_security_group.g["unclosed`:           {kind: "aws_security_group", name: "g", key: `["unclosed`},
	} {
		assert.Equal(t, want, parseAddress(text), text)
	}
	a := parseAddress(`module.net["x"].aws_eip.x[0]`)
	assert.Equal(t, "module.net.aws_eip.x", a.block())
	assert.Equal(t, []string{`["x"]`, "[0]"}, a.keys())
	for reference, means := range map[string]bool{`module.net.aws_eip.x`: true, `module.net["x"].aws_eip.x[0]`: true, `module.net["y"].aws_eip.x`: false, `module.net.aws_eip.x[1]`: false} {
		ref := parseAddress(reference)
		assert.Equal(t, means, ref.matches(&a), reference)
	}
}
