package outlets

import (
	"cmp"
	"strconv"
	"strings"
	"time"

	"sgward/internal/cloudtrail"
	"sgward/internal/finding"
	"sgward/internal/policy"
	"sgward/internal/text"
)

// ASFF is a finding in the AWS Security Finding Format
// (https://docs.aws.amazon.com/securityhub/1.0/APIReference/API_AwsSecurityFinding.html).
// Severity and types are a provider's, as Security Hub asks for: people may set others, which
// an update keeps. Workflow is people's alone: a provider cannot change it, so that an end is
// said by RecordState and Compliance
// (https://docs.aws.amazon.com/securityhub/latest/userguide/finding-update-batchimportfindings.html).
type ASFF struct {
	SchemaVersion         string
	ID                    string `json:"Id"`
	ProductARN            string `json:"ProductArn"`
	ProductName           string
	GeneratorID           string `json:"GeneratorId"`
	AWSAccountID          string `json:"AwsAccountId"`
	CreatedAt             string
	UpdatedAt             string
	FirstObservedAt       string
	LastObservedAt        string
	Title                 string
	Description           string
	Remediation           *asffRemediation `json:",omitempty"`
	ProductFields         map[string]string
	Resources             []asffResource
	Compliance            asffCompliance
	RecordState           string // ACTIVE or ARCHIVED
	FindingProviderFields asffProviderFields
}

type asffProviderFields struct {
	Severity struct {
		Label    string
		Original string `json:",omitempty"` // the format takes no empty texts
	}
	Types []string
}

type asffRemediation struct {
	Recommendation struct {
		Text string
		URL  string `json:"Url,omitempty"`
	}
}

type asffCompliance struct {
	Status              string
	RelatedRequirements []string `json:",omitempty"`
}

type asffResource struct {
	Type      string
	ID        string `json:"Id"`
	Partition string `json:",omitempty"`
	Region    string
	Details   *asffDetails `json:",omitempty"`
}

type asffDetails struct {
	Group *asffGroup `json:"AwsEc2SecurityGroup,omitempty"`
}

type asffGroup struct {
	GroupID   string `json:"GroupId"`
	GroupName string `json:",omitempty"`
	VPCID     string `json:"VpcId,omitempty"`
	OwnerID   string `json:"OwnerId,omitempty"`
}

// Limits of the format, in characters
// (https://docs.aws.amazon.com/securityhub/latest/userguide/securityhub-findings-format-attributes.html).
const (
	maxASFFTitle       = 256
	maxASFFDescription = 1024
	maxASFFField       = 2048 // a value of ProductFields
	maxASFFControls    = 32   // RelatedRequirements
	maxASFFInterfaces  = 10   // of 32 resources
)

// asffType is of the format's taxonomy.
const asffType = "Software and Configuration Checks/AWS Security Best Practices/Network Reachability"

// asffPartitions are the partitions that the format knows.
var asffPartitions = map[string]bool{"aws": true, "aws-cn": true, "aws-us-gov": true}

// Findings returns an alert's openings for Security Hub; at is when the alert was sent. Later
// alerts of an opening have the same Id and a later UpdatedAt. An alert about exceptions that
// end is of no opening.
func (a Account) Findings(alert *finding.Alert, at time.Time) []ASFF {
	if alert.IsExpiryNotice() {
		return nil
	}
	var out []ASFF
	for i := range alert.Findings {
		out = append(out, a.asff(alert, &alert.Findings[i], at))
	}
	return out
}

func (a Account) asff(alert *finding.Alert, r *finding.Result, at time.Time) ASFF {
	event := &alert.Event
	if r.Event != nil {
		event = r.Event
	}
	began := event.EventTime
	if r.FirstSeen != nil {
		began = *r.FirstSeen
	}
	if began.IsZero() || began.After(at) {
		began = at
	}
	f := ASFF{
		SchemaVersion: "2018-10-08", ID: "sgward/" + a.Region + "/" + a.ID + "/" + r.StandingID(),
		ProductARN:  a.productARN(),
		ProductName: "sgward", GeneratorID: strings.TrimSuffix("sgward/"+r.StatementID, "/"), AWSAccountID: a.ID,
		CreatedAt: moment(began), UpdatedAt: moment(at), FirstObservedAt: moment(began), LastObservedAt: moment(at),
		Title: text.Shown(title(r), maxASFFTitle), Description: text.Shown(description(alert, r), maxASFFDescription),
		ProductFields: fields(alert, r, event), Resources: a.resources(alert, r),
		Compliance: asffCompliance{Status: compliance(r)}, RecordState: "ACTIVE",
	}
	if r.IsSettled() {
		f.RecordState = "ARCHIVED"
		f.LastObservedAt = moment(closed(r, at))
	}
	f.FindingProviderFields.Severity.Label = label(r.Severity)
	f.FindingProviderFields.Severity.Original = r.Severity.String()
	f.FindingProviderFields.Types = []string{asffType}
	if s, ok := alert.Statement(r.StatementID); ok {
		f.Compliance.RelatedRequirements = s.Controls[:min(len(s.Controls), maxASFFControls)]
		if s.Runbook != "" {
			f.Remediation = &asffRemediation{}
			f.Remediation.Recommendation.Text, f.Remediation.Recommendation.URL = "The runbook of "+s.ID, s.Runbook
		}
	}
	return f
}

// productARN is that of findings which an account makes for itself.
func (a Account) productARN() string {
	return a.Partition.ARN("securityhub", a.Region, a.ID, "product/"+a.ID+"/default")
}

func moment(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

func closed(r *finding.Result, at time.Time) time.Time {
	if r.ClosedAt != nil {
		return *r.ClosedAt
	}
	return at
}

func label(s policy.Severity) string {
	return cmp.Or(strings.ToUpper(s.String()), "INFORMATIONAL")
}

// compliance is PASSED for what is closed or allowed, and WARNING for what could not be
// judged.
func compliance(r *finding.Result) string {
	switch {
	case r.IsSettled():
		return "PASSED"
	case r.Rule == nil || r.Verdict == policy.Undetermined:
		return "WARNING"
	default:
		return "FAILED"
	}
}

// title names the opening, and stays the same when it is closed: a sweep does not know the
// name of a group that is gone.
func title(r *finding.Result) string {
	opening := "Rules that are not known"
	if r.Rule != nil {
		opening = r.Rule.Permission.Title()
	}
	return opening + " in " + cmp.Or(r.GroupID, r.GroupName, "a security group that the record does not name")
}

// outcomes says what became of an opening.
var outcomes = map[finding.Outcome]string{
	finding.OutcomeFailed:        "sgward could not close it: it may still be open.",
	finding.OutcomeWouldRevoke:   "It is still open: in observe mode sgward closes nothing.",
	finding.OutcomeAlerted:       "It is still open: sgward was to alert only.",
	finding.OutcomeRevoked:       "sgward closed it.",
	finding.OutcomeAlreadyClosed: "It was closed already.",
	finding.OutcomeCompliant:     "The policy allows it.",
	finding.OutcomeExempt:        "An exception allows it.",
}

func description(a *finding.Alert, r *finding.Result) string {
	out := cmp.Or(outcomes[r.Outcome], "Outcome: "+string(r.Outcome)+".")
	if r.Left != "" {
		out += " Left: " + strings.TrimSuffix(r.Left, ".") + "."
	}
	if r.ErrorCode != "" {
		out += " EC2 said " + r.ErrorCode + "."
	}
	if x := r.Exception; x != nil {
		out += " Exception " + x.ID + " of " + x.Owner + " ends " + policy.ShownEnd(x.Expires) + "."
	}
	if s, ok := a.Statement(r.StatementID); ok && s.Description != "" {
		out += " " + s.Description
	}
	if reasons := r.Deciding(); len(reasons) > 0 {
		out += " " + strings.Join(policy.Texts(reasons), "; ")
	}
	return out
}

// fields are searchable in Security Hub.
func fields(a *finding.Alert, r *finding.Result, e *cloudtrail.Event) map[string]string {
	out := map[string]string{}
	put := func(name, value string) {
		if value = text.Shown(value, maxASFFField); value != "" {
			out["sgward/"+name] = value
		}
	}
	put("alertId", a.ID)
	put("findingId", r.ID)
	put("outcome", string(r.Outcome))
	put("decision", r.Verdict.String())
	put("statementId", r.StatementID)
	put("mode", string(a.Mode))
	put("accountName", a.AccountName)
	put("owner", r.Owner)
	put("undo", whole(r.Undo))
	put("eventId", e.EventID)
	put("eventName", e.EventName)
	if a.Sweep == nil || a.Sweep.UnnamedCall { // else the event is the run itself
		put("principal", cmp.Or(e.Actor.Principal(), e.Actor.InvokedBy))
		put("sourceIpAddress", e.SourceIPAddress)
	}
	if r.ExposureSeconds != nil {
		put("exposureSeconds", strconv.FormatFloat(*r.ExposureSeconds, 'f', -1, 64))
	}
	if r.Rule != nil {
		put("rule", r.Rule.Permission.String())
		put("securityGroupRuleId", r.Rule.ID)
	}
	return out
}

// whole returns a command, or nothing if it would have to be cut.
func whole(command string) string {
	if text.Units(command) > maxASFFField {
		return ""
	}
	return command
}

// resources are the group and the network interfaces that use it, or the account if the
// group is not known.
func (a Account) resources(alert *finding.Alert, r *finding.Result) []asffResource {
	partition := ""
	if asffPartitions[a.Partition.Name] {
		partition = a.Partition.Name
	}
	if r.GroupID == "" {
		return []asffResource{{Type: "AwsAccount", ID: "AWS::::Account:" + a.ID, Partition: partition, Region: a.Region}}
	}
	out := []asffResource{{
		Type: "AwsEc2SecurityGroup", ID: a.groupARN(r), Partition: partition, Region: a.Region,
		Details: &asffDetails{Group: &asffGroup{GroupID: r.GroupID, GroupName: text.Shown(r.GroupName, maxASFFTitle), VPCID: r.VPCID, OwnerID: a.owner(r)}},
	}}
	for _, n := range alert.Exposed {
		if n.GroupID == r.GroupID && len(out) <= maxASFFInterfaces {
			out = append(out, asffResource{
				Type: "AwsEc2NetworkInterface", ID: a.Partition.ARN("ec2", a.Region, a.owner(r), "network-interface/"+n.ID), Partition: partition, Region: a.Region,
			})
		}
	}
	return out
}
