// Command function plays both parts of a pipeline in small, for the tests of the
// stack. The description of a rule says how it is to misbehave.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"
)

// rule is an item of a record's securityGroupRuleSet.
type rule struct {
	GroupID     string `json:"groupId"`
	Protocol    string `json:"ipProtocol"`
	From        int    `json:"fromPort"`
	To          int    `json:"toPort"`
	CIDR        string `json:"cidrIpv4"`
	Description string `json:"description"`
}

type event struct {
	Detail struct {
		ResponseElements struct {
			Set struct {
				Items []rule `json:"items"`
			} `json:"securityGroupRuleSet"`
		} `json:"responseElements"`
	} `json:"detail"`
}

type verdict struct {
	Decision string `json:"decision"`
	Rules    []rule `json:"rules"`
	Padding  string `json:"padding,omitempty"`
}

func judge(_ context.Context, e event) (verdict, error) {
	v := verdict{Decision: "none"}
	for _, r := range e.Detail.ResponseElements.Set.Items {
		switch r.Description {
		case "judge fails":
			return verdict{}, errors.New("cannot judge")
		case "judge crashes":
			os.Exit(1)
		case "judge talks":
			v.Padding = strings.Repeat("x", 1<<20)
		}
		if r.CIDR == "0.0.0.0/0" {
			v.Decision = "revoke"
			v.Rules = append(v.Rules, r)
		}
	}
	return v, nil
}

func closer(_ context.Context, batch events.SQSEvent) (events.SQSEventResponse, error) {
	response := events.SQSEventResponse{BatchItemFailures: []events.SQSBatchItemFailure{}}
	for _, m := range batch.Records {
		if err := closeAll(m.Body); err != nil {
			fmt.Println(err)
			response.BatchItemFailures = append(response.BatchItemFailures, events.SQSBatchItemFailure{ItemIdentifier: m.MessageId})
		}
	}
	return response, nil
}

func closeAll(body string) error {
	var record struct {
		ResponsePayload verdict `json:"responsePayload"`
	}
	if err := json.Unmarshal([]byte(body), &record); err != nil {
		return err
	}
	for _, r := range record.ResponsePayload.Rules {
		if strings.HasPrefix(r.Description, "closer fails") {
			if _, err := os.Stat(strings.TrimPrefix(r.Description, "closer fails until ")); err != nil {
				return errors.New("cannot close")
			}
		}
		err := call(os.Getenv("AWS_ENDPOINT_URL_EC2"), "ec2", url.Values{
			"Action": {"RevokeSecurityGroupIngress"}, "Version": {"2016-11-15"}, "GroupId": {r.GroupID},
			"IpPermissions.1.IpProtocol":        {r.Protocol},
			"IpPermissions.1.FromPort":          {strconv.Itoa(r.From)},
			"IpPermissions.1.ToPort":            {strconv.Itoa(r.To)},
			"IpPermissions.1.IpRanges.1.CidrIp": {r.CIDR},
		})
		if err != nil {
			return err
		}
	}
	return call(os.Getenv("AWS_ENDPOINT_URL_SNS"), "sns", url.Values{
		"Action": {"Publish"}, "Version": {"2010-03-31"}, "TopicArn": {os.Getenv("TOPIC")}, "Message": {"closed"},
	})
}

func call(endpoint, service string, form url.Values) error {
	request, err := http.NewRequest(http.MethodPost, endpoint, strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Authorization", fmt.Sprintf("AWS4-HMAC-SHA256 Credential=%s/20261101/us-east-1/%s/aws4_request, SignedHeaders=host, Signature=0",
		os.Getenv("AWS_ACCESS_KEY_ID"), service))
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(response.Body)
		return fmt.Errorf("calling %s: %s: %s", service, response.Status, text)
	}
	return nil
}

func main() {
	if os.Getenv("PART") == "judge" {
		lambda.Start(judge)
	}
	lambda.Start(closer)
}
