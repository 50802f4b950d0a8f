package samtemplate

import (
	"fmt"
	"strings"

	"sgward/internal/cloudformation"
)

func (c *collector) addRole(r cloudformation.Resource) error {
	arn, err := arn(c.source, r)
	if err != nil {
		return err
	}
	role := Role{LogicalID: r.LogicalID, ARN: arn}
	var policies []any
	p := c.reader(r.Properties)
	p.list("Policies", &policies)
	if p.err != nil {
		return p.err
	}
	for _, item := range policies {
		policy, _ := item.(map[string]any)
		role.Actions = append(role.Actions, allowedBy(policy["PolicyDocument"])...)
	}
	c.into.Roles[r.LogicalID] = role
	return nil
}

// addPolicies adds the actions of AWS::IAM::Policy resources to their roles. Such a policy
// can name resources that in turn name the role.
func (c *collector) addPolicies() error {
	for _, r := range c.source.Resources {
		if r.Type != "AWS::IAM::Policy" {
			continue
		}
		var names []any
		var document map[string]any
		p := c.reader(r.Properties)
		p.list("Roles", &names)
		p.object("PolicyDocument", &document)
		if p.err != nil {
			return fmt.Errorf("resource %s: %w", r.LogicalID, p.err)
		}
		for _, name := range names {
			id, role, ok := c.into.roleByName(fmt.Sprint(name))
			if !ok {
				return fmt.Errorf("resource %s: Roles: no role of the template is named %v", r.LogicalID, name)
			}
			role.Actions = append(role.Actions, allowedBy(document)...)
			c.into.Roles[id] = role
		}
	}
	return nil
}

func (t *Template) roleByName(name string) (id string, role Role, ok bool) {
	for id, role := range t.Roles {
		if _, called, _ := strings.Cut(role.ARN, ":role/"); called == name {
			return id, role, true
		}
	}
	return "", Role{}, false
}

// allowedBy returns the actions that a policy document allows.
func allowedBy(document any) (actions []string) {
	d, _ := document.(map[string]any)
	for _, statement := range listOf(d["Statement"]) {
		s, _ := statement.(map[string]any)
		if s["Effect"] != "Allow" {
			continue
		}
		for _, action := range listOf(s["Action"]) {
			actions = append(actions, fmt.Sprint(action))
		}
	}
	return actions
}

// listOf accepts one value or a list, as IAM does.
func listOf(v any) []any {
	switch v := v.(type) {
	case nil:
		return nil
	case []any:
		return v
	}
	return []any{v}
}
