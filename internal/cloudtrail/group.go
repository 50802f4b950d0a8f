package cloudtrail

import "sgward/internal/secgroup"

// createGroup reads a call that made a group. Its id is empty if the response was too
// large to record. A group of a VPC comes with an egress rule for all traffic to
// 0.0.0.0/0, and to ::/0 if the VPC has IPv6; no Authorize call makes those
// (https://docs.aws.amazon.com/vpc/latest/userguide/vpc-security-groups.html).
func (d *decoder) createGroup(c *Call, _ secgroup.Direction) (skipped string) {
	d.value(d.record.request, "requestParameters", func(r *reader) {
		r.object(func(key []byte) bool {
			switch string(key) {
			case "vpcId":
				c.Group.VPCID = cut(r.text(), mostName)
			case "groupName":
				c.Group.Name = cut(r.text(), mostName)
			default:
				return false
			}
			return true
		})
	})
	omitted := d.record.response == nil
	d.value(d.record.response, "responseElements", func(r *reader) {
		r.object(func(key []byte) bool {
			switch string(key) {
			case "groupId":
				c.Group.ID = cut(r.text(), mostName)
			case "omitted":
				omitted, _ = r.boolean()
			default:
				return false
			}
			return true
		})
	})
	if c.Group.ID == "" && !omitted {
		d.fail("responseElements.groupId", "is missing")
	}
	return ""
}

// deleteGroup reads a call that deleted a group.
func (d *decoder) deleteGroup(c *Call, _ secgroup.Direction) (skipped string) {
	asked := request{namesOnly: true}
	d.value(d.record.request, "requestParameters", func(r *reader) { asked.read(r, 0) })
	c.Group = asked.group
	refused := false
	d.value(d.record.response, "responseElements", func(r *reader) {
		r.member("_return", func() { refused = r.refused() })
	})
	if refused {
		return answeredFalse
	}
	d.mustName(c.Group)
	return ""
}
