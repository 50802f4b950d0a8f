package alert

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"sgward/internal/finding"
)

func TestExposureNamesEveryPublicAddress(t *testing.T) {
	for want, n := range map[string]finding.Interface{
		"- eni-1, no public address, private 10.0.0.5": {PrivateIP: "10.0.0.5", IPv6Addresses: []string{"fd00::1"}},
		"- eni-1, PUBLIC address 203.0.113.9":          {PublicIP: "203.0.113.9"},
		"- eni-1, PUBLIC address 203.0.113.10":         {MorePublicIPs: []string{"203.0.113.10"}},
		"- eni-1, PUBLIC address 2001:db8::1":          {IPv6Addresses: []string{"2001:db8::1"}},
		"- eni-1, PUBLIC addresses 203.0.113.9, 203.0.113.10, 203.0.113.11, and 1 more": {
			PublicIP: "203.0.113.9", MorePublicIPs: []string{"203.0.113.10", "203.0.113.11"}, IPv6Addresses: []string{"2001:db8::1"}},
	} {
		n.ID = "eni-1"
		assert.Equal(t, want, shown(networkInterface(&n, false)))
	}
}

func TestExposureSaysWhatWasReadAndFound(t *testing.T) {
	said := func(list []finding.Interface, problem string) (out []string) {
		a := alertOf(result(finding.OutcomeRevoked, tcp(3306, "0.0.0.0/0")))
		a.Exposed, a.ExposedError = list, problem
		for _, it := range newView(&a).exposed(mail().limits).items {
			out = append(out, shown(it.text))
		}
		return out
	}
	assert.Equal(t, []string{"Not looked up."}, said(nil, ""))
	assert.Equal(t, []string{"No network interface uses the group at present."}, said([]finding.Interface{}, ""))
	assert.Equal(t, []string{"No network interface was found that uses the group.", `This is not all: "x".`}, said([]finding.Interface{}, "x"))
	assert.Equal(t, []string{`The interfaces that use the group could not be read: "x".`}, said(nil, "x"))
	many := said(make([]finding.Interface, maxListed+2), "")
	assert.Equal(t, "And 2 more.", many[len(many)-1])
}
