// Package hook answers CloudFormation's Lambda Hooks: whether the policy lets a resource be
// made or changed. It reads nothing but the request.
package hook

import (
	"cmp"
	"encoding/json/jsontext"
	"encoding/json/v2"
	"errors"
	"fmt"
	"strings"

	"sgward/internal/template"
)

// Request is what CloudFormation and Cloud Control send for a resource, as far as it is
// read (https://docs.aws.amazon.com/cloudformation-cli/latest/hooks-userguide/lambda-hooks-create-lambda-function.html,
// "Lambda Hook resource input syntax"). Any of it may be missing or null.
type Request struct {
	// ClientRequestToken is not in that page's syntax; its examples of functions read it, and
	// an answer has to repeat it.
	ClientRequestToken string `json:"clientRequestToken"`
	AccountID          string `json:"awsAccountId"`
	StackID            string `json:"stackId"`               // "" for Cloud Control
	Action             string `json:"actionInvocationPoint"` // "CREATE_PRE_PROVISION", "UPDATE_...", "DELETE_..."
	Data               struct {
		TargetName string `json:"targetName"` // "AWS::EC2::SecurityGroup", "STACK", "CHANGE_SET"
		LogicalID  string `json:"targetLogicalId"`
		Model      struct {
			Properties jsontext.Value `json:"resourceProperties"`
			Previous   jsontext.Value `json:"previousResourceProperties"`
		} `json:"targetModel"`
	} `json:"requestData"`
}

// lenient are the options of reading: what is damaged elsewhere must not hide the rules.
var lenient = json.JoinOptions(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))

// parse reads a request. On an error it holds at least the token, if that can be read.
func parse(payload []byte) (Request, error) {
	var token struct {
		Value jsontext.Value `json:"clientRequestToken"`
	}
	if err := json.Unmarshal(payload, &token, lenient); err != nil {
		return Request{}, unreadable(err)
	}
	var r Request
	if err := json.Unmarshal(payload, &r, lenient); err != nil {
		r = Request{}
		_ = json.Unmarshal(token.Value, &r.ClientRequestToken, lenient) // one that is not a string is returned as none
		return r, unreadable(err)
	}
	return r, nil
}

// unreadable says where a request differs from what is documented.
func unreadable(err error) error {
	var kind *json.SemanticError
	if errors.As(err, &kind) {
		return fmt.Errorf("the request of the hook is not as AWS documents it: %s is %s", cmp.Or(string(kind.JSONPointer), "it"), kindName(kind.JSONKind))
	}
	return fmt.Errorf("the request of the hook is not JSON: %w", err)
}

func kindName(k jsontext.Kind) string {
	switch k {
	case '"':
		return "a text"
	case '0':
		return "a number"
	case '[':
		return "a list"
	case '{':
		return "an object"
	default:
		return k.String()
	}
}

// resource returns the resource that is to be judged, or why there is nothing to judge.
func (r *Request) resource() (resource template.Resource, skipped string, err error) {
	d := &r.Data
	switch {
	case d.TargetName == "":
		return resource, "", errors.New("the request names no resource type: want requestData.targetName, such as AWS::EC2::SecurityGroup")
	case !template.OpensGroups(d.TargetName):
		return resource, d.TargetName + " holds no rules of security groups", nil
	case strings.HasPrefix(r.Action, "DELETE_"):
		return resource, "a deletion opens nothing", nil
	case d.Model.Properties.Kind() != '{':
		return resource, "", fmt.Errorf("the request holds no properties of %s: want the object requestData.targetModel.resourceProperties", d.TargetName)
	}
	resource = template.Resource{Type: d.TargetName, LogicalID: d.LogicalID, Properties: d.Model.Properties}
	if resource.LogicalID == "" {
		resource.LogicalID = d.TargetName
	}
	if strings.HasPrefix(r.Action, "UPDATE_") {
		resource.Previous = d.Model.Previous
	}
	return resource, "", nil
}
