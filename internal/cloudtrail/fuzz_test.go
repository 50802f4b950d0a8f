package cloudtrail_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"testing"

	"sgward/internal/cloudtrail"
	"sgward/internal/secgroup"
)

// shape is a call with its parameters and response.
type shape struct {
	eventName, request, response string
}

// shapes are calls of every kind, to start from. They are short: a fuzzer gets
// nowhere in long texts.
func shapes() []shape {
	const authorize, modify, group = "AuthorizeSecurityGroupIngress", "ModifySecurityGroupRules", `"groupId":"sg-1"`
	item := func(members string) string {
		return `{"_return":true,"securityGroupRuleSet":{"items":[{"groupOwnerId":"1",` + group + `,"securityGroupRuleId":"sgr-1",` + members + `}]}}`
	}
	return []shape{
		{authorize, `{` + group + `,"ipPermissions":{"items":[` + mysqlWorld + `]}}`, oldAnswer},
		{authorize, `{"groupName":"default","ipPermissions":{},"ipProtocol":"tcp","fromPort":22,"toPort":22,"cidrIp":"0.0.0.0/0"}`, `null`},
		{authorize, `{` + group + `,"sourceSecurityGroupName":"web","sourceSecurityGroupOwnerId":"1"}`, oldAnswer},
		{authorize, `{` + group + `,"ipPermissions":{"items":[{"ipProtocol":"-1","groups":{"items":[{"groupId":"sg-2","userId":"1"},{"groupName":"web"}]},` +
			`"ipv6Ranges":{"items":[{"cidrIpv6":"::/0","description":"x"}]},"prefixListIds":{"items":[{"prefixListId":"pl-1"}]}}]}}`, oldAnswer},
		{authorize, `{"omitted":true}`, `{"omitted":true}`},
		{authorize, `{}`, item(mysql + `,"isEgress":false,"cidrIpv4":"0.0.0.0/0"`)},
		{authorize, `{}`, item(`"ipProtocol":"-1","cidrIpv6":"::/0","tags":[{"key":"a","value":"b"}]`)},
		{authorize, `{}`, item(`"ipProtocol":"17","fromPort":0,"toPort":9,"referencedGroupInfo":{"userId":"1","groupId":"sg-2"}`)},
		{"AuthorizeSecurityGroupEgress", `{}`, item(`"isEgress":true,"ipProtocol":"icmp","fromPort":8,"toPort":-1,"prefixListId":"pl-1","tagSet":{"items":[]}`)},
		{authorize, `{}`, `{"_return":false}`},
		{modify, edited(editToWorld), editAnswer},
		{modify, edited(`[` + editToGroup + `]`), `{"ModifySecurityGroupRulesResponse":{"return":"true"}}`},
		{modify, edited(`{"items":[` + editToGroup + `,` + editsOnlyText + `]}`), `null`},
		{modify, edited(editsOnlyText), `null`},
		{"RevokeSecurityGroupIngress", `{` + group + `}`, `null`},
	}
}

// record returns the shortest record that holds the call.
func (s shape) record() []byte {
	return []byte(`{"eventID":"e","eventTime":"2026-11-03T09:15:42Z","eventSource":"ec2.amazonaws.com","eventName":"` + s.eventName +
		`","awsRegion":"r","recipientAccountId":"1","requestParameters":` + s.request + `,"responseElements":` + s.response + `}`)
}

// check holds what is true of every answer, whatever the input.
func check(t *testing.T, c cloudtrail.Call, err error) {
	t.Helper()
	if err != nil {
		var malformed *cloudtrail.MalformedError
		if !errors.As(err, &malformed) || malformed.Field == "" || malformed.Problem == "" {
			t.Fatalf("the error is %#v", err)
		}
		named := cloudtrail.Call{Event: c.Event, Kind: c.Kind, Group: secgroup.Group{ID: c.Group.ID, Name: c.Group.Name}, Fault: malformed.Field + ": " + malformed.Problem}
		if !reflect.DeepEqual(c, cloudtrail.Call{}) && (!reflect.DeepEqual(c, named) || !c.RulesMissing() || c.Group.String() == "" || c.EventID == "" || c.AccountID == "") {
			t.Fatalf("an error came with %+v", c)
		}
		return
	}
	if c.Skipped != "" {
		if !reflect.DeepEqual(c, cloudtrail.Call{Event: c.Event, Kind: c.Kind, Skipped: c.Skipped, Failed: c.Failed}) {
			t.Fatalf("skipped, but %+v", c)
		}
		return
	}
	if c.EventID == "" || c.AccountID == "" || c.Region == "" {
		t.Fatalf("not judgeable: %+v", c)
	}
	if _, err := json.Marshal(c.EventTime); err != nil {
		t.Fatal(err)
	}
	if (len(c.Rules) == 0) != (c.From == cloudtrail.RulesUnknown) {
		t.Fatalf("rules from %d: %v", c.From, c.Rules)
	}
	if len(c.Rules) > 0 && c.Group.String() == "" {
		t.Fatalf("rules of no group: %+v", c)
	}
	edited := c.Kind == cloudtrail.KindModify
	for _, r := range c.Rules {
		p := r.Permission
		if canonical, err := secgroup.ParseProtocol(string(p.Protocol)); err != nil || canonical != p.Protocol {
			t.Fatalf("protocol %q", p.Protocol)
		}
		if (p.Direction == 0) != edited {
			t.Fatalf("direction %s, edited %t", p.Direction, edited)
		}
		if p.Peer.Kind() == secgroup.NoPeer || r.GroupID != c.Group.ID || edited && r.ID == "" {
			t.Fatalf("rule %+v", r)
		}
		from, to := p.FromTo()
		if again, err := secgroup.NewPermission(p.Direction, p.Protocol, &from, &to, p.Peer); err != nil || again != p {
			t.Fatalf("permission %+v becomes %+v: %v", p, again, err)
		}
	}
}

// FuzzParameters varies what is inside a sound record.
func FuzzParameters(f *testing.F) {
	for _, s := range shapes() {
		f.Add(s.eventName, s.request, s.response)
	}
	f.Fuzz(func(t *testing.T, eventName, request, response string) {
		c, err := cloudtrail.Parse(shape{eventName, request, response}.record(), cloudtrail.Openings()...)
		check(t, c, err)
	})
}

func FuzzParseRecord(f *testing.F) {
	for _, s := range shapes() {
		f.Add(s.record())
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := cloudtrail.Parse(data)
		opening, openingErr := cloudtrail.Parse(data, cloudtrail.Openings()...)
		check(t, opening, openingErr)
		if err == nil && !json.Valid(data) {
			t.Fatal("accepted what is not JSON")
		}
		again, errAgain := cloudtrail.Parse(data)
		if !reflect.DeepEqual(c, again) || !reflect.DeepEqual(err, errAgain) {
			t.Fatalf("the second reading differs: %+v (%v), %+v (%v)", c, err, again, errAgain)
		}
		if err != nil || !isBare(data) {
			return
		}
		event := append(append([]byte(`{"detail-type":"AWS API Call via CloudTrail","detail":`), data...), '}')
		inside, err := cloudtrail.Parse(event)
		if err != nil || !reflect.DeepEqual(c, inside) {
			t.Fatalf("as a detail: %+v (%v), bare: %+v", inside, err, c)
		}
	})
}

func FuzzParseEvent(f *testing.F) {
	for _, s := range shapes() {
		f.Add([]byte(`{"detail-type":"AWS API Call via CloudTrail","account":"1","region":"r","detail":` + string(s.record()) + `}`))
	}
	f.Add([]byte(`{"detail-type":"Scheduled Event","detail":{}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := cloudtrail.Parse(data)
		if err == nil && !json.Valid(data) {
			t.Fatal("accepted what is not JSON")
		}
		opening, openingErr := cloudtrail.Parse(data, cloudtrail.Openings()...)
		check(t, opening, openingErr)
		again, errAgain := cloudtrail.Parse(data)
		if !reflect.DeepEqual(c, again) || !reflect.DeepEqual(err, errAgain) {
			t.Fatalf("the second reading differs: %+v (%v), %+v (%v)", c, err, again, errAgain)
		}
	})
}

// isBare reports whether a JSON object is a record rather than an event around one.
func isBare(data []byte) bool {
	var members map[string]json.RawMessage
	if json.Unmarshal(data, &members) != nil {
		return false
	}
	_, detail := members["detail"]
	_, detailType := members["detail-type"]
	_, account := members["account"]
	_, region := members["region"]
	return !detail && !detailType && !account && !region
}
