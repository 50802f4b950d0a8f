package terraform

import (
	"encoding/json/jsontext"
	"encoding/json/v2"
)

// The types of resources that are read.
const (
	groupKind        = "aws_security_group"
	defaultGroupKind = "aws_default_security_group"
	ruleKind         = "aws_security_group_rule"
	ingressKind      = "aws_vpc_security_group_ingress_rule"
	egressKind       = "aws_vpc_security_group_egress_rule"
	listKind         = "aws_ec2_managed_prefix_list"
	entryKind        = "aws_ec2_managed_prefix_list_entry"
)

// values are the attributes of a resource, of all types together. A nil attribute is null,
// missing or unknown.
type values struct {
	ID          *string            `json:"id"`
	ARN         *string            `json:"arn"`
	OwnerID     *string            `json:"owner_id"`
	Region      *string            `json:"region"`
	Name        *string            `json:"name"`
	VPCID       *string            `json:"vpc_id"`
	Description *string            `json:"description"`
	Tags        map[string]*string `json:"tags"`
	TagsAll     map[string]*string `json:"tags_all"`

	// Of groups.
	Ingress []block `json:"ingress"`
	Egress  []block `json:"egress"`

	// Of aws_security_group_rule, whose other attributes are those of a block.
	block
	Direction     *string `json:"type"`
	GroupID       *string `json:"security_group_id"`
	SourceGroupID *string `json:"source_security_group_id"`
	RuleID        *string `json:"security_group_rule_id"`

	// Of aws_vpc_security_group_ingress_rule and _egress_rule.
	IPProtocol        *string `json:"ip_protocol"`
	CIDRv4            *string `json:"cidr_ipv4"`
	CIDRv6            *string `json:"cidr_ipv6"`
	PrefixListID      *string `json:"prefix_list_id"`
	ReferencedGroupID *string `json:"referenced_security_group_id"`

	// Of prefix lists and their entries.
	Entries []struct {
		CIDR *string `json:"cidr"`
	} `json:"entry"`
	CIDR *string `json:"cidr"`
	// Of the data source aws_ec2_managed_prefix_list.
	DataEntries []struct {
		CIDR *string `json:"cidr"`
	} `json:"entries"`
	// Of the data source aws_caller_identity.
	AccountID *string `json:"account_id"`
}

// block is an ingress or egress block of a group.
type block struct {
	Protocol       *string   `json:"protocol"`
	FromPort       *int      `json:"from_port"`
	ToPort         *int      `json:"to_port"`
	CIDRBlocks     []*string `json:"cidr_blocks"`
	IPv6CIDRBlocks []*string `json:"ipv6_cidr_blocks"`
	PrefixListIDs  []*string `json:"prefix_list_ids"`
	SecurityGroups []*string `json:"security_groups"`
	Self           *bool     `json:"self"`
	Description    *string   `json:"description"`
}

// mark mirrors values: true where they, or one that holds them, are unknown or sensitive.
type mark struct{ value any }

func readMark(raw jsontext.Value) mark {
	var m mark
	if len(raw) > 2 { // more than {}
		_ = json.Unmarshal(raw, &m.value) // it was checked when the plan was split
	}
	return m
}

// of returns the marks of an attribute.
func (m mark) of(name string) mark {
	if object, ok := m.value.(map[string]any); ok {
		return mark{object[name]}
	}
	return m.whole()
}

// at returns the marks of an element.
func (m mark) at(i int) mark {
	if list, ok := m.value.([]any); ok {
		if i < len(list) {
			return mark{list[i]}
		}
		return mark{}
	}
	return m.whole()
}

func (m mark) whole() mark {
	if m.set() {
		return m
	}
	return mark{}
}

// set reports whether the whole value is marked.
func (m mark) set() bool { return m.value == true }

// any reports whether a part of the value is marked.
func (m mark) any() bool {
	switch v := m.value.(type) {
	case bool:
		return v
	case []any:
		for _, e := range v {
			if (mark{e}).any() {
				return true
			}
		}
	case map[string]any:
		for _, e := range v {
			if (mark{e}).any() {
				return true
			}
		}
	}
	return false
}

func str(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
