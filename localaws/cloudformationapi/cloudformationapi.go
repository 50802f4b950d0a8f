// Package cloudformationapi is a stand-in for two calls of AWS CloudFormation,
// DescribeStacks and ListStackResources, in the Query protocol. It knows one stack, which
// is deployed whole. It does not verify signatures.
package cloudformationapi

import (
	"crypto/rand"
	"encoding/xml"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"time"

	"sgward/localaws/awswire"
	"sgward/localaws/samtemplate"
)

// Version is the API version that calls name.
const Version = "2010-05-15"

const namespace = "http://cloudformation.amazonaws.com/doc/" + Version + "/"

// page is how many resources one answer lists, as on AWS.
const page = 100

type output struct {
	Key   string `xml:"OutputKey"`
	Value string `xml:"OutputValue"`
}

type described struct {
	ID      string   `xml:"StackId"`
	Name    string   `xml:"StackName"`
	Created string   `xml:"CreationTime"`
	Status  string   `xml:"StackStatus"`
	Outputs []output `xml:"Outputs>member"`
}

type listed struct {
	LogicalID  string `xml:"LogicalResourceId"`
	PhysicalID string `xml:"PhysicalResourceId"`
	Type       string `xml:"ResourceType"`
	Status     string `xml:"ResourceStatus"`
	Updated    string `xml:"LastUpdatedTimestamp"`
}

type stacksReply struct {
	XMLName xml.Name
	Stacks  []described `xml:"DescribeStacksResult>Stacks>member"`
	Request string      `xml:"ResponseMetadata>RequestId"`
}

type resourcesReply struct {
	XMLName   xml.Name
	Resources []listed `xml:"ListStackResourcesResult>StackResourceSummaries>member"`
	NextToken string   `xml:"ListStackResourcesResult>NextToken,omitempty"`
	Request   string   `xml:"ResponseMetadata>RequestId"`
}

type errorReply struct {
	XMLName xml.Name
	Type    string `xml:"Error>Type"`
	Code    string `xml:"Error>Code"`
	Message string `xml:"Error>Message"`
	Request string `xml:"RequestId"`
}

// Handler answers calls about the stack of a template, created at a time.
func Handler(t *samtemplate.Template, region string, created time.Time) http.Handler {
	at := created.UTC().Format(time.RFC3339)
	id := "arn:aws:cloudformation:" + region + ":123456789012:stack/" + t.StackName + "/00000000-0000-4000-8000-000000000000"
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		action, name := r.FormValue("Action"), r.FormValue("StackName")
		from, err := strconv.Atoi("0" + r.FormValue("NextToken"))
		switch {
		case err != nil:
			refuse(w, "ValidationError", "NextToken is none of this stack's")
		case name != "" && name != t.StackName && name != id:
			refuse(w, "ValidationError", "Stack with id "+name+" does not exist")
		case action == "DescribeStacks":
			stack := described{ID: id, Name: t.StackName, Created: at, Status: "CREATE_COMPLETE"}
			for _, key := range slices.Sorted(maps.Keys(t.Outputs)) {
				stack.Outputs = append(stack.Outputs, output{key, t.Outputs[key]})
			}
			awswire.WriteXML(w, "text/xml", http.StatusOK, stacksReply{XMLName: xml.Name{Space: namespace, Local: action + "Response"}, Stacks: []described{stack}, Request: rand.Text()})
		case action == "ListStackResources" && name != "":
			out := resourcesReply{XMLName: xml.Name{Space: namespace, Local: action + "Response"}, Request: rand.Text()}
			end := min(from+page, len(t.Resources))
			for _, resource := range t.Resources[min(from, end):end] {
				out.Resources = append(out.Resources, listed{resource.LogicalID, resource.PhysicalID, resource.Type, "CREATE_COMPLETE", at})
			}
			if end < len(t.Resources) {
				out.NextToken = strconv.Itoa(end)
			}
			awswire.WriteXML(w, "text/xml", http.StatusOK, out)
		default:
			refuse(w, "InvalidAction", "This stand-in for CloudFormation knows DescribeStacks and ListStackResources, not "+action)
		}
	})
}

func refuse(w http.ResponseWriter, code, message string) {
	awswire.WriteXML(w, "text/xml", http.StatusBadRequest, errorReply{
		XMLName: xml.Name{Space: namespace, Local: "ErrorResponse"}, Type: "Sender", Code: code, Message: message, Request: rand.Text(),
	})
}
