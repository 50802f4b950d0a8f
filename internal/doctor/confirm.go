package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"sgward/internal/awscall"
	"sgward/internal/cloudtrail"
	"sgward/internal/ec2rules"
	"sgward/internal/eventhistory"
	"sgward/internal/logline"
	"sgward/internal/metric"
	"sgward/internal/text"
)

// Point is a point of docs/LIMITS.md, "To confirm on live AWS", and an account's answer.
type Point struct {
	Text string // as the page has it
	// Told is set if the account answers the point. Answer is the answer then, and otherwise
	// says how to get one.
	Told   bool
	Answer string
	// Err is why nothing could be read.
	Err error
}

// confirmation is an examination with the data that several points share.
type confirmation struct {
	*examination
	ec2     *ec2.Client
	history map[string][]json.RawMessage // records, by eventName
}

// Confirm answers the points of docs/LIMITS.md as far as the account of a stack shows them,
// and returns the stack's mode. It only reads. The error is that of Examine.
func Confirm(ctx context.Context, cfg Config) (answers []Point, mode string, err error) {
	c := &confirmation{examination: newExamination(cfg), ec2: ec2.NewFromConfig(cfg.AWS), history: map[string][]json.RawMessage{}}
	if err := c.find(ctx); err != nil {
		return nil, "", err
	}
	for _, p := range points {
		answer, told, err := p.ask(c, ctx)
		answers = append(answers, Point{Text: p.text, Told: told && err == nil, Answer: redact(answer), Err: err})
	}
	return answers, c.stack.Outputs["Mode"], ctx.Err()
}

// maxLookups limits the pages of one name: CloudTrail answers two calls a second.
const maxLookups = 4

// recorded returns the latest records of calls of a name.
func (c *confirmation) recorded(ctx context.Context, name string) ([]json.RawMessage, error) {
	if found, ok := c.history[name]; ok {
		return found, nil
	}
	found := []json.RawMessage{}
	query := eventhistory.Query{Name: name, MaxPages: maxLookups}
	err := eventhistory.Read(ctx, eventhistory.NewPatient(c.AWS), query, func(records [][]byte) bool {
		for _, record := range records {
			found = append(found, record)
		}
		return true
	})
	var more *eventhistory.TooManyError
	if err != nil && !errors.As(err, &more) {
		return nil, err
	}
	c.history[name] = found
	return found, nil
}

// record has the members of a CloudTrail record that the points read.
type record struct {
	EventID           string
	EventTime         time.Time
	UserAgent         string
	RequestParameters map[string]json.RawMessage
	ResponseElements  map[string]json.RawMessage
}

// each returns the records of calls of some names, as far as they can be read.
func (c *confirmation) each(ctx context.Context, names ...string) ([]record, error) {
	var out []record
	for _, name := range names {
		found, err := c.recorded(ctx, name)
		if err != nil {
			return nil, err
		}
		for _, data := range found {
			var r record
			if json.Unmarshal(data, &r) == nil {
				out = append(out, r)
			}
		}
	}
	return out, nil
}

// members lists the names of a JSON object's members.
func members(object map[string]json.RawMessage) string {
	return strings.Join(slices.Sorted(maps.Keys(object)), ", ")
}

func (c *confirmation) slackThrottles(ctx context.Context) (string, bool, error) {
	name := c.stack.Ref("SlackFunction")
	if name == "" {
		return "the stack posts to no webhook of Slack", false, nil
	}
	points, err := c.statistics(ctx, "AWS/Lambda", "Throttles", "FunctionName", name, "Sum", 14*24*time.Hour, 24*time.Hour)
	if err != nil {
		return "", false, err
	}
	total := 0.0
	for _, p := range points {
		total += p.Sum
	}
	if total == 0 {
		return "Lambda has not throttled it in 14 days: invoke it twenty times at once", false, nil
	}
	attributes, err := c.attributes(ctx, "DeadLetterQueue")
	if err != nil {
		return "", false, err
	}
	return fmt.Sprintf("throttled %.0f times in 14 days; the dead-letter queue holds %s", total, text.Plural(waiting(attributes), "message")), true, nil
}

func (c *confirmation) restores(ctx context.Context) (string, bool, error) {
	found, err := c.each(ctx, "RestoreManagedPrefixListVersion")
	if err != nil || len(found) == 0 {
		return "no prefix list was restored in 90 days", false, err
	}
	return fmt.Sprintf("a record has requestParameters {%s}, responseElements {%s}", members(found[0].RequestParameters), members(found[0].ResponseElements)), true, nil
}

// lists returns the prefix lists that the account sees.
func (c *confirmation) lists(ctx context.Context) ([]types.ManagedPrefixList, error) {
	var out []types.ManagedPrefixList
	pages := ec2.NewDescribeManagedPrefixListsPaginator(c.ec2, &ec2.DescribeManagedPrefixListsInput{})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		out = append(out, page.PrefixLists...)
	}
	return out, nil
}

func (c *confirmation) sharedLists(ctx context.Context) (string, bool, error) {
	lists, err := c.lists(ctx)
	if err != nil {
		return "", false, err
	}
	for _, l := range lists {
		owner := aws.ToString(l.OwnerId)
		switch {
		case strings.Contains(aws.ToString(l.PrefixListArn), ":"+c.account+":") || owner == c.account, owner == "AWS":
		case owner == "":
			return "no: a list that the account does not own has no OwnerId", true, nil
		default:
			return "yes: the OwnerId of a shared list is the account of its owner", true, nil
		}
	}
	return "no other account shares a prefix list with the account", false, nil
}

// maxListsRead limits the prefix lists whose entries are read.
const maxListsRead = 50

func (c *confirmation) worldEntries(ctx context.Context) (string, bool, error) {
	lists, err := c.lists(ctx)
	if err != nil {
		return "", false, err
	}
	read := 0
	for _, l := range lists {
		if aws.ToString(l.OwnerId) == "AWS" || read == maxListsRead {
			continue
		}
		read++
		entries, err := ec2rules.Entries(ctx, c.ec2, aws.ToString(l.PrefixListId), aws.ToInt64(l.Version))
		if err != nil {
			return "", false, err
		}
		for _, r := range ec2rules.Ranges(entries) {
			if r.Bits() == 0 {
				return "yes: a list has an entry that is all addresses", true, nil
			}
		}
	}
	return fmt.Sprintf("none of %s has it: create one", text.Plural(read, "list")), false, nil
}

func (c *confirmation) trailNeeded(ctx context.Context) (string, bool, error) {
	logs := false
	for _, l := range c.checkTrail(ctx) {
		logs = logs || l.Status == OK || l.Status == Warning
		if l.Err != nil {
			return "", false, l.Err
		}
	}
	line, err := c.last(ctx, c.stack.Ref("DetectLogGroup"), logline.Judged)
	if err != nil {
		return "", false, err
	}
	switch {
	case !logs && line != nil:
		return "no trail logs now, and detect judged an event " + c.ago(line.At) + ": compare that with when the trail ended", true, nil
	case !logs:
		return "no trail logs, and detect has judged no event in 14 days", true, nil
	default:
		return "a trail logs: only without one would it show", false, nil
	}
}

// openings are the calls that OpeningsRule passes on.
func openings() []string { return cloudtrail.Names(cloudtrail.Openings()...) }

func (c *confirmation) ages(ctx context.Context) (string, bool, error) {
	made, err := c.each(ctx, openings()...)
	if err != nil {
		return "", false, err
	}
	called := map[string]time.Time{}
	for _, r := range made {
		called[r.EventID] = r.EventTime
	}
	now := c.Now()
	lines, err := c.lines(ctx, c.stack.Ref("DetectLogGroup"), logline.WhereMessage(logline.Judged), now.Add(-14*24*time.Hour), now.Add(time.Minute))
	if err != nil {
		return "", false, err
	}
	var ages []float64
	for _, l := range lines {
		if judged, ok := logline.ReadJudged(l.Text); ok && !called[judged.EventID].IsZero() {
			ages = append(ages, l.At.Sub(called[judged.EventID]).Seconds())
		}
	}
	if len(ages) == 0 {
		return "no event of the last 14 days is in both CloudTrail's history and detect's log: run the self-test, and ask again 15 minutes later", false, nil
	}
	slices.Sort(ages)
	return fmt.Sprintf("of %s, from the call (whole seconds) to the verdict: %.1f s at least, %.1f s in the middle, %.1f s at most",
		text.Plural(len(ages), "event"), ages[0], ages[len(ages)/2], ages[len(ages)-1]), true, nil
}

func (c *confirmation) omitted(ctx context.Context) (string, bool, error) {
	made, err := c.each(ctx, openings()...)
	for _, r := range made {
		if r.RequestParameters["omitted"] != nil {
			return fmt.Sprintf("a record has requestParameters {%s}, responseElements {%s}", members(r.RequestParameters), members(r.ResponseElements)), true, nil
		}
	}
	return fmt.Sprintf("none of %s has it", text.Plural(len(made), "record")), false, err
}

func (c *confirmation) noSweep(ctx context.Context) (string, bool, error) {
	name := c.stack.Ref("NoSweepAlarm")
	if name == "" {
		return "the stack has no NoSweepAlarm", false, nil
	}
	var out struct {
		Items []struct {
			Type    string    `xml:"HistoryItemType"`
			Summary string    `xml:"HistorySummary"`
			At      time.Time `xml:"Timestamp"`
		} `xml:"AlarmHistoryItems>member"`
	}
	err := c.aws.Query(ctx, awscall.CloudWatch, "DescribeAlarmHistory", url.Values{"AlarmName": {name}, "MaxRecords": {"100"}}, &out)
	if err != nil {
		return "", false, err
	}
	var went, sent int
	for _, item := range out.Items {
		switch {
		case item.Type == "StateUpdate" && strings.Contains(item.Summary, "to INSUFFICIENT_DATA"):
			went++
		case item.Type == "Action" && strings.HasPrefix(item.Summary, "Successfully"):
			sent++
		}
	}
	if went == 0 {
		return "it has not lacked data in the time that CloudWatch remembers", false, nil
	}
	return fmt.Sprintf("it went to INSUFFICIENT_DATA %d times, and took %s", went, text.Plural(sent, "action")), true, nil
}

func (c *confirmation) metrics(ctx context.Context) (string, bool, error) {
	const day = 24 * time.Hour
	points, err := c.statistics(ctx, metric.Namespace, metric.EventAge, metric.StackName, c.stack.Name, "Maximum", 14*day, day)
	if err != nil {
		return "", false, err
	}
	if len(points) == 0 {
		return metric.EventAge + " has no data of the last 14 days: run the self-test with `Metrics=all`, and ask again some minutes later", false, nil
	}
	return fmt.Sprintf("yes: %s has data of %s of the last 14 days", metric.EventAge, text.Plural(len(points), "day")), true, nil
}

func (c *confirmation) taken(ctx context.Context) (string, bool, error) {
	line, err := c.last(ctx, c.stack.Ref("RemediateLogGroup"), logline.AlertPublished)
	if err != nil {
		return "", false, err
	}
	if line == nil {
		return "remediate has published no alert in 14 days: run the self-test", false, nil
	}
	return "yes: remediate published an alert " + c.ago(line.At) + ", under the queue's policy", true, nil
}

func (c *confirmation) records(ctx context.Context) (string, bool, error) {
	if answer, told, err := c.taken(ctx); !told {
		return answer, false, err
	}
	return "as expected: remediate read the Detection in one and published its alert", true, nil
}

func (c *confirmation) tableKey(ctx context.Context) (string, bool, error) {
	if c.stack.Parameters["KmsKeyArn"] == "" {
		return "the stack has no key of yours", false, nil
	}
	return c.remembers(ctx)
}

func (c *confirmation) tablePolicy(ctx context.Context) (string, bool, error) {
	return c.remembers(ctx)
}

// remembers says whether sweep reads and writes its table.
func (c *confirmation) remembers(ctx context.Context) (string, bool, error) {
	swept, err := c.last(ctx, c.stack.Ref("SweepLogGroup"), logline.SweepCompleted)
	if err != nil {
		return "", false, err
	}
	failed, err := c.last(ctx, c.stack.Ref("SweepLogGroup"), logline.MemoryFailed)
	switch {
	case err != nil:
		return "", false, err
	case failed != nil:
		return "no: sweep could not use its table " + c.ago(failed.At), true, nil
	case swept == nil:
		return "no sweep has completed in 14 days", false, nil
	default:
		return "yes: the stack came up, sweeps complete, and none failed on its table in 14 days", true, nil
	}
}

// revokes are the calls that close rules.
func revokes() []string { return cloudtrail.Names(cloudtrail.KindRevoke) }

func (c *confirmation) revokeSets(ctx context.Context) (string, bool, error) {
	made, err := c.each(ctx, revokes()...)
	shapes := map[string]int{}
	for _, r := range made {
		if len(r.ResponseElements) > 0 {
			shapes["{"+members(r.ResponseElements)+"}"]++
		}
	}
	if err != nil || len(shapes) == 0 {
		return "no rule was revoked in 90 days", false, err
	}
	var out []string
	for _, shape := range slices.Sorted(maps.Keys(shapes)) {
		out = append(out, fmt.Sprintf("%s in %d", shape, shapes[shape]))
	}
	return "responseElements of the latest revokes: " + strings.Join(out, "; "), true, nil
}

func (c *confirmation) ownRevokes(ctx context.Context) (string, bool, error) {
	own, marked := 0, 0
	for _, name := range revokes() {
		found, err := c.recorded(ctx, name)
		if err != nil {
			return "", false, err
		}
		for _, data := range found {
			call, err := cloudtrail.Parse(data)
			if err != nil || !strings.Contains(call.Actor.SessionIssuerARN, "RemediateRole") {
				continue
			}
			own++
			if strings.Contains(call.UserAgent, "app/sgward") {
				marked++
			}
		}
	}
	if own == 0 {
		return "the history has no revoke by a RemediateRole", false, nil
	}
	return fmt.Sprintf("yes: %s by a RemediateRole can be read, %d with app/sgward in the user agent", text.Plural(own, "revoke"), marked), true, nil
}

func (c *confirmation) sharedGroups(ctx context.Context) (string, bool, error) {
	pages := ec2.NewDescribeSecurityGroupsPaginator(c.ec2, &ec2.DescribeSecurityGroupsInput{})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return "", false, err
		}
		for _, g := range page.SecurityGroups {
			if owner := aws.ToString(g.OwnerId); owner == c.account || owner == "" || len(g.IpPermissions)+len(g.IpPermissionsEgress) == 0 {
				continue
			}
			rules, err := c.ec2.DescribeSecurityGroupRules(ctx, &ec2.DescribeSecurityGroupRulesInput{Filters: []types.Filter{{Name: aws.String("group-id"), Values: []string{aws.ToString(g.GroupId)}}}})
			if err != nil {
				return "", false, err
			}
			if n := len(rules.SecurityGroupRules); n > 0 {
				return "yes: it lists " + text.Plural(n, "rule") + " of a group that another account owns", true, nil
			}
			return "no: a group that another account owns has rules, and it lists none of them", true, nil
		}
	}
	return "no other account shares a group with the account", false, nil
}
