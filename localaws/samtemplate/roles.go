package samtemplate

import (
	"fmt"

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
		document, _ := policy["PolicyDocument"].(map[string]any)
		for _, statement := range listOf(document["Statement"]) {
			s, _ := statement.(map[string]any)
			if s["Effect"] != "Allow" {
				continue
			}
			for _, action := range listOf(s["Action"]) {
				role.Actions = append(role.Actions, fmt.Sprint(action))
			}
		}
	}
	c.into.Roles[r.LogicalID] = role
	return nil
}

// listOf takes what IAM takes: one value or a list of them.
func listOf(v any) []any {
	switch v := v.(type) {
	case nil:
		return nil
	case []any:
		return v
	}
	return []any{v}
}
