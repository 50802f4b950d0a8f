package cloudtrail

// CreationCall is the name of the call that ParseCreation reads. It opens nothing, and
// tells that its group held nothing before.
const CreationCall = "CreateSecurityGroup"

// Creation is a group that one successful call made. A group of a VPC comes with an
// egress rule for all traffic to 0.0.0.0/0, and to ::/0 where the VPC has IPv6; no
// Authorize call makes those
// (https://docs.aws.amazon.com/vpc/latest/userguide/vpc-security-groups.html).
type Creation struct {
	Record

	// GroupID is the new group's, empty where the answer was too large to record.
	GroupID string
	VPCID   string // empty for the default VPC and outside of any
}

// ParseCreation reads a bare CloudTrail record of CreateSecurityGroup. A record of
// another call, or of one that failed, gives a Creation that is Skipped. The error is
// always a *MalformedError.
func ParseCreation(data []byte) (Creation, error) {
	var rec record
	if err := openRecord(data, &rec); err != nil {
		return Creation{}, err
	}
	return (&decoder{}).creation(rec)
}

// ParseCreationEvent reads like ParseCreation an EventBridge event around the record.
func ParseCreationEvent(event []byte) (Creation, error) {
	var rec record
	d, skipped, err := openEvent(event, &rec)
	if err != nil || skipped.Skipped != "" {
		return Creation{Record: skipped}, err
	}
	return d.creation(rec)
}

func (d *decoder) creation(rec record) (Creation, error) {
	head, caller := d.head(rec, CreationCall)
	c := Creation{Record: head}
	if c.Skipped != "" {
		return c, nil
	}
	d.value(rec.request, "requestParameters", func(r *reader) {
		r.member("vpcId", func() { c.VPCID = r.text() })
	})
	omitted := rec.response == nil
	d.value(rec.response, "responseElements", func(r *reader) {
		r.object(func(key []byte) bool {
			switch string(key) {
			case "groupId":
				c.GroupID = r.text()
			case "omitted":
				omitted, _ = r.boolean()
			default:
				return false
			}
			return true
		})
	})
	if c.GroupID == "" && !omitted {
		d.fail("responseElements.groupId", "is missing")
	}
	if err := d.finish(rec, &c.Record, "", caller); err != nil {
		return Creation{}, err
	}
	return c, nil
}
