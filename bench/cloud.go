package main

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"sgward/localaws/ec2api"
	"sgward/localaws/snsapi"
)

const topicARN = "arn:aws:sns:us-east-1:123456789012:alerts"

// queueURL is where no closing of a complete event goes.
const queueURL = "https://sqs.us-east-1.amazonaws.com/123456789012/findings"

// cloud is the AWS of a function: EC2 and SNS over HTTP on the loopback interface, without
// TLS.
type cloud struct {
	ec2     *ec2api.Server
	sns     *snsapi.Server
	ec2URL  string
	snsURL  string
	stop    func()
	events  chan []byte    // of Authorize calls, as EventBridge delivers them
	revokes chan time.Time // times at which revokes arrived
	vpc     string
}

func newCloud() (*cloud, error) {
	c := &cloud{
		events: make(chan []byte, 16), revokes: make(chan time.Time, 16),
		sns: snsapi.New(snsapi.Config{TopicARNs: []string{topicARN}}),
	}
	c.ec2 = ec2api.New(ec2api.WithEvents(func(_ context.Context, event []byte) {
		if strings.Contains(string(event), `"AuthorizeSecurityGroupIngress"`) {
			c.events <- event
		}
	}))
	watched := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		at := time.Now()
		c.ec2.ServeHTTP(w, r) // reads the form
		if r.Form.Get("Action") == "RevokeSecurityGroupIngress" {
			c.revokes <- at
		}
	})
	stopEC2, address, err := serve(watched)
	if err != nil {
		return nil, err
	}
	c.ec2URL = "http://" + address
	stopSNS, address, err := serve(c.sns)
	if err != nil {
		stopEC2()
		return nil, err
	}
	c.snsURL = "http://" + address
	c.stop = func() { stopEC2(); stopSNS() }
	var made struct {
		ID string `xml:"vpc>vpcId"`
	}
	if err := call(c.ec2URL, &made, "Action", "CreateVpc", "CidrBlock", "10.0.0.0/16"); err != nil {
		c.stop()
		return nil, err
	}
	c.vpc = made.ID
	return c, nil
}

func serve(h http.Handler) (stop func(), address string, err error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, "", fmt.Errorf("listening for AWS clients: %w", err)
	}
	server := &http.Server{Handler: h, ReadHeaderTimeout: patience}
	go func() { _ = server.Serve(listener) }() // ends with stop
	return func() { _ = server.Close() }, listener.Addr().String(), nil
}

// environment points the AWS SDKs of both languages to the cloud.
func (c *cloud) environment() []string {
	return []string{"AWS_ENDPOINT_URL_EC2=" + c.ec2URL, "AWS_ENDPOINT_URL_SNS=" + c.snsURL, "ALERT_TOPIC_ARN=" + topicARN,
		"FINDINGS_QUEUE_URL=" + queueURL, "DEAD_LETTER_QUEUE_URL=" + queueURL}
}

// group makes an empty security group.
func (c *cloud) group(name string) (string, error) { return createGroup(c.ec2URL, c.vpc, name) }

// createGroup makes a group in a VPC, or in the default one for "".
func createGroup(endpoint, vpc, name string) (string, error) {
	var made struct {
		ID string `xml:"groupId"`
	}
	pairs := []string{"Action", "CreateSecurityGroup", "GroupName", name, "GroupDescription", "to measure with"}
	if vpc != "" {
		pairs = append(pairs, "VpcId", vpc)
	}
	err := call(endpoint, &made, pairs...)
	return made.ID, err
}

// open opens MySQL's port of a group to CIDRs.
func open(endpoint, groupID string, cidrs ...string) error {
	pairs := []string{"Action", "AuthorizeSecurityGroupIngress", "GroupId", groupID,
		"IpPermissions.1.IpProtocol", "tcp", "IpPermissions.1.FromPort", "3306", "IpPermissions.1.ToPort", "3306"}
	for i, cidr := range cidrs {
		at := fmt.Sprintf("IpPermissions.1.IpRanges.%d.", i+1)
		pairs = append(pairs, at+"CidrIp", cidr, at+"Description", "temporary, for the migration")
	}
	return call(endpoint, nil, pairs...)
}

// opening opens MySQL's port of a new group to the world and returns the group and the
// event.
func (c *cloud) opening(name string) (groupID string, event []byte, err error) {
	if groupID, err = c.group(name); err != nil {
		return "", nil, err
	}
	if err := open(c.ec2URL, groupID, "0.0.0.0/0"); err != nil {
		return "", nil, err
	}
	select {
	case event = <-c.events:
		return groupID, event, nil
	case <-time.After(patience):
		return "", nil, errors.New("waiting for the event of an opening: none came")
	}
}

// revoked returns when the revoke of the group's rules arrived. The function has answered,
// so EC2 has too.
func (c *cloud) revoked(groupID string) (time.Time, error) {
	var at time.Time
	select {
	case at = <-c.revokes:
	case <-time.After(time.Second): // what follows EC2's answer in its own goroutine
		return at, errors.New("looking for the revoke: none came")
	}
	for _, r := range c.ec2.Rules(groupID) {
		if !r.Egress {
			return at, fmt.Errorf("looking at %s after the revoke: %s is still open to %s", groupID, r.ID, r.CIDRIPv4)
		}
	}
	return at, nil
}

// call makes one call of the EC2 Query protocol, of names and values in turn, and
// reads the answer into out, which may be nil.
func call(endpoint string, out any, pairs ...string) error {
	form := url.Values{"Version": {"2016-11-15"}}
	for pair := range slices.Chunk(pairs, 2) {
		form.Set(pair[0], pair[1])
	}
	response, err := http.PostForm(endpoint, form) //nolint:gosec // the endpoint is our own
	if err != nil {
		return fmt.Errorf("calling %s: %w", form.Get("Action"), err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return fmt.Errorf("reading the answer of %s: %w", form.Get("Action"), err)
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("calling %s: %s: %s", form.Get("Action"), response.Status, body)
	}
	if out == nil {
		return nil
	}
	if err := xml.Unmarshal(body, out); err != nil {
		return fmt.Errorf("reading the answer of %s: %w", form.Get("Action"), err)
	}
	return nil
}
