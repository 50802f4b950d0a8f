package cloudformation

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

func (t *Template) ref(name string) (any, error) {
	if v, ok := t.pseudo(name); ok {
		return v, nil
	}
	if strings.HasPrefix(name, "AWS::") {
		return nil, fmt.Errorf("%s depends on where the stack is made", name)
	}
	if v, ok := t.parameters[name]; ok {
		if u, unknown := v.(Unknown); unknown {
			return nil, errors.New(u.Why)
		}
		return v, nil
	}
	r, ok := t.Resource(name)
	if !ok {
		return nil, fmt.Errorf("%s is neither a parameter nor a resource that exists here", name)
	}
	if t.Options.Ref == nil {
		return nil, fmt.Errorf("the value of a reference to %s is unknown here", name)
	}
	return t.Options.Ref(t, r)
}

func (t *Template) pseudo(name string) (any, bool) {
	if t.Options.Partial {
		given := map[string]string{
			"AWS::AccountId": t.Options.AccountID, "AWS::Region": t.Options.Region, "AWS::Partition": t.Options.Partition, "AWS::StackName": t.Options.StackName,
		}[name]
		if given == "" && name != "AWS::NoValue" {
			return nil, false
		}
	}
	switch name {
	case "AWS::AccountId":
		return t.Options.AccountID, true
	case "AWS::Region":
		return t.Options.Region, true
	case "AWS::Partition":
		return t.Options.Partition, true
	case "AWS::StackName":
		return t.Options.StackName, true
	case "AWS::StackId":
		return t.ARN("cloudformation", "stack/"+t.Options.StackName+"/00000000-0000-0000-0000-000000000000"), true
	case "AWS::URLSuffix":
		return "amazonaws.com", true
	case "AWS::NotificationARNs":
		return []any{}, true
	case "AWS::NoValue":
		return NoValue{}, true
	}
	return nil, false
}

// Resource returns the resource of a logical id.
func (t *Template) Resource(logicalID string) (Resource, bool) {
	i := slices.IndexFunc(t.Resources, func(r Resource) bool { return r.LogicalID == logicalID })
	if i < 0 {
		return Resource{}, false
	}
	return t.Resources[i], true
}

// attribute returns an attribute of a resource.
func (t *Template) attribute(id, attribute string) (any, error) {
	r, ok := t.Resource(id)
	if !ok {
		return nil, fmt.Errorf("there is no resource %s here", id)
	}
	if t.Options.Attribute == nil {
		return nil, fmt.Errorf("attribute %s of %s is unknown here", attribute, id)
	}
	return t.Options.Attribute(t, r, attribute)
}

// ARN returns an ARN in the template's partition, region and account.
func (t *Template) ARN(service, rest string) string {
	return strings.Join([]string{"arn", t.Options.Partition, service, t.Options.Region, t.Options.AccountID, rest}, ":")
}
