package doctor

import (
	"context"
	"slices"
	"strings"

	"sgward/internal/awscall"
	"sgward/internal/cloudtrail"
)

const createTrail = "aws cloudtrail create-trail --name management-events --s3-bucket-name YOUR-BUCKET --is-multi-region-trail && " +
	"aws cloudtrail start-logging --name management-events"

// Answers of CloudTrail
// (https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_Operations.html).
type (
	trail struct {
		Name, HomeRegion                        string
		ARN                                     string `json:"TrailARN"`
		IsMultiRegionTrail, IsOrganizationTrail bool
	}
	eventSelectors struct {
		EventSelectors []struct {
			IncludeManagementEvents *bool // nil is true
			ReadWriteType           string
		}
		AdvancedEventSelectors []advancedSelector
	}
	advancedSelector struct{ FieldSelectors []fieldSelector }
	fieldSelector    struct {
		Field                                                               string
		Equals, StartsWith, EndsWith, NotEquals, NotStartsWith, NotEndsWith []string
	}
)

// askTrails calls CloudTrail in a region.
func (x *examination) askTrails(ctx context.Context, region, operation string, in map[string]string, out any) error {
	there := x.AWS.Copy()
	there.Region = region
	return awscall.New(there).JSON(ctx, awscall.CloudTrail, operation, in, out)
}

// checkTrail looks for a trail that logs writing management events of the region: without
// one EventBridge gets no event of a call.
func (x *examination) checkTrail(ctx context.Context) []Line {
	var out struct {
		Trails []trail `json:"trailList"`
	}
	if err := x.askTrails(ctx, x.region, "DescribeTrails", map[string]string{}, &out); err != nil {
		return []Line{unknown(err, "whether a trail logs management events")}
	}
	var worse []Line
	for _, t := range out.Trails {
		if !t.IsMultiRegionTrail && t.HomeRegion != x.region {
			continue
		}
		l := x.examineTrail(ctx, t)
		if l.Status == OK {
			return []Line{l}
		}
		worse = append(worse, l)
	}
	if len(worse) == 0 {
		return []Line{failure(createTrail, "no trail logs this region: no event reaches EventBridge, and openings are only found by the hourly sweep")}
	}
	return worse
}

// examineTrail checks that one trail that covers the region logs writing management events.
func (x *examination) examineTrail(ctx context.Context, t trail) Line {
	what := "trail " + t.Name
	if t.IsOrganizationTrail {
		what = "the organization's trail " + t.Name
	}
	in := " --region " + t.HomeRegion
	var status struct {
		IsLogging           bool
		LatestDeliveryError string
	}
	if err := x.askTrails(ctx, t.HomeRegion, "GetTrailStatus", map[string]string{"Name": t.ARN}, &status); err != nil {
		return unknown(err, "whether %s logs", what)
	}
	if !status.IsLogging {
		return failure("aws cloudtrail start-logging --name "+t.ARN+in, "%s is stopped", what)
	}
	var selectors eventSelectors
	if err := x.askTrails(ctx, t.HomeRegion, "GetEventSelectors", map[string]string{"TrailName": t.ARN}, &selectors); err != nil {
		return unknown(err, "whether %s, which logs, includes management events", what)
	}
	covers, without := selected(selectors)
	fix := "aws cloudtrail get-event-selectors --trail-name " + t.ARN + in + "   # then add management events of type All or WriteOnly with put-event-selectors"
	switch {
	case !covers:
		return failure(fix, "%s logs no management events that write", what)
	case without != "":
		return warning(fix, "%s logs some management events only, chosen by %s", what, without)
	}
	if problem := status.LatestDeliveryError; problem != "" {
		return warning("aws cloudtrail get-trail-status --name "+t.ARN+in, "%s logs management events that write, but cannot deliver to its bucket (%s)", what, problem)
	}
	return ok("%s logs management events that write", what)
}

// selected says whether selectors include the calls that open groups, and by which field
// some of them may be left out.
func selected(s eventSelectors) (covers bool, without string) {
	for _, e := range s.EventSelectors {
		if (e.IncludeManagementEvents == nil || *e.IncludeManagementEvents) && e.ReadWriteType != "ReadOnly" {
			return true, "" // ExcludeManagementEventSources takes KMS and RDS Data only
		}
	}
	for _, a := range s.AdvancedEventSelectors {
		management, all, narrowed := advanced(a)
		if !management {
			continue
		}
		covers = covers || all || narrowed != ""
		if all && narrowed == "" {
			return true, ""
		}
		if narrowed != "" {
			without = narrowed
		}
	}
	return covers, without
}

// advanced says whether an advanced selector is about management events, whether it takes
// calls that write to EC2, and the field by which it may leave some out.
func advanced(a advancedSelector) (management, writes bool, narrowed string) {
	writes = true
	for _, f := range a.FieldSelectors {
		switch f.Field {
		case "eventCategory":
			management = slices.Contains(f.Equals, "Management")
		case "readOnly":
			writes = writes && !slices.Contains(f.Equals, "true")
		case "eventSource":
			if !passes(f, "ec2.amazonaws.com") {
				writes = false
			}
		case "eventName":
			passed := 0
			names := cloudtrail.Names(cloudtrail.Openings()...)
			for _, name := range names {
				if passes(f, name) {
					passed++
				}
			}
			switch passed {
			case len(names):
			case 0:
				writes = false
			default:
				narrowed = f.Field
			}
		default:
			narrowed = f.Field
		}
	}
	if !writes {
		narrowed = ""
	}
	return management, writes, narrowed
}

// passes reports whether a field selector takes a value.
func passes(f fieldSelector, value string) bool {
	begins := func(p string) bool { return strings.HasPrefix(value, p) }
	ends := func(p string) bool { return strings.HasSuffix(value, p) }
	if slices.Contains(f.NotEquals, value) || slices.ContainsFunc(f.NotStartsWith, begins) || slices.ContainsFunc(f.NotEndsWith, ends) {
		return false
	}
	return len(f.Equals)+len(f.StartsWith)+len(f.EndsWith) == 0 ||
		slices.Contains(f.Equals, value) || slices.ContainsFunc(f.StartsWith, begins) || slices.ContainsFunc(f.EndsWith, ends)
}
