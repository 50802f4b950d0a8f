package samtemplate

import "fmt"

func (e *evaluator) addRole(t *Template, r *resource) error {
	arn, err := e.resourceARN(r)
	if err != nil {
		return err
	}
	role := Role{LogicalID: r.logicalID, ARN: arn}
	var policies []any
	p := e.reader(r.properties)
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
	t.Roles[r.logicalID] = role
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
