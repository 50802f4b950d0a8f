package alert

import (
	"slices"
	"strings"

	"sgward/internal/text"
)

// linksOf lists console pages.
func (v *view) linksOf() []item {
	if v.isExpiry {
		return nil
	}
	var out []item
	for i := range v.openings {
		o := &v.openings[i]
		l := item{kind: link, text: "Security group " + o.GroupID, url: GroupURL(o.region, o.GroupID)}
		isListed := slices.ContainsFunc(out, func(other item) bool { return other.url == l.url })
		if named := "Security group " + o.GroupName; isPlainName(o.GroupName) {
			// Groups of different VPCs may share a name.
			isTaken := slices.ContainsFunc(out, func(other item) bool { return other.text == named })
			l.text = named + pick(isTaken, " "+o.GroupID, "")
		}
		if l.url != "" && !isListed {
			out = append(out, l)
		}
		if len(out) == maxLinks {
			break
		}
	}
	e := v.alert.Event
	if url := EventURL(e.Region, e.EventID); url != "" && !v.isSweep && !v.isDigest { // whose id CloudTrail does not know
		out = append(out, item{kind: link, text: "CloudTrail event", url: url})
	}
	if len(v.openings) > 0 {
		if s, ok := v.alert.Statement(v.openings[0].StatementID); ok && isWebPage(s.Runbook) {
			out = append(out, item{kind: link, text: "Runbook", url: s.Runbook})
		}
	}
	return out
}

// isWebPage reports whether s is an https address that chat and mail can link as it is.
func isWebPage(s string) bool {
	return strings.HasPrefix(s, "https://") && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune("<>|\"`", r) })
}

const linksTitle = "Links"

func (v *view) whereToLook(limits) section { return section{title: linksTitle, items: v.links} }

// resourcesOf lists the ARNs of the groups.
func (v *view) resourcesOf() []string {
	var out []string
	for i := range v.openings {
		o := &v.openings[i]
		if arn := groupARN(o.accountID, o.region, o.GroupID); arn != "" && !slices.Contains(out, arn) {
			out = append(out, arn)
		}
		if len(out) == maxResources {
			break
		}
	}
	return out
}

// GroupURL returns the page of a security group in the AWS console; "" if its region or id
// lacks their form, or the console is not public.
func GroupURL(region, groupID string) string {
	return consoleURL(region, "ec2", "#SecurityGroup:groupId=", groupID)
}

// EventURL returns the page of a CloudTrail event in the AWS console; "" as for GroupURL.
func EventURL(region, eventID string) string {
	return consoleURL(region, "cloudtrailv2", "#/events/", eventID)
}

// consoleURL returns "" if the region's console is not public.
func consoleURL(region, page, fragment, id string) string {
	p, ok := text.PartitionOf(region)
	if !ok || p.ConsoleHost(region) == "" || !isIdentifier(id) {
		return ""
	}
	return "https://" + p.ConsoleHost(region) + "/" + page + "/home?region=" + region + fragment + id
}

// groupARN returns a security group's ARN, or "".
func groupARN(accountID, region, groupID string) string {
	p, ok := text.PartitionOf(region)
	if !ok || !isIdentifier(groupID) || !isIdentifier(accountID) {
		return ""
	}
	return p.ARN("ec2", region, accountID, "security-group/"+groupID)
}
