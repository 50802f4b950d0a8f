package cloudtrail_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"sgward/internal/cloudtrail"
)

// Compare with BenchmarkEncodingJSON in the same run: ratios count, not times.
func BenchmarkParseEvent(b *testing.B) {
	event := complete(b)
	b.SetBytes(int64(len(event)))
	b.ReportAllocs()
	for b.Loop() {
		c, err := cloudtrail.Parse(event)
		if err != nil || len(c.Rules) != 1 {
			b.Fatal(c, err)
		}
	}
}

// BenchmarkEncodingJSON decodes the same event into narrow structs with
// encoding/json and does nothing with it.
func BenchmarkEncodingJSON(b *testing.B) {
	type list[T any] struct{ Items []T }
	var into struct {
		DetailType      string `json:"detail-type"`
		Account, Region string
		Detail          struct {
			EventSource, EventType, EventName, ErrorCode, EventID, EventTime string
			AwsRegion, RecipientAccountID, SourceIPAddress, UserAgent        string
			UserIdentity                                                     struct {
				Type, Arn, AccountID, InvokedBy string
				SessionContext                  struct{ SessionIssuer struct{ Arn string } }
			}
			RequestParameters struct {
				GroupID, GroupName string
				IPPermissions      list[struct {
					IPProtocol       string
					FromPort, ToPort *int
					IPRanges         list[struct{ CidrIP, Description string }]
				}]
			}
			ResponseElements struct {
				Return               bool `json:"_return"`
				SecurityGroupRuleSet list[struct {
					GroupOwnerID, GroupID, SecurityGroupRuleID, IPProtocol string
					IsEgress                                               bool
					FromPort, ToPort                                       *int
					CidrIpv4, CidrIpv6, PrefixListID, Description          string
				}]
			}
		}
	}
	event := complete(b)
	b.SetBytes(int64(len(event)))
	b.ReportAllocs()
	for b.Loop() {
		if err := json.Unmarshal(event, &into); err != nil {
			b.Fatal(err)
		}
	}
	require.Equal(b, groupID, into.Detail.ResponseElements.SecurityGroupRuleSet.Items[0].GroupID)
}

// The time for a call of many rules grows with their number: compare the MB/s.
func BenchmarkParseEventManyRules(b *testing.B) {
	for name, rules := range map[string]int{"10": 10, "1000": 1000} {
		items := strings.Repeat(","+stored("false", mysql, `"cidrIpv4":"10.0.0.0/8"`), rules)[1:]
		event := envelope(successful("AuthorizeSecurityGroupIngress", `{"omitted":true}`, answered(items)).JSON(b)).JSON(b)
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(event)))
			b.ReportAllocs()
			for b.Loop() {
				c, err := cloudtrail.Parse(event)
				if err != nil || len(c.Rules) != rules {
					b.Fatal(err)
				}
			}
		})
	}
}
