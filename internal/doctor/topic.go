package doctor

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"

	"sgward/internal/awscall"
	"sgward/internal/awsid"
	"sgward/internal/sqs"
	"sgward/internal/text"
)

// statement is a statement of a resource policy, as far as doctor reads it.
type statement struct {
	Sid       string
	Effect    string
	Principal principal
	Action    texts
	Condition map[string]any
}

// principal is the principal of a statement: by kind, such as Service.
type principal map[string]texts

func (p *principal) UnmarshalJSON(data []byte) error {
	var all string
	if json.Unmarshal(data, &all) == nil {
		*p = principal{all: {all}}
		return nil
	}
	return json.Unmarshal(data, (*map[string]texts)(p))
}

// names reports whether a statement's principal is a service, or everybody.
func (s statement) names(service string) bool {
	return slices.Contains(s.Principal["Service"], service) || s.Principal["*"] != nil || slices.Contains(s.Principal["AWS"], "*")
}

// covers reports whether an action such as "kms:Decrypt" is among the statement's.
func (s statement) covers(action string) bool {
	return slices.ContainsFunc(s.Action, func(pattern string) bool {
		prefix, open := strings.CutSuffix(pattern, "*")
		if open {
			return len(action) >= len(prefix) && strings.EqualFold(action[:len(prefix)], prefix)
		}
		return strings.EqualFold(action, pattern)
	})
}

// readPolicy reads the statements of a resource policy.
func readPolicy(document string) ([]statement, error) {
	var one struct{ Statement statement }
	if json.Unmarshal([]byte(document), &one) == nil {
		return []statement{one.Statement}, nil
	}
	var p struct{ Statement []statement }
	if err := json.Unmarshal([]byte(document), &p); err != nil {
		return nil, fmt.Errorf("reading a policy: %w", err)
	}
	return p.Statement, nil
}

// allows reports whether a policy lets a service do something. Conditions are not read.
func allows(statements []statement, service, action string) bool {
	return slices.ContainsFunc(statements, func(s statement) bool {
		return s.Effect == "Allow" && s.names(service) && s.covers(action)
	})
}

const alarmsService = "cloudwatch.amazonaws.com"

func (x *examination) checkTopic(ctx context.Context) []Line {
	if x.topicARN == "" {
		return []Line{failure(deploy, "the stack has no alert topic")}
	}
	if topic, ok := awsid.ParseARN(x.topicARN); ok && topic.Region != x.region {
		return []Line{failure("deploy again with an AlertTopicArn of "+x.region, "the alert topic is in %s: SNS takes no alert of another region, and alarms neither", topic.Region)}
	}
	out, err := x.sns.GetTopicAttributes(ctx, &sns.GetTopicAttributesInput{TopicArn: aws.String(x.topicARN)})
	switch {
	case missing(err):
		return []Line{failure(deploy, "the alert topic %s is gone: alerts are not sent", x.topicARN)}
	case err != nil:
		return []Line{unknown(err, "who may publish to the alert topic")}
	}
	statements, err := readPolicy(out.Attributes["Policy"])
	if err != nil {
		return []Line{unknown(err, "who may publish to the alert topic")}
	}
	var lines []Line
	// The topic of alerts.yaml takes no alarms: they have their own.
	ownAlarmTopic := x.stack.Parameters["AlarmTopicArn"] != "" || x.stack.Parameters["AlarmTopicName"] != ""
	if !ownAlarmTopic && !allows(statements, alarmsService, "sns:Publish") {
		lines = append(lines, warning("give the topic the statement AlarmsPublish of docs/OPERATIONS.md", "its policy does not let CloudWatch publish: alarms are silent"))
	}
	guarded := slices.ContainsFunc(statements, func(s statement) bool {
		return s.Effect == "Deny" && s.covers("sns:Publish") && s.Condition["ArnNotLike"] != nil
	})
	if !guarded {
		lines = append(lines, warning("give the topic the statement OnlySgwardAndAlarmsPublish of docs/OPERATIONS.md", "any principal with sns:Publish in its own permissions can send a forged alert"))
	}
	if len(lines) == 0 {
		lines = append(lines, ok("only alerts and alarms may publish"))
	}
	return lines
}

// chatEndpoint is in the address with which Amazon Q Developer in chat applications subscribes.
const chatEndpoint = "sns-api.chatbot."

const (
	webhook = "the webhook of Slack"
	outlets = "the outlets for machines"
)

// subscribers are the functions of the stack that subscribe to the topic, where it has them.
var subscribers = []struct{ id, shown, reaches string }{
	{slackFunction, webhook, "Slack"},
	{outletsFunction, outlets, "EventBridge and Security Hub"},
}

func (x *examination) checkSubscribers(ctx context.Context) []Line {
	if x.topicARN == "" {
		return []Line{failure(deploy, "without a topic alerts are not sent")}
	}
	counts := map[string]int{}
	var pending []string
	chat := false
	subscribed := map[string]bool{} // functions of the stack, by their logical ids
	pages := sns.NewListSubscriptionsByTopicPaginator(x.sns, &sns.ListSubscriptionsByTopicInput{TopicArn: aws.String(x.topicARN)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return []Line{unknown(err, "who receives alerts")}
		}
		for _, s := range page.Subscriptions {
			protocol, endpoint := aws.ToString(s.Protocol), aws.ToString(s.Endpoint)
			if !strings.HasPrefix(aws.ToString(s.SubscriptionArn), "arn:") { // PendingConfirmation, Deleted
				pending = append(pending, protocol+" "+endpoint)
				continue
			}
			switch {
			case strings.Contains(endpoint, chatEndpoint):
				chat = true
				protocol = "chat"
			case protocol == "lambda":
				for _, f := range subscribers {
					if name := x.stack.Ref(f.id); name != "" && strings.HasSuffix(endpoint, ":function:"+name) {
						subscribed[f.id], protocol = true, f.shown
					}
				}
			}
			counts[protocol]++
		}
	}
	var lines []Line
	if len(pending) > 0 {
		lines = append(lines, warning("open the message of AWS and confirm; it may be in the spam", "not confirmed: %s", strings.Join(pending, ", ")))
	}
	if !chat && (x.stack.Ref("SlackChannel") != "" || x.stack.Ref("TeamsChannel") != "") {
		lines = append(lines, failure("docs/SLACK.md; then "+deploy, "Amazon Q Developer does not subscribe to the topic: nothing reaches the channel"))
	}
	for _, f := range subscribers {
		if !subscribed[f.id] && x.stack.Ref(f.id) != "" {
			lines = append(lines, failure(deploy, "%s does not subscribe to the topic: nothing reaches %s", f.id, f.reaches))
		}
	}
	machines := counts[outlets]
	delete(counts, outlets)
	if len(counts) == 0 {
		subscribe := x.command("sns subscribe --topic-arn %s --protocol email --notification-endpoint YOU@example.com", x.topicARN)
		return append(lines, failure(subscribe, "the topic has no subscription: alerts and alarms are not delivered"))
	}
	var parts []string
	for _, protocol := range []string{"email", "email-json", "chat", webhook, "lambda", "sqs", "https", "http", "sms", "firehose", "application"} {
		if n := counts[protocol]; n > 0 {
			parts = append(parts, fmt.Sprintf("%s (%d)", protocol, n))
		}
	}
	if machines > 0 {
		parts = append(parts, outlets)
	}
	return append(lines, ok("alerts go to %s", strings.Join(parts, ", ")))
}

// checkKeys looks at the keys of the topic and the queues.
func (x *examination) checkKeys(ctx context.Context) []Line {
	var lines []Line
	users := map[string][]string{} // what each key encrypts
	var order []string
	use := func(key, what string) {
		if key == "" {
			return
		}
		if users[key] == nil {
			order = append(order, key)
		}
		users[key] = append(users[key], what)
	}
	if x.topicARN != "" {
		out, err := x.sns.GetTopicAttributes(ctx, &sns.GetTopicAttributesInput{TopicArn: aws.String(x.topicARN)})
		switch {
		case err == nil:
			use(out.Attributes["KmsMasterKeyId"], "the topic")
		case !missing(err):
			lines = append(lines, unknown(err, "the topic's key"))
		}
	}
	for _, q := range []string{"FindingsQueue", "DeadLetterQueue"} {
		attributes, err := x.attributes(ctx, q)
		switch {
		case err == nil:
			use(attributes[sqs.KeyID], q)
		case !missing(err):
			lines = append(lines, unknown(err, "the key of %s", q))
		}
	}
	for _, key := range order {
		lines = append(lines, x.examineKey(ctx, key, strings.Join(users[key], ", "))...)
	}
	if len(lines) == 0 {
		lines = append(lines, ok("AWS's own keys encrypt the queues; the topic has none"))
	}
	return lines
}

// examineKey checks whether a key's policy lets those use it who need it.
func (x *examination) examineKey(ctx context.Context, key, what string) []Line {
	if strings.HasPrefix(key, "alias/aws/") {
		if strings.Contains(what, "the topic") {
			return []Line{failure("deploy again with KmsKeyArn, or encrypt the topic with no key", "%s encrypts %s: CloudWatch cannot use it, and alarms are silent", key, what)}
		}
		return []Line{ok("%s encrypts %s", key, what)}
	}
	var described struct {
		KeyMetadata struct{ Arn, KeyState, KeyManager string }
	}
	if err := x.aws.JSON(ctx, awscall.KMS, "DescribeKey", map[string]any{"KeyId": key}, &described); err != nil {
		return []Line{unknown(err, "whether the key of %s works", what)}
	}
	if state := described.KeyMetadata.KeyState; state != "Enabled" {
		return []Line{failure(x.command("kms enable-key --key-id %s", key), "the key of %s is %s: no message passes", what, state)}
	}
	var out struct{ Policy string }
	if err := x.aws.JSON(ctx, awscall.KMS, "GetKeyPolicy", map[string]any{"KeyId": described.KeyMetadata.Arn, "PolicyName": "default"}, &out); err != nil {
		return []Line{unknown(err, "who may use the key of %s", what)}
	}
	statements, err := readPolicy(out.Policy)
	if err != nil {
		return []Line{unknown(err, "who may use the key of %s", what)}
	}
	var lines []Line
	for _, need := range []struct{ service, of, loss string }{
		{"events.amazonaws.com", "DeadLetterQueue", "events that cannot be delivered are lost"},
		{alarmsService, "the topic", "alarms are silent"},
	} {
		if !strings.Contains(what, need.of) {
			continue
		}
		for _, action := range []string{"kms:GenerateDataKey", "kms:Decrypt"} {
			if !allows(statements, need.service, action) {
				lines = append(lines, failure("let "+need.service+" use kms:GenerateDataKey* and kms:Decrypt in the key's policy", "the key's policy does not let %s use %s: %s", need.service, action, need.loss))
			}
		}
	}
	delegates := slices.ContainsFunc(statements, func(s statement) bool {
		return s.Effect == "Allow" && s.covers("kms:Decrypt") && slices.ContainsFunc(s.Principal["AWS"], func(p string) bool {
			return p == "*" || p == x.account || strings.HasSuffix(p, ":iam::"+x.account+":root")
		})
	})
	if !delegates {
		lines = append(lines, warning("let the account's root principal use the key, or name the stack's roles in its policy", "the key's policy does not delegate to IAM: the functions may not be able to read their messages"))
	}
	if len(lines) == 0 {
		lines = append(lines, ok("the key of %s is enabled, and its policy lets those use it who need it (conditions are not read)", text.Visible(what)))
	}
	return lines
}
