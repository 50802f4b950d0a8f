package ec2api

import (
	"cmp"
	"net/http"
	"time"
)

// maxRecorded is the size in bytes past which CloudTrail leaves request
// parameters or response elements out of a record
// (https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html).
const maxRecorded = 100 << 10

// Identity is the owner of an access key. The zero value is the IAM user "demo" of the
// server's account. Of Role, Root and User the first that is set counts.
type Identity struct {
	Account string // default: the server's account
	User    string // an IAM user
	Root    bool   // the account's root user
	// Role is an assumed role's name, RolePath its path ("/" by default) and
	// Session the session name that the caller chose ("session" by default).
	Role, RolePath, Session string
	// InvokedBy is a service that calls on behalf of the identity, such as
	// cloudformation.amazonaws.com; it then stands in for the source address and
	// the user agent, and the record has no access key.
	InvokedBy string
	// SourceIP replaces the remote address in records.
	SourceIP string
}

func (s *Server) identityOf(accessKey string) Identity {
	id := s.identities[accessKey]
	id.Account = cmp.Or(id.Account, s.account)
	if id.Role == "" && !id.Root {
		id.User = cmp.Or(id.User, "demo")
	}
	id.RolePath, id.Session = cmp.Or(id.RolePath, "/"), cmp.Or(id.Session, "session")
	return id
}

func (i Identity) sourceIP(r *http.Request) string {
	return cmp.Or(i.InvokedBy, i.SourceIP, remoteHost(r))
}

func (i Identity) arn(region string) string {
	start := "arn:" + partition(region)
	switch {
	case i.Role != "":
		return start + ":sts::" + i.Account + ":assumed-role/" + i.Role + "/" + i.Session
	case i.Root:
		return start + ":iam::" + i.Account + ":root"
	default:
		return start + ":iam::" + i.Account + ":user/" + i.User
	}
}

// principal is an id that AWS would have made for a user or a role: the same for
// the same name, in every run with one seed.
func (s *Server) principal(prefix, account, name string) string {
	const digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
	hex := s.digest(34, "principal", prefix, account, name)
	id := []byte(prefix)
	for i := 0; i < len(hex); i += 2 {
		id = append(id, digits[(fromHex(hex[i])<<4|fromHex(hex[i+1]))%len(digits)])
	}
	return string(id)
}

func fromHex(c byte) int {
	if c >= 'a' {
		return int(c-'a') + 10
	}
	return int(c - '0')
}

func (c *call) userIdentity() object {
	i := c.identity
	accessKey := c.accessKey
	if i.InvokedBy != "" {
		accessKey = ""
	}
	var o object
	switch {
	case i.Role != "":
		principal := c.srv.principal("AROA", i.Account, i.Role)
		o = object{{"type", "AssumedRole"}, {"principalId", principal + ":" + i.Session}, {"arn", i.arn(c.region.name)}, {"accountId", i.Account}}
		o = o.text("accessKeyId", accessKey)
		o = append(o, field{"sessionContext", object{
			{"sessionIssuer", object{
				{"type", "Role"}, {"principalId", principal},
				{"arn", "arn:" + partition(c.region.name) + ":iam::" + i.Account + ":role" + i.RolePath + i.Role},
				{"accountId", i.Account}, {"userName", i.Role},
			}},
			{"webIdFederationData", object{}},
			{"attributes", object{{"creationDate", stamp(c.now)}, {"mfaAuthenticated", "false"}}},
		}})
	case i.Root:
		o = object{{"type", "Root"}, {"principalId", i.Account}, {"arn", i.arn(c.region.name)}, {"accountId", i.Account}}
		o = o.text("accessKeyId", accessKey)
	default:
		o = object{{"type", "IAMUser"}, {"principalId", c.srv.principal("AIDA", i.Account, i.User)}, {"arn", i.arn(c.region.name)}, {"accountId", i.Account}}
		o = o.text("accessKeyId", accessKey)
		o = append(o, field{"userName", i.User})
	}
	return o.text("invokedBy", i.InvokedBy)
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05Z") }

// event is the CloudTrail record of a call in EventBridge's envelope. Times have
// the resolution of a second, as AWS writes them.
func (s *Server) event(c *call, request object, err *apiError) []byte {
	record := object{
		{"eventVersion", "1.11"},
		{"userIdentity", c.userIdentity()},
		{"eventTime", stamp(c.now)},
		{"eventSource", "ec2.amazonaws.com"},
		{"eventName", c.action},
		{"awsRegion", c.region.name},
		{"sourceIPAddress", c.sourceIP},
		{"userAgent", cmp.Or(c.identity.InvokedBy, c.userAgent)},
	}
	var elements any // a failed call has the key, and null in it
	if err != nil {
		record = append(record, field{"errorCode", err.trailCode()}, field{"errorMessage", err.message})
	} else {
		elements = bounded(c.elements, "responseElements too large")
	}
	record = append(record, object{
		{"requestParameters", bounded(request, "requestParameters too large")},
		{"responseElements", elements},
		{"requestID", c.requestID},
		{"eventID", s.newUUID(c.region, "event")},
		{"readOnly", false},
		{"eventType", "AwsApiCall"},
		{"managementEvent", true},
		{"recipientAccountId", c.region.account},
		{"eventCategory", "Management"},
		{"tlsDetails", object{
			{"tlsVersion", "TLSv1.3"}, {"cipherSuite", "TLS_AES_128_GCM_SHA256"},
			{"clientProvidedHostHeader", "ec2." + c.region.name + "." + domain(c.region.name)},
		}},
	}...)
	return appendJSON(nil, object{
		{"version", "0"},
		{"id", s.newUUID(c.region, "envelope")},
		{"detail-type", "AWS API Call via CloudTrail"},
		{"source", "aws.ec2"},
		{"account", c.region.account},
		{"time", stamp(c.now)},
		{"region", c.region.name},
		{"resources", []object{}},
		{"detail", record},
	})
}

// bounded leaves out a part that is too large, as CloudTrail does.
func bounded(part object, reason string) object {
	if size := len(appendJSON(nil, part)); size > maxRecorded {
		return object{{"omitted", true}, {"originalSize", size}, {"reason", reason}}
	}
	return part
}
