package ec2api

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// awsOwner is the owner of the prefix lists that AWS manages.
const awsOwner = "AWS"

// NetworkInterface is an interface put into the stand-in by AddNetworkInterface.
// Zero fields are filled in or left out of answers.
type NetworkInterface struct {
	Account          string // default: the server's account
	Region           string // default: DefaultRegion
	ID               string // default: made up
	GroupIDs         []string
	VPCID            string // default: that of the first group
	SubnetID         string
	AvailabilityZone string
	Description      string
	Type             string // default: "interface"
	Status           string // default: "in-use"
	PrivateIPv4      string
	PublicIPv4       string
	IPv6             []string
	InstanceID       string
	RequesterID      string // set for interfaces that a service made

	seq uint64
}

type xmlInterface struct {
	ID               string               `xml:"networkInterfaceId"`
	SubnetID         string               `xml:"subnetId,omitempty"`
	VPCID            string               `xml:"vpcId"`
	AvailabilityZone string               `xml:"availabilityZone,omitempty"`
	Description      string               `xml:"description"`
	OwnerID          string               `xml:"ownerId"`
	RequesterID      string               `xml:"requesterId,omitempty"`
	RequesterManaged bool                 `xml:"requesterManaged"`
	Status           string               `xml:"status"`
	PrivateIP        string               `xml:"privateIpAddress,omitempty"`
	Groups           list[xmlGroupID]     `xml:"groupSet"`
	Attachment       *xmlAttachment       `xml:"attachment"`
	Association      *xmlAssociation      `xml:"association"`
	Addresses        list[xmlPrivateIP]   `xml:"privateIpAddressesSet"`
	IPv6             list[xmlIPv6Address] `xml:"ipv6AddressesSet"`
	Type             string               `xml:"interfaceType"`
}

type xmlGroupID struct {
	ID   string `xml:"groupId"`
	Name string `xml:"groupName"`
}

type xmlAttachment struct {
	InstanceID string `xml:"instanceId"`
	Status     string `xml:"status"`
}

type xmlAssociation struct {
	PublicIP string `xml:"publicIp"`
	OwnerID  string `xml:"ipOwnerId"`
}

type xmlPrivateIP struct {
	Address     string          `xml:"privateIpAddress"`
	Primary     bool            `xml:"primary"`
	Association *xmlAssociation `xml:"association"`
}

type xmlIPv6Address struct {
	Address string `xml:"ipv6Address"`
}

type interfacesReply struct {
	reply
	Interfaces list[xmlInterface] `xml:"networkInterfaceSet"`
	NextToken  string             `xml:"nextToken,omitempty"`
}

// AddNetworkInterface adds an interface to its region and returns its id. An unknown group
// is an error.
func (s *Server) AddNetworkInterface(n NetworkInterface) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.regionAt(place{cmp.Or(n.Account, s.account), cmp.Or(n.Region, DefaultRegion)})
	n.Account, n.Region = r.account, r.name
	n.GroupIDs, n.IPv6 = slices.Clone(n.GroupIDs), slices.Clone(n.IPv6)
	for _, id := range n.GroupIDs {
		g := r.groups[id]
		if g == nil {
			return "", fmt.Errorf("adding a network interface: the group %s is not in %s/%s", id, r.account, r.name)
		}
		n.VPCID = cmp.Or(n.VPCID, g.vpc.id)
	}
	n.VPCID = cmp.Or(n.VPCID, r.defaultVPC.id)
	n.Type, n.Status = cmp.Or(n.Type, "interface"), cmp.Or(n.Status, "in-use")
	if n.ID == "" {
		n.ID = s.newID(r, "eni")
	}
	n.seq = r.nextSeq()
	r.interfaces = append(r.interfaces, n)
	return n.ID, nil
}

// AddAWSPrefixList adds a prefix list as AWS manages them ("com.amazonaws.us-east-1.s3")
// and returns its id. All CIDRs are of one family.
func (s *Server) AddAWSPrefixList(regionName, name string, cidrs ...netip.Prefix) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.regionAt(place{s.account, cmp.Or(regionName, DefaultRegion)})
	entries := make([]entry, len(cidrs))
	for i, cidr := range cidrs {
		entries[i] = entry{cidr: cidr.Masked()}
	}
	ipv6 := len(cidrs) > 0 && !cidrs[0].Addr().Is4()
	return s.addList(r, name, awsOwner, ipv6, max(1, len(entries)), entries).id
}

func describeNetworkInterfaces(c *call) (response, error) {
	filters, err := c.filters("group-id", "network-interface-id", "vpc-id", "subnet-id", "status", "interface-type",
		"attachment.instance-id", "private-ip-address", "association.public-ip", "requester-id", "owner-id")
	if err != nil {
		return nil, err
	}
	limit, after, err := c.window(5, 1000)
	if err != nil {
		return nil, err
	}
	wanted := c.strings("NetworkInterfaceId")
	for _, id := range wanted {
		if !slices.ContainsFunc(c.region.interfaces, func(n NetworkInterface) bool { return n.ID == id }) {
			return nil, fail("InvalidNetworkInterfaceID.NotFound", "The networkInterface ID '%s' does not exist", id)
		}
	}
	if err := c.dryRun(); err != nil {
		return nil, err
	}
	found := slices.DeleteFunc(slices.Clone(c.region.interfaces), func(n NetworkInterface) bool {
		return len(wanted) > 0 && !slices.Contains(wanted, n.ID) || !n.matches(filters)
	})
	found, token := page(c, found, limit, after, func(n NetworkInterface) uint64 { return n.seq })
	out := &interfacesReply{NextToken: token}
	for _, n := range found {
		out.Interfaces.Items = append(out.Interfaces.Items, c.xmlInterface(n))
	}
	return out, nil
}

// matches judges the interface; it is in several groups, so the filter on them
// is met if one of them meets it.
func (n NetworkInterface) matches(filters []filter) bool {
	attrs := map[string]string{
		"network-interface-id": n.ID, "vpc-id": n.VPCID, "subnet-id": n.SubnetID, "status": n.Status,
		"interface-type": n.Type, "attachment.instance-id": n.InstanceID, "private-ip-address": n.PrivateIPv4,
		"association.public-ip": n.PublicIPv4, "requester-id": n.RequesterID, "owner-id": n.Account,
	}
	for _, f := range filters {
		values := []string{attrs[f.name]}
		if f.name == "group-id" {
			values = n.GroupIDs
		}
		if !slices.ContainsFunc(values, f.accepts) {
			return false
		}
	}
	return true
}

func (c *call) xmlInterface(n NetworkInterface) xmlInterface {
	x := xmlInterface{
		ID: n.ID, SubnetID: n.SubnetID, VPCID: n.VPCID, AvailabilityZone: n.AvailabilityZone, Description: n.Description,
		OwnerID: n.Account, RequesterID: n.RequesterID, RequesterManaged: n.RequesterID != "", Status: n.Status,
		PrivateIP: n.PrivateIPv4, Type: n.Type,
	}
	for _, id := range n.GroupIDs {
		if g := c.region.groups[id]; g != nil {
			x.Groups.Items = append(x.Groups.Items, xmlGroupID{ID: id, Name: g.name})
		}
	}
	if n.InstanceID != "" {
		x.Attachment = &xmlAttachment{InstanceID: n.InstanceID, Status: "attached"}
	}
	if n.PublicIPv4 != "" {
		x.Association = &xmlAssociation{PublicIP: n.PublicIPv4, OwnerID: n.Account}
	}
	if n.PrivateIPv4 != "" {
		x.Addresses = listOf([]xmlPrivateIP{{Address: n.PrivateIPv4, Primary: true, Association: x.Association}})
	}
	for _, a := range n.IPv6 {
		x.IPv6.Items = append(x.IPv6.Items, xmlIPv6Address{a})
	}
	return x
}

// enabledRegions are the regions enabled by default for every account
// (https://docs.aws.amazon.com/global-infrastructure/latest/regions/aws-regions.html).
func enabledRegions() []string {
	return strings.Fields(`ap-northeast-1 ap-northeast-2 ap-northeast-3 ap-south-1 ap-southeast-1 ap-southeast-2
		ca-central-1 eu-central-1 eu-north-1 eu-west-1 eu-west-2 eu-west-3 sa-east-1
		us-east-1 us-east-2 us-west-1 us-west-2`)
}

func describeRegions(c *call) (response, error) {
	filters, err := c.filters("region-name", "endpoint", "opt-in-status")
	if err != nil {
		return nil, err
	}
	names := c.srv.regionList
	if len(names) == 0 {
		names = enabledRegions()
	}
	wanted := c.strings("RegionName")
	for _, name := range wanted {
		if !slices.Contains(names, name) {
			return nil, fail("InvalidParameterValue", "Invalid region: '%s'", name)
		}
	}
	if err := c.dryRun(); err != nil {
		return nil, err
	}
	out := &regionsReply{}
	for _, name := range names {
		x := xmlRegion{Name: name, Endpoint: "ec2." + name + "." + domain(name), OptInStatus: "opt-in-not-required"}
		attrs := map[string]string{"region-name": x.Name, "endpoint": x.Endpoint, "opt-in-status": x.OptInStatus}
		if (len(wanted) == 0 || slices.Contains(wanted, name)) && matches(filters, nil, func(n string) string { return attrs[n] }) {
			out.Regions.Items = append(out.Regions.Items, x)
		}
	}
	return out, nil
}

func domain(region string) string {
	if strings.HasPrefix(region, "cn-") {
		return "amazonaws.com.cn"
	}
	return "amazonaws.com"
}
