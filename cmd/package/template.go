package main

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"sgward/internal/cloudformation"
)

const (
	samTransform = "AWS::Serverless-2016-10-31"
	samFunction  = "AWS::Serverless::Function"
)

// mostTemplate is the size in bytes up to which CloudFormation takes a template in the call itself (TemplateBody), without a bucket
// (https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html).
const mostTemplate = 51200

// passed are the properties of a function that CloudFormation knows by the same name and in the same form
// (https://docs.aws.amazon.com/serverless-application-model/latest/developerguide/sam-resource-function.html).
var passed = []string{
	"Architectures", "Description", "Environment", "FunctionName", "Handler", "KmsKeyArn", "Layers", "LoggingConfig", "MemorySize",
	"ReservedConcurrentExecutions", "Role", "Runtime", "Timeout", "VpcConfig",
}

// releaseParts are what the translated template has beside the source: where the code is.
const releaseParts = `
groups:
  - Label: {default: Where the code is}
    Parameters: [CodeBucketPrefix, CodeKeyPrefix, Architecture]
labels:
  CodeBucketPrefix: {default: "Buckets with the zips: the name without -REGION"}
  CodeKeyPrefix: {default: Folder of the zips in the bucket}
  Architecture: {default: Processors of the functions}
parameters:
  CodeBucketPrefix:
    Type: String
    AllowedPattern: ^[a-z0-9][a-z0-9.-]{1,46}$
    ConstraintDescription: must be the name of a bucket without -REGION, at most 47 characters
    Description: The zips are in the bucket of this name followed by - and the region, such as example-sgward-eu-west-1 for example-sgward. Lambda takes code only from a bucket of its region.
  CodeKeyPrefix:
    Type: String
    Default: ""
    AllowedPattern: ^$|^[^/].*/$
    ConstraintDescription: must be empty or end with a slash, without one at the beginning
    Description: Optional. The beginning of the keys of the zips, such as releases/sgward/.
  Architecture:
    Type: String
    Default: arm64
    AllowedValues: [arm64, x86_64]
    Description: arm64 costs a fifth less for each millisecond. Use x86_64 where Lambda has no arm64.
`

// templates are a template in two forms that make the same stack.
type templates struct {
	full []byte // with the texts that CloudFormation's console shows
	body []byte // without them, for the limit of mostTemplate
}

// translate turns a SAM template whose functions have a role and no events into one that CloudFormation takes as it is, with the logical ids that SAM gives, so that a
// stack of the one can be updated to the other. The code comes from a bucket of the region. It returns the names of the functions too.
//
// A property without a translation is an error that names the place.
func translate(source []byte, version string, name func(string) string) (translated templates, functions []string, err error) {
	var document yaml.Node
	if err := yaml.Unmarshal(source, &document); err != nil {
		return templates{}, nil, err
	}
	if len(document.Content) != 1 || document.Content[0].Kind != yaml.MappingNode {
		return templates{}, nil, errors.New("want a mapping")
	}
	root := document.Content[0]
	if transform := take(root, "Transform"); transform == nil || transform.Value != samTransform {
		return templates{}, nil, fmt.Errorf("want Transform: %s", samTransform)
	}
	globals := &yaml.Node{Kind: yaml.MappingNode}
	if all := take(root, "Globals"); all != nil {
		if g := take(all, "Function"); g != nil {
			globals = g
		}
		if len(all.Content) > 0 {
			return templates{}, nil, fmt.Errorf("line %d: Globals: %s: want Function only", all.Content[0].Line, all.Content[0].Value)
		}
	}
	if err := addParts(root); err != nil {
		return templates{}, nil, err
	}
	resources := cloudformation.Child(root, "Resources")
	if resources == nil {
		return templates{}, nil, errors.New("want Resources")
	}
	var out []*yaml.Node
	for i := 0; i < len(resources.Content); i += 2 {
		id, resource := resources.Content[i], resources.Content[i+1]
		out = append(out, id, resource)
		kind := cloudformation.Child(resource, "Type")
		if kind == nil || !strings.HasPrefix(kind.Value, "AWS::Serverless::") {
			continue
		}
		if kind.Value != samFunction {
			return templates{}, nil, fmt.Errorf("line %d: resource %s: no translation of %s", kind.Line, id.Value, kind.Value)
		}
		function := strings.ToLower(strings.TrimSuffix(id.Value, "Function"))
		functions = append(functions, function)
		config, err := translateFunction(id.Value, resource, globals, name(function))
		if err != nil {
			return templates{}, nil, fmt.Errorf("resource %s: %w", id.Value, err)
		}
		if config != nil {
			out = append(out, scalar(id.Value+"EventInvokeConfig"), config)
		}
	}
	resources.Content = out
	if outputs := cloudformation.Child(root, "Outputs"); outputs != nil {
		put(outputs, "Release", mapping("Description", scalar("The release that is deployed"), "Value", quoted(version)))
	}
	compact(&document, 0)
	var b bytes.Buffer
	fmt.Fprintf(&b, "# sgward %s for CloudFormation, made of template.yaml, which explains every part.\n", version)
	encoder := yaml.NewEncoder(&b)
	encoder.SetIndent(2)
	encoder.CompactSeqIndent()
	if err := errors.Join(encoder.Encode(&document), encoder.Close()); err != nil {
		return templates{}, nil, err
	}
	return templates{full: b.Bytes(), body: bodyOf(root, version)}, functions, nil
}

// addParts adds releaseParts.
func addParts(root *yaml.Node) error {
	var parts struct{ Groups, Labels, Parameters yaml.Node }
	if err := yaml.Unmarshal([]byte(releaseParts), &parts); err != nil {
		return err
	}
	face := cloudformation.Child(cloudformation.Child(root, "Metadata"), "AWS::CloudFormation::Interface")
	for _, place := range []struct {
		in   *yaml.Node
		key  string
		more yaml.Node
	}{{face, "ParameterGroups", parts.Groups}, {face, "ParameterLabels", parts.Labels}, {root, "Parameters", parts.Parameters}} {
		at := cloudformation.Child(place.in, place.key)
		if at == nil {
			return fmt.Errorf("want %s", place.key)
		}
		at.Content = append(slices.Clone(place.more.Content), at.Content...)
	}
	return nil
}

// translateFunction changes a function in place, and returns the configuration of its asynchronous invocations, nil without one.
func translateFunction(id string, resource, globals *yaml.Node, zip string) (config *yaml.Node, err error) {
	cloudformation.Child(resource, "Type").Value = "AWS::Lambda::Function"
	if metadata := cloudformation.Child(resource, "Metadata"); metadata != nil {
		take(metadata, "BuildMethod") // for SAM alone
		if len(metadata.Content) == 0 {
			take(resource, "Metadata")
		}
	}
	properties := cloudformation.Child(resource, "Properties")
	if properties == nil {
		return nil, errors.New("want Properties")
	}
	merge(properties, globals)
	take(properties, "CodeUri")
	invoke := take(properties, "EventInvokeConfig")
	if cloudformation.Child(properties, "Role") == nil {
		return nil, errors.New("want a Role: SAM would make one")
	}
	for i := 0; i < len(properties.Content); i += 2 {
		if key := properties.Content[i]; !slices.Contains(passed, key.Value) {
			return nil, fmt.Errorf("line %d: no translation of %s", key.Line, key.Value)
		}
	}
	put(properties, "Architectures", &yaml.Node{Kind: yaml.SequenceNode, Style: yaml.FlowStyle, Content: []*yaml.Node{tagged("!Ref", "Architecture")}})
	put(properties, "Code", mapping(
		"S3Bucket", tagged("!Sub", "${CodeBucketPrefix}-${AWS::Region}"),
		"S3Key", tagged("!Sub", "${CodeKeyPrefix}"+zip+"-${Architecture}.zip"),
	))
	if invoke == nil {
		return nil, nil //nolint:nilnil // a function without it has no such resource
	}
	destinations := cloudformation.Child(invoke, "DestinationConfig")
	for _, on := range []string{"OnSuccess", "OnFailure"} {
		destination := cloudformation.Child(destinations, on)
		if destination == nil {
			continue
		}
		if cloudformation.Child(destination, "Destination") == nil {
			return nil, fmt.Errorf("line %d: %s: want a Destination: SAM would make one", destination.Line, on)
		}
		take(destination, "Type")
	}
	put(invoke, "FunctionName", tagged("!Ref", id))
	put(invoke, "Qualifier", scalar("$LATEST"))
	config = mapping("Type", scalar("AWS::Lambda::EventInvokeConfig"))
	if condition := cloudformation.Child(resource, "Condition"); condition != nil {
		put(config, "Condition", condition)
	}
	put(config, "Properties", invoke)
	return config, nil
}

// merge adds the global properties to those of a function, as SAM does: mappings and lists are joined, and else the function's own wins
// (https://docs.aws.amazon.com/serverless-application-model/latest/developerguide/sam-specification-template-anatomy-globals.html).
func merge(own, global *yaml.Node) {
	for i := 0; i < len(global.Content); i += 2 {
		key, value := global.Content[i].Value, global.Content[i+1]
		mine := cloudformation.Child(own, key)
		switch {
		case mine == nil:
			put(own, key, value)
		case mine.Kind == yaml.MappingNode && value.Kind == yaml.MappingNode:
			merge(mine, value)
		case mine.Kind == yaml.SequenceNode && value.Kind == yaml.SequenceNode && mine.Tag == "!!seq" && value.Tag == "!!seq":
			mine.Content = append(slices.Clone(value.Content), mine.Content...)
		}
	}
}

// flowDepth is the depth from which compact writes values in flow style: a line holds a property of a resource, or a member of a parameter.
const flowDepth = 4

// compact leaves out comments and most breaks of lines, so that the template keeps below mostTemplate.
func compact(node *yaml.Node, depth int) {
	node.HeadComment, node.LineComment, node.FootComment = "", "", ""
	node.Style &^= yaml.FoldedStyle
	if depth >= flowDepth && node.Kind != yaml.ScalarNode {
		node.Style |= yaml.FlowStyle
	}
	for _, child := range node.Content {
		compact(child, depth+1)
	}
}

// take removes a key of a mapping, and returns its value, nil if there is none.
func take(mapping *yaml.Node, key string) *yaml.Node {
	for i := 0; mapping != nil && i < len(mapping.Content); i += 2 {
		if mapping.Content[i].Value == key {
			value := mapping.Content[i+1]
			mapping.Content = slices.Delete(mapping.Content, i, i+2)
			return value
		}
	}
	return nil
}

// put sets a key of a mapping.
func put(mapping *yaml.Node, key string, value *yaml.Node) {
	take(mapping, key)
	mapping.Content = append(mapping.Content, scalar(key), value)
}

func scalar(value string) *yaml.Node { return &yaml.Node{Kind: yaml.ScalarNode, Value: value} }

func quoted(value string) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Value: value, Style: yaml.DoubleQuotedStyle}
}

func tagged(tag, value string) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: tag, Value: value, Style: yaml.TaggedStyle}
}

// mapping makes a mapping of keys and values in turn.
func mapping(key string, value *yaml.Node, more ...any) *yaml.Node {
	m := &yaml.Node{Kind: yaml.MappingNode, Content: []*yaml.Node{scalar(key), value}}
	for i := 0; i+1 < len(more); i += 2 {
		m.Content = append(m.Content, scalar(more[i].(string)), more[i+1].(*yaml.Node))
	}
	return m
}
