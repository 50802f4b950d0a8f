// Package stack finds a deployed stack of sgward, and the names of its resources, by
// CloudFormation.
package stack

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"sgward/internal/awscall"
	"sgward/internal/ec2rules"
	"sgward/internal/text"
)

// DefaultName is the name that samconfig.toml gives the stack.
const DefaultName = "sgward"

// Outputs of template.yaml that every stack has. A stack that has both is one of sgward.
const (
	outputDetect      = "DetectFunctionName"
	OutputDeadLetters = "DeadLetterQueueUrl"
)

// Stack is a deployed stack.
type Stack struct {
	ID, Name     string
	Status       string // such as UPDATE_COMPLETE
	StatusReason string
	// Changed is when the last deployment began.
	Changed    time.Time
	Outputs    map[string]string
	Parameters map[string]string
	// Resources are the stack's, by logical id. Find leaves out deleted ones.
	Resources map[string]Resource
}

// Resource is a resource of a stack.
type Resource struct {
	LogicalID  string `xml:"LogicalResourceId"`
	PhysicalID string `xml:"PhysicalResourceId"`
	Type       string `xml:"ResourceType"`
	Status     string `xml:"ResourceStatus"`
	// Changed is when CloudFormation had last created or updated the resource: a deployment
	// that leaves it as it is leaves this time, too.
	Changed time.Time `xml:"LastUpdatedTimestamp"`
}

// Ref returns the physical id of a resource; "" if the stack lacks it.
func (s *Stack) Ref(logicalID string) string { return s.Resources[logicalID].PhysicalID }

// OfType returns the resources of a type, by logical id.
func (s *Stack) OfType(t string) []Resource {
	var out []Resource
	for _, r := range s.Resources {
		if r.Type == t {
			out = append(out, r)
		}
	}
	slices.SortFunc(out, func(a, b Resource) int { return strings.Compare(a.LogicalID, b.LogicalID) })
	return out
}

// Changing reports whether a deployment is under way.
func (s *Stack) Changing() bool { return strings.HasSuffix(s.Status, "_IN_PROGRESS") }

// MissingError says that no stack of sgward has the name.
type MissingError struct {
	Name, Region string
	// Exists is set if a stack of the name exists and is not one of sgward.
	Exists bool
	// Others are the stacks that look like sgward.
	Others []string
	// Unlisted is why Others is not known, nil if it is.
	Unlisted error
}

func (e *MissingError) Error() string {
	out := fmt.Sprintf("no stack %s in %s", text.Visible(e.Name), e.Region)
	if e.Exists {
		out = fmt.Sprintf("stack %s in %s is not one of sgward: it lacks the output %s", text.Visible(e.Name), e.Region, outputDetect)
	}
	switch {
	case len(e.Others) > 0:
		return out + ": name one with --stack: " + text.Visible(strings.Join(e.Others, ", "))
	case e.Unlisted != nil:
		return out + "; stacks of other names are not known: " + e.Unlisted.Error()
	default:
		return out + ", and no stack there looks like sgward: name another --region, or deploy it (docs/TUTORIAL.md)"
	}
}

// described is an element of DescribeStacks's answer.
type described struct {
	ID          string    `xml:"StackId"`
	Name        string    `xml:"StackName"`
	Status      string    `xml:"StackStatus"`
	Reason      string    `xml:"StackStatusReason"`
	Created     time.Time `xml:"CreationTime"`
	LastUpdated time.Time `xml:"LastUpdatedTime"`
	Outputs     []struct {
		Key   string `xml:"OutputKey"`
		Value string `xml:"OutputValue"`
	} `xml:"Outputs>member"`
	Parameters []struct {
		Key   string `xml:"ParameterKey"`
		Value string `xml:"ParameterValue"`
	} `xml:"Parameters>member"`
}

func (d described) stack() *Stack {
	s := &Stack{
		ID: d.ID, Name: d.Name, Status: d.Status, StatusReason: d.Reason, Changed: d.Created,
		Outputs: map[string]string{}, Parameters: map[string]string{}, Resources: map[string]Resource{},
	}
	if d.LastUpdated.After(d.Created) {
		s.Changed = d.LastUpdated
	}
	for _, o := range d.Outputs {
		s.Outputs[o.Key] = o.Value
	}
	for _, p := range d.Parameters {
		s.Parameters[p.Key] = p.Value
	}
	return s
}

func (s *Stack) isSgward() bool {
	return s.Outputs[outputDetect] != "" && s.Outputs[OutputDeadLetters] != ""
}

// Find describes the stack of a name in the client's region. A stack that never came up has
// no outputs: it is found by its resources. The error is a *MissingError if there is none.
func Find(ctx context.Context, client *awscall.Client, region, name string) (*Stack, error) {
	found, err := describe(ctx, client, name)
	switch {
	case ec2rules.ErrorCode(err) == "ValidationError" && strings.Contains(ec2rules.ErrorMessage(err), "does not exist"),
		err == nil && len(found) == 0:
		return nil, missing(ctx, client, region, name, false)
	case err != nil:
		return nil, fmt.Errorf("looking for stack %s: %w", text.Visible(name), err)
	}
	s := found[0]
	if err := s.list(ctx, client); err != nil {
		return nil, fmt.Errorf("listing the resources of stack %s: %w", text.Visible(name), err)
	}
	if _, ok := s.Resources["DetectFunction"]; !ok && !s.isSgward() {
		return nil, missing(ctx, client, region, name, true)
	}
	return s, nil
}

func missing(ctx context.Context, client *awscall.Client, region, name string, exists bool) error {
	e := &MissingError{Name: name, Region: region, Exists: exists}
	all, err := describe(ctx, client, "")
	e.Unlisted = err
	for _, s := range all {
		if s.isSgward() && s.Name != name {
			e.Others = append(e.Others, s.Name)
		}
	}
	slices.Sort(e.Others)
	return e
}

// describe returns the stack of a name, or with an empty name all stacks.
func describe(ctx context.Context, client *awscall.Client, name string) ([]*Stack, error) {
	var out []*Stack
	in := url.Values{}
	if name != "" {
		in.Set("StackName", name)
	}
	for {
		var page struct {
			Stacks    []described `xml:"Stacks>member"`
			NextToken string      `xml:"NextToken"`
		}
		if err := client.Query(ctx, awscall.CloudFormation, "DescribeStacks", in, &page); err != nil {
			return nil, err
		}
		for _, d := range page.Stacks {
			out = append(out, d.stack())
		}
		if page.NextToken == "" {
			return out, nil
		}
		in.Set("NextToken", page.NextToken)
	}
}

// list reads the stack's resources.
func (s *Stack) list(ctx context.Context, client *awscall.Client) error {
	in := url.Values{"StackName": {s.Name}}
	for {
		var page struct {
			Resources []Resource `xml:"StackResourceSummaries>member"`
			NextToken string     `xml:"NextToken"`
		}
		if err := client.Query(ctx, awscall.CloudFormation, "ListStackResources", in, &page); err != nil {
			return err
		}
		for _, r := range page.Resources {
			if r.Status != "DELETE_COMPLETE" {
				s.Resources[r.LogicalID] = r
			}
		}
		if page.NextToken == "" {
			return nil
		}
		in.Set("NextToken", page.NextToken)
	}
}
