package ec2api

import (
	"bytes"
	"encoding/xml"
	"strings"
)

// The element names here are those that the AWS SDKs read; the API reference
// gives them for each action
// (https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_Operations.html).

type response interface {
	stamp(requestID string)
}

// reply is the beginning of every answer.
type reply struct {
	RequestID string `xml:"requestId"`
}

func (r *reply) stamp(requestID string) { r.RequestID = requestID }

// list is an element with one <item> per value. An empty one is still written:
// boto3 tells an empty list from a missing one.
type list[T any] struct {
	Items []T `xml:"item"`
}

func listOf[T any](items []T) list[T] { return list[T]{Items: items} }

// optional leaves the element out when there is nothing in it.
func optional[T any](items []T) *list[T] {
	if len(items) == 0 {
		return nil
	}
	return &list[T]{Items: items}
}

type returnReply struct {
	reply
	Return bool `xml:"return"`
}

type xmlTag struct {
	Key   string `xml:"key"`
	Value string `xml:"value"`
}

type xmlPermission struct {
	Protocol    string             `xml:"ipProtocol"`
	FromPort    *int               `xml:"fromPort"`
	ToPort      *int               `xml:"toPort"`
	Groups      list[xmlGroupPair] `xml:"groups"`
	IPRanges    list[xmlRange]     `xml:"ipRanges"`
	IPv6Ranges  list[xmlRange6]    `xml:"ipv6Ranges"`
	PrefixLists list[xmlListID]    `xml:"prefixListIds"`
}

type xmlGroupPair struct {
	UserID      string `xml:"userId"`
	GroupID     string `xml:"groupId"`
	Description string `xml:"description,omitempty"`
}

type xmlRange struct {
	CIDR        string `xml:"cidrIp"`
	Description string `xml:"description,omitempty"`
}

type xmlRange6 struct {
	CIDR        string `xml:"cidrIpv6"`
	Description string `xml:"description,omitempty"`
}

type xmlListID struct {
	ID          string `xml:"prefixListId"`
	Description string `xml:"description,omitempty"`
}

type xmlGroup struct {
	OwnerID     string              `xml:"ownerId"`
	GroupID     string              `xml:"groupId"`
	Name        string              `xml:"groupName"`
	Description string              `xml:"groupDescription"`
	VPCID       string              `xml:"vpcId"`
	Ingress     list[xmlPermission] `xml:"ipPermissions"`
	Egress      list[xmlPermission] `xml:"ipPermissionsEgress"`
	Tags        *list[xmlTag]       `xml:"tagSet"`
	ARN         string              `xml:"securityGroupArn"`
}

type xmlReferencedGroup struct {
	GroupID string `xml:"groupId"`
	UserID  string `xml:"userId"`
}

type xmlRule struct {
	ID              string              `xml:"securityGroupRuleId"`
	ARN             string              `xml:"securityGroupRuleArn"`
	GroupID         string              `xml:"groupId"`
	GroupOwnerID    string              `xml:"groupOwnerId"`
	IsEgress        bool                `xml:"isEgress"`
	Protocol        string              `xml:"ipProtocol"`
	FromPort        int                 `xml:"fromPort"`
	ToPort          int                 `xml:"toPort"`
	CIDRIPv4        string              `xml:"cidrIpv4,omitempty"`
	CIDRIPv6        string              `xml:"cidrIpv6,omitempty"`
	PrefixListID    string              `xml:"prefixListId,omitempty"`
	ReferencedGroup *xmlReferencedGroup `xml:"referencedGroupInfo"`
	Description     string              `xml:"description,omitempty"`
	Tags            list[xmlTag]        `xml:"tagSet"`
}

// xmlRevokedRule is flatter than xmlRule: the referenced group is an id.
type xmlRevokedRule struct {
	ID                string `xml:"securityGroupRuleId"`
	GroupID           string `xml:"groupId"`
	IsEgress          bool   `xml:"isEgress"`
	Protocol          string `xml:"ipProtocol"`
	FromPort          int    `xml:"fromPort"`
	ToPort            int    `xml:"toPort"`
	CIDRIPv4          string `xml:"cidrIpv4,omitempty"`
	CIDRIPv6          string `xml:"cidrIpv6,omitempty"`
	PrefixListID      string `xml:"prefixListId,omitempty"`
	ReferencedGroupID string `xml:"referencedGroupId,omitempty"`
	Description       string `xml:"description,omitempty"`
}

type authorizeReply struct {
	returnReply
	Rules list[xmlRule] `xml:"securityGroupRuleSet"`
}

type revokeReply struct {
	returnReply
	Revoked list[xmlRevokedRule] `xml:"revokedSecurityGroupRuleSet"`
	Unknown list[xmlPermission]  `xml:"unknownIpPermissionSet"`
}

type rulesReply struct {
	reply
	Rules     list[xmlRule] `xml:"securityGroupRuleSet"`
	NextToken string        `xml:"nextToken,omitempty"`
}

type groupsReply struct {
	reply
	Groups    list[xmlGroup] `xml:"securityGroupInfo"`
	NextToken string         `xml:"nextToken,omitempty"`
}

type createGroupReply struct {
	returnReply
	GroupID string        `xml:"groupId"`
	Tags    *list[xmlTag] `xml:"tagSet"`
	ARN     string        `xml:"securityGroupArn"`
}

type deleteGroupReply struct {
	returnReply
	GroupID string `xml:"groupId"`
}

type xmlVPC struct {
	ID        string        `xml:"vpcId"`
	OwnerID   string        `xml:"ownerId"`
	State     string        `xml:"state"`
	CIDR      string        `xml:"cidrBlock"`
	Tenancy   string        `xml:"instanceTenancy"`
	IsDefault bool          `xml:"isDefault"`
	Tags      *list[xmlTag] `xml:"tagSet"`
}

type vpcsReply struct {
	reply
	VPCs      list[xmlVPC] `xml:"vpcSet"`
	NextToken string       `xml:"nextToken,omitempty"`
}

type createVPCReply struct {
	reply
	VPC xmlVPC `xml:"vpc"`
}

type xmlRegion struct {
	Name        string `xml:"regionName"`
	Endpoint    string `xml:"regionEndpoint"`
	OptInStatus string `xml:"optInStatus"`
}

type regionsReply struct {
	reply
	Regions list[xmlRegion] `xml:"regionInfo"`
}

type xmlResourceTag struct {
	ResourceID   string `xml:"resourceId"`
	ResourceType string `xml:"resourceType"`
	Key          string `xml:"key"`
	Value        string `xml:"value"`
}

type tagsReply struct {
	reply
	Tags      list[xmlResourceTag] `xml:"tagSet"`
	NextToken string               `xml:"nextToken,omitempty"`
}

type xmlPrefixList struct {
	ID            string       `xml:"prefixListId"`
	AddressFamily string       `xml:"addressFamily"`
	State         string       `xml:"state"`
	ARN           string       `xml:"prefixListArn"`
	Name          string       `xml:"prefixListName"`
	MaxEntries    int          `xml:"maxEntries,omitempty"`
	Version       int          `xml:"version,omitempty"`
	Tags          list[xmlTag] `xml:"tagSet"`
	OwnerID       string       `xml:"ownerId"`
}

type prefixListReply struct {
	reply
	List xmlPrefixList `xml:"prefixList"`
}

type prefixListsReply struct {
	reply
	Lists     list[xmlPrefixList] `xml:"prefixListSet"`
	NextToken string              `xml:"nextToken,omitempty"`
}

type xmlEntry struct {
	CIDR        string `xml:"cidr"`
	Description string `xml:"description,omitempty"`
}

type entriesReply struct {
	reply
	Entries   list[xmlEntry] `xml:"entrySet"`
	NextToken string         `xml:"nextToken,omitempty"`
}

type xmlListUse struct {
	ID    string `xml:"resourceId"`
	Owner string `xml:"resourceOwner"`
}

type associationsReply struct {
	reply
	Associations list[xmlListUse] `xml:"prefixListAssociationSet"`
	NextToken    string           `xml:"nextToken,omitempty"`
}

type xmlErrors struct {
	XMLName   xml.Name `xml:"Response"`
	Code      string   `xml:"Errors>Error>Code"`
	Message   string   `xml:"Errors>Error>Message"`
	RequestID string   `xml:"RequestID"`
}

func encodeError(e *apiError, requestID string) []byte {
	var b bytes.Buffer
	b.WriteString(xml.Header)
	// Three strings always encode; the writer is memory.
	_ = xml.NewEncoder(&b).Encode(xmlErrors{Code: e.code, Message: strings.ToValidUTF8(e.message, "?"), RequestID: requestID})
	return b.Bytes()
}
