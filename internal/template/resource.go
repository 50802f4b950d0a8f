package template

import (
	"encoding/json/jsontext"
	"encoding/json/v2"
	"fmt"

	"sgward/internal/planned"
)

// Resource is one resource as CloudFormation and Cloud Control are about to make or change
// it: with values in place of functions, and without the template that it is of.
type Resource struct {
	Type      string // "AWS::EC2::SecurityGroup"
	LogicalID string
	// Properties and Previous are JSON objects: the properties that the resource will have,
	// and those that it has. Previous is empty or null for a new resource. Numbers may be
	// texts. A function or dynamic reference that is left in them is an unknown value.
	Properties, Previous jsontext.Value
}

// OpensGroups reports whether a resource of a type holds rules of security groups.
func OpensGroups(kind string) bool {
	switch kind {
	case "AWS::EC2::SecurityGroup", "AWS::EC2::SecurityGroupIngress", "AWS::EC2::SecurityGroupEgress":
		return true
	}
	return false
}

// ReadResource returns the group of a resource. The rules that it has already stand. What
// the rest of its stack adds to the group is unknown. The error says which properties are no
// JSON object, or cannot be read.
func ReadResource(r Resource) (*planned.Change, error) {
	change, err := r.read(r.Properties)
	if err != nil || len(r.Previous) == 0 || r.Previous.Kind() == 'n' {
		return change, err
	}
	before, err := r.read(r.Previous)
	if err != nil {
		return nil, fmt.Errorf("the previous properties: %w", err)
	}
	change.Since(before)
	return change, nil
}

// read reads one state of the resource, by way of a template that holds nothing else.
func (r *Resource) read(properties jsontext.Value) (*planned.Change, error) {
	if !properties.IsValid(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)) || properties.Kind() != '{' {
		return nil, fmt.Errorf("want an object with the properties of %s", r.Type)
	}
	if !properties.IsValid(jsontext.AllowInvalidUTF8(true)) {
		return nil, fmt.Errorf("a property of %s is there twice: which one counts is not known", r.Type)
	}
	type resource struct{ Type, Properties any }
	document, err := json.Marshal(map[string]any{"Resources": map[string]resource{r.LogicalID: {r.Type, properties}}}, jsontext.AllowInvalidUTF8(true))
	if err != nil {
		return nil, fmt.Errorf("reading the properties of %s: %w", r.LogicalID, err)
	}
	return Read(document, "", Options{alone: true})
}
