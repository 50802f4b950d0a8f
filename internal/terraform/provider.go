package terraform

import (
	"cmp"
	"encoding/json/jsontext"
	"encoding/json/v2"
	"strings"

	"sgward/internal/awsid"
)

// place returns the account and region of a resource, "" where they are not known.
func (p *plan) place(r *resource) (account, region string) {
	for _, v := range []*values{r.will, r.was} {
		if v == nil {
			continue
		}
		arn, _ := awsid.ParseARN(str(v.ARN))
		region = cmp.Or(region, str(v.Region), arn.Region)
		account = cmp.Or(account, str(v.OwnerID), arn.Account)
	}
	if p.configuration == nil {
		return account, region
	}
	block, ok := p.blocks[r.address.block()]
	provider := p.configuration.Providers[block.Provider]
	if ok {
		region = cmp.Or(region, p.text(provider.Expressions["region"], provider.Module))
		account = cmp.Or(account, p.accountOf(provider))
	}
	if account == "" && len(p.accounts) == 1 && p.providers() == 1 {
		account = p.accounts[0]
	}
	return account, region
}

// providers counts the configurations of the aws provider.
func (p *plan) providers() int {
	n := 0
	for key, c := range p.configuration.Providers {
		if strings.HasSuffix(c.FullName, "/aws") || c.FullName == "" && strings.HasPrefix(key, "aws") {
			n++
		}
	}
	return n
}

// accountOf returns the account in which a provider works, if its configuration says so.
func (p *plan) accountOf(c providerConfig) string {
	var roles []map[string]jsontext.Value
	if raw := c.Expressions["assume_role"]; raw.Kind() == '[' && json.Unmarshal(raw, &roles) == nil && len(roles) > 0 {
		role, _ := awsid.ParseARN(p.text(roles[len(roles)-1]["role_arn"], c.Module))
		if role.Account != "" {
			return role.Account
		}
	}
	var allowed struct {
		Value []string `json:"constant_value"`
	}
	if raw := c.Expressions["allowed_account_ids"]; len(raw) > 0 && json.Unmarshal(raw, &allowed) == nil && len(allowed.Value) == 1 {
		return allowed.Value[0]
	}
	return ""
}

// text returns the text of a constant, or of a variable of the root module.
func (p *plan) text(expression jsontext.Value, module string) string {
	if s := constant(expression); s != "" {
		return s
	}
	refs := references(expression)
	if len(refs) != 1 || module != "" {
		return ""
	}
	name, ok := strings.CutPrefix(refs[0], "var.")
	var s string
	if value := p.variables[name].Value; !ok || value.Kind() != '"' || json.Unmarshal(value, &s) != nil {
		return ""
	}
	return s
}
