package report

import (
	"cmp"
	"strings"
	"time"

	"sgward/internal/policy"
	"sgward/internal/text"
)

// The form of the Open Cybersecurity Schema Framework: one Compliance Finding a line
// (https://schema.ocsf.io/1.5.0/classes/compliance_finding). All commands write this class,
// as all judge a rule by a policy: a replay detects no activity, it judges the rules of
// calls. The Entry is in "unmapped", whole: nothing of JSON's lines is lost.
const ocsfVersion = "1.5.0"

// Numbers of the framework.
const (
	ocsfFindings          = 2    // category_uid
	ocsfComplianceFinding = 2003 // class_uid
	ocsfCreate            = 1    // activity_id
	ocsfNew               = 1    // status_id
	ocsfSuppressed        = 3
	ocsfResolved          = 4
	ocsfPass              = 1 // compliance.status_id
	ocsfWarning           = 2
	ocsfFail              = 3
	ocsfRule              = 1  // analytic.type_id
	ocsfAWSAccount        = 10 // account.type_id
)

type ocsfFinding struct {
	ActivityID   int              `json:"activity_id"`
	ActivityName string           `json:"activity_name"`
	CategoryUID  int              `json:"category_uid"`
	CategoryName string           `json:"category_name"`
	ClassUID     int              `json:"class_uid"`
	ClassName    string           `json:"class_name"`
	TypeUID      int              `json:"type_uid"`
	TypeName     string           `json:"type_name"`
	Time         int64            `json:"time"` // milliseconds since 1970
	SeverityID   int              `json:"severity_id"`
	Severity     string           `json:"severity"`
	StatusID     int              `json:"status_id"`
	Status       string           `json:"status"`
	Message      string           `json:"message"`
	Metadata     ocsfMetadata     `json:"metadata"`
	Info         ocsfInfo         `json:"finding_info"`
	Compliance   ocsfCompliance   `json:"compliance"`
	Cloud        *ocsfCloud       `json:"cloud,omitempty"`
	Resources    []ocsfResource   `json:"resources"`
	Remediation  *ocsfRemediation `json:"remediation,omitempty"`
	Unmapped     Entry            `json:"unmapped"`
}

type ocsfMetadata struct {
	Version  string      `json:"version"`
	Product  ocsfProduct `json:"product"`
	Profiles []string    `json:"profiles,omitempty"`
	// EventCode is the command.
	EventCode string `json:"event_code,omitempty"`
}

type ocsfProduct struct {
	Name       string `json:"name"`
	VendorName string `json:"vendor_name"`
	Version    string `json:"version,omitempty"`
}

type ocsfInfo struct {
	UID       string        `json:"uid"`
	Title     string        `json:"title"`
	Desc      string        `json:"desc,omitempty"`
	Analytic  *ocsfAnalytic `json:"analytic,omitempty"`
	FirstSeen *int64        `json:"first_seen_time,omitempty"`
	LastSeen  *int64        `json:"last_seen_time,omitempty"`
	SourceURL string        `json:"src_url,omitempty"`
}

type ocsfAnalytic struct {
	Name   string `json:"name"`
	UID    string `json:"uid"`
	TypeID int    `json:"type_id"`
	Type   string `json:"type"`
}

type ocsfCompliance struct {
	Control      string   `json:"control,omitempty"`
	Desc         string   `json:"desc,omitempty"`
	Requirements []string `json:"requirements,omitempty"`
	Standards    []string `json:"standards"`
	StatusID     int      `json:"status_id"`
	Status       string   `json:"status"`
}

type ocsfCloud struct {
	Provider string       `json:"provider"`
	Region   string       `json:"region,omitempty"`
	Account  *ocsfAccount `json:"account,omitempty"`
}

type ocsfAccount struct {
	UID    string `json:"uid"`
	Name   string `json:"name"`
	TypeID int    `json:"type_id"`
	Type   string `json:"type"`
}

type ocsfResource struct {
	UID       string `json:"uid,omitempty"`
	Name      string `json:"name"`
	Type      string `json:"type"`
	Region    string `json:"region,omitempty"`
	Partition string `json:"cloud_partition,omitempty"`
}

type ocsfRemediation struct {
	Desc       string   `json:"desc"`
	References []string `json:"references,omitempty"`
}

// ocsf returns an entry as a Compliance Finding.
func (r *Run) ocsf(e Entry) ocsfFinding {
	e = r.complete(e)
	id, severity, verdict := e.StatementID, e.Severity, e.Verdict
	if e.Compared != nil && verdict == policy.Compliant { // only the other policy forbids it
		id, severity = e.Compared.StatementID, e.Compared.Severity
	}
	ref := r.statement(id)
	out := ocsfFinding{
		ActivityID: ocsfCreate, ActivityName: "Create",
		CategoryUID: ocsfFindings, CategoryName: "Findings",
		ClassUID: ocsfComplianceFinding, ClassName: "Compliance Finding",
		TypeUID: ocsfComplianceFinding*100 + ocsfCreate, TypeName: "Compliance Finding: Create",
		Time:     milliseconds(r.Now),
		StatusID: ocsfNew, Status: "New",
		Message:  text.Visible(messageOf(r.Command, &e)),
		Metadata: ocsfMetadata{Version: ocsfVersion, Product: ocsfProduct{"sgward", "sgward", r.Version}, EventCode: string(r.Command)},
		Info:     ocsfInfo{UID: e.ID, Title: e.titleText() + " in " + e.groupText(), Desc: text.Visible(strings.Join(policy.Texts(e.Reasons), "; ")), SourceURL: r.nextSteps(&e).GroupURL},
		Compliance: ocsfCompliance{
			Control: id, Desc: ref.Description, Requirements: ref.Controls, Standards: []string{"sgward policy"},
		},
		Resources: e.ocsfResources(), Unmapped: e,
	}
	out.SeverityID, out.Severity = ocsfSeverity(severity)
	switch {
	case verdict == policy.Exempt:
		out.StatusID, out.Status = ocsfSuppressed, "Suppressed"
	case e.ClosedAt != nil:
		out.StatusID, out.Status = ocsfResolved, "Resolved"
	}
	switch verdict {
	case policy.Exempt, policy.Compliant:
		out.Compliance.StatusID, out.Compliance.Status = ocsfPass, "Pass"
	case policy.Undetermined:
		out.Compliance.StatusID, out.Compliance.Status = ocsfWarning, "Warning"
	default:
		out.Compliance.StatusID, out.Compliance.Status = ocsfFail, "Fail"
	}
	if id != "" {
		out.Info.Analytic = &ocsfAnalytic{id, id, ocsfRule, "Rule"}
	}
	if e.Event != nil {
		out.Time = milliseconds(e.Event.EventTime)
		out.Info.FirstSeen = &out.Time
	}
	if e.ClosedAt != nil {
		closed := milliseconds(*e.ClosedAt)
		out.Info.LastSeen = &closed
	}
	if e.AccountID != "" || e.Region != "" { // a plan may have neither
		out.Metadata.Profiles = []string{"cloud"}
		out.Cloud = &ocsfCloud{Provider: "AWS", Region: e.Region}
		if e.AccountID != "" {
			out.Cloud.Account = &ocsfAccount{e.AccountID, cmp.Or(e.AccountName, e.AccountID), ocsfAWSAccount, "AWS Account"}
		}
	}
	if e.CloseCommand != "" || ref.Runbook != "" {
		out.Remediation = &ocsfRemediation{Desc: cmp.Or(e.CloseCommand, "The runbook of "+ref.ID)}
		if ref.Runbook != "" {
			out.Remediation.References = []string{ref.Runbook}
		}
	}
	return out
}

// milliseconds is a time as the framework counts; 0 if it is not known.
func milliseconds(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func ocsfSeverity(s policy.Severity) (id int, caption string) {
	switch s {
	case policy.Critical:
		return 5, "Critical"
	case policy.High:
		return 4, "High"
	case policy.Medium:
		return 3, "Medium"
	case policy.Low:
		return 2, "Low"
	default:
		return 0, "Unknown"
	}
}

// ocsfResources are the rule, as far as it has an id, and its group.
func (e *Entry) ocsfResources() []ocsfResource {
	partition, _ := text.PartitionOf(e.Region)
	group := ocsfResource{Name: e.groupText(), Type: "AWS::EC2::SecurityGroup", Region: e.Region, Partition: partition.Name}
	if e.GroupID != "" {
		group.UID = arnOf("security-group", e.AccountID, e.Region, e.GroupID)
	}
	if e.Rule == nil || e.Rule.ID == "" {
		return []ocsfResource{group}
	}
	rule := ocsfResource{Name: e.Rule.ID, Type: "AWS::EC2::SecurityGroupRule", Region: e.Region, Partition: partition.Name}
	rule.UID = arnOf("security-group-rule", e.AccountID, e.Region, e.Rule.ID)
	return []ocsfResource{group, rule}
}
