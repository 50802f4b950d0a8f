package doctor

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/awscall"
	"sgward/internal/policy/document"
	"sgward/internal/policypackage"
	"sgward/internal/sdkhttp"
	"sgward/localaws/eventpattern"
	"sgward/localaws/samtemplate"
)

var now = time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)

// account is an AWS account with one stack, as the APIs that doctor calls show it, in the
// shapes of their references. A test breaks something by changing an answer.
type account struct {
	testing.TB
	url string

	mu sync.Mutex
	// answers are by "service:Operation", or more narrowly by "service:Operation:name". A
	// func([]byte) any makes its answer from the request's body.
	answers map[string]any
	// refused are the operations that the caller may not call.
	refused map[string]bool
	// archives are the functions' zip archives, by name.
	archives map[string][]byte
	ranges   bool          // the archives' server knows ranges
	pause    time.Duration // before each answer
	called   map[string]int
}

type object = map[string]any

// soundAccount is an account in which everything is well.
func soundAccount(t testing.TB) *account {
	t.Helper()
	policy, err := os.ReadFile("../../policy.yaml")
	require.NoError(t, err)
	a := &account{TB: t, answers: map[string]any{}, refused: map[string]bool{}, archives: map[string][]byte{}, ranges: true, called: map[string]int{}}
	web := httptest.NewServer(a)
	t.Cleanup(web.Close)
	a.url = web.URL
	a.set("cloudformation:DescribeStacks", `<Stacks><member><StackId>arn:stack</StackId><StackName>sgward</StackName><StackStatus>UPDATE_COMPLETE</StackStatus>
<CreationTime>2026-10-01T10:00:00Z</CreationTime><LastUpdatedTime>2026-11-01T10:00:00Z</LastUpdatedTime><Outputs>
<member><OutputKey>Mode</OutputKey><OutputValue>enforce</OutputValue></member>
<member><OutputKey>DetectFunctionName</OutputKey><OutputValue>sgward-DetectFunction</OutputValue></member>
<member><OutputKey>DeadLetterQueueUrl</OutputKey><OutputValue>`+a.url+`/123456789012/sgward-DeadLetterQueue</OutputValue></member>
<member><OutputKey>AlertTopicArn</OutputKey><OutputValue>`+topicARN+`</OutputValue></member>
</Outputs><Parameters><member><ParameterKey>SweepSchedule</ParameterKey><ParameterValue>rate(1 hour)</ParameterValue></member></Parameters></member></Stacks>`)
	var resources strings.Builder
	for id, kind := range map[string]string{
		"DetectFunction": "Lambda::Function", "RemediateFunction": "Lambda::Function", "SweepFunction": "Lambda::Function",
		"OpeningsRule": "Events::Rule", "PrefixListRule": "Events::Rule", "UnnamedCallsRule": "Events::Rule", "ScheduleRule": "Events::Rule",
		"MemoryTable": "DynamoDB::Table", "FindingsMapping": "Lambda::EventSourceMapping", "DetectLogGroup": "Logs::LogGroup", "SweepLogGroup": "Logs::LogGroup", "RemediateLogGroup": "Logs::LogGroup",
		"DeadLetterAlarm": "CloudWatch::Alarm", "NoSweepAlarm": "CloudWatch::Alarm", "FindingsQueue": "SQS::Queue", "DeadLetterQueue": "SQS::Queue",
	} {
		physical := "sgward-" + id
		if kind == "SQS::Queue" {
			physical = a.url + "/123456789012/" + physical
		}
		fmt.Fprintf(&resources, "<member><LogicalResourceId>%s</LogicalResourceId><PhysicalResourceId>%s</PhysicalResourceId><ResourceType>AWS::%s</ResourceType><ResourceStatus>CREATE_COMPLETE</ResourceStatus><LastUpdatedTimestamp>%s</LastUpdatedTimestamp></member>", id, physical, kind, resourceChanged)
	}
	a.set("cloudformation:ListStackResources", "<StackResourceSummaries>"+resources.String()+"</StackResourceSummaries>")
	a.set("sts:GetCallerIdentity", "<Account>123456789012</Account><Arn>arn:aws:iam::123456789012:user/alice</Arn><UserId>AIDA</UserId>")

	a.set("cloudtrail:DescribeTrails", object{"trailList": []object{{"Name": "all", "TrailARN": trailARN, "HomeRegion": "us-east-1", "IsMultiRegionTrail": true}}})
	a.set("cloudtrail:GetTrailStatus", object{"IsLogging": true})
	a.set("cloudtrail:GetEventSelectors", object{"EventSelectors": []object{{"ReadWriteType": "All", "IncludeManagementEvents": true}}})

	a.set("events:DescribeRule:sgward-ScheduleRule", object{"State": "ENABLED", "ScheduleExpression": "rate(1 hour)"})
	for id, rule := range template(t).Rules {
		a.set("events:DescribeRule:sgward-"+id, object{"State": "ENABLED", "EventPattern": string(rule.Pattern)})
	}
	a.set("events:TestEventPattern", a.testEventPattern)
	for rule, function := range map[string]string{"OpeningsRule": "Detect", "PrefixListRule": "Sweep", "UnnamedCallsRule": "Sweep", "ScheduleRule": "Sweep"} {
		a.set("events:ListTargetsByRule:sgward-"+rule, targets(function))
	}
	for _, id := range judges {
		name := "sgward-" + id
		a.archives[name] = archiveOf(t, policy, "policy.yaml")
		a.set("lambda:GetFunction:"+name, a.function(name, nil))
	}
	a.mapping(nil)
	a.set("iam:SimulatePrincipalPolicy", a.simulate(nil))
	for _, q := range []string{"FindingsQueue", "DeadLetterQueue"} {
		a.set("sqs:GetQueueAttributes:sgward-"+q, queueOf(q, 0))
	}
	a.set("monitoring:GetMetricStatistics", "<Datapoints></Datapoints>")
	a.set("monitoring:DescribeAlarms", alarmsOf("OK", "OK"))
	a.set("sns:GetTopicAttributes", attributesOf(topicPolicy, ""))
	a.set("sns:ListSubscriptionsByTopic", subscriptionsOf("email", "alice@example.com", topicARN+":1"))
	at := now.Add(-time.Minute).UnixMilli()
	a.set("logs:FilterLogEvents:sgward-DetectLogGroup", object{"events": []object{{"timestamp": at, "message": `{"message":"judged","decision":"none","eventName":"AuthorizeSecurityGroupIngress","groupId":"sg-0123456789abcdef0"}`}}})
	a.set("logs:FilterLogEvents:sgward-SweepLogGroup", object{"events": []object{{"timestamp": at, "message": `{"message":"sweep completed"}`}}})
	return a
}

// template is template.yaml, whose rules the account has.
func template(t testing.TB) *samtemplate.Template {
	t.Helper()
	tmpl, err := samtemplate.Load("../../template.yaml", samtemplate.Options{Region: "us-east-1"})
	require.NoError(t, err)
	return tmpl
}

// mapping sets what Lambda says of the mapping, which is that of template.yaml but for a change.
func (a *account) mapping(change object) {
	var filters []object
	for _, pattern := range template(a.TB).Mappings[0].Filters {
		filters = append(filters, object{"Pattern": string(pattern)})
	}
	require.NotEmpty(a, filters)
	answer := object{"State": "Enabled", "LastProcessingResult": "OK", "EventSourceArn": "arn:aws:sqs:us-east-1:123456789012:sgward-FindingsQueue",
		"FilterCriteria": object{"Filters": filters}}
	maps.Copy(answer, change)
	a.set("lambda:GetEventSourceMapping", answer)
}

// simulate answers the call of SimulatePrincipalPolicy: all is allowed but what denied says, in XML.
func (a *account) simulate(denied map[string]string) func(body []byte) any {
	return func(body []byte) any {
		form, err := url.ParseQuery(string(body))
		assert.NoError(a, err)
		assert.Contains(a, form.Get("PolicySourceArn"), ":role/team/sgward-")
		assert.NotEmpty(a, form.Get("ResourceArns.member.1"))
		assert.NotEmpty(a, form.Get("ContextEntries.member.1.ContextKeyValues.member.1"))
		var b strings.Builder
		for i := 1; form.Get(fmt.Sprintf("ActionNames.member.%d", i)) != ""; i++ {
			action := form.Get(fmt.Sprintf("ActionNames.member.%d", i))
			details, ok := denied[action]
			if !ok {
				details = "<EvalDecision>allowed</EvalDecision>"
			}
			b.WriteString("<member><EvalActionName>" + action + "</EvalActionName>" + details + "</member>")
		}
		return "<EvaluationResults>" + b.String() + "</EvaluationResults>"
	}
}

// testEventPattern answers the call of that name.
func (a *account) testEventPattern(body []byte) any {
	var in struct{ EventPattern, Event string }
	if !assert.NoError(a, json.Unmarshal(body, &in)) {
		return nil
	}
	pattern, err := eventpattern.Compile([]byte(in.EventPattern))
	if !assert.NoError(a, err) {
		return nil
	}
	matches, err := pattern.Matches([]byte(in.Event))
	assert.NoError(a, err)
	return object{"Result": matches}
}

// rulePattern changes the pattern of a rule.
func (a *account) rulePattern(rule, old, changed string) {
	key := "events:DescribeRule:sgward-" + rule
	pattern, _ := a.answers[key].(object)["EventPattern"].(string)
	require.Contains(a, pattern, old)
	a.set(key, object{"State": "ENABLED", "EventPattern": strings.Replace(pattern, old, changed, 1)})
}

// resourceChanged is when CloudFormation was ready with each resource: after the functions'
// own times.
const resourceChanged = "2026-11-01T10:02:05Z"

const (
	topicARN    = "arn:aws:sns:us-east-1:123456789012:sgward-AlertTopic"
	trailARN    = "arn:aws:cloudtrail:us-east-1:123456789012:trail/all"
	topicPolicy = `{"Statement":[{"Effect":"Allow","Principal":{"Service":"cloudwatch.amazonaws.com"},"Action":"sns:Publish"},
{"Effect":"Deny","Principal":"*","Action":"sns:Publish","Condition":{"ArnNotLike":{"aws:PrincipalArn":["arn:aws:iam::123456789012:role/r"]}}}]}`
)

func targets(function string) object {
	return object{"Targets": []object{{"Id": "x", "Arn": "arn:aws:lambda:us-east-1:123456789012:function:sgward-" + function + "Function", "DeadLetterConfig": object{"Arn": "arn:aws:sqs:x"}}}}
}

// disable disables a rule.
func (a *account) disable(rule string) {
	a.answers["events:DescribeRule:sgward-"+rule].(object)["State"] = "DISABLED"
}

// target adds an input to the only target of a rule.
func (a *account) target(rule, function, input string, value any) {
	answer := targets(function)
	answer["Targets"].([]object)[0][input] = value
	a.set("events:ListTargetsByRule:sgward-"+rule, answer)
}

func (a *account) function(name string, change object) object {
	configuration := object{"FunctionName": name, "Role": "arn:aws:iam::123456789012:role/team/" + name, "State": "Active", "LastUpdateStatus": "Successful", "LastModified": "2026-11-01T10:02:00.000+0000",
		"Environment": object{"Variables": object{"MODE": "enforce"}}}
	maps.Copy(configuration, change)
	return object{"Configuration": configuration, "Code": object{"Location": a.url + "/archives/" + name + "?X-Amz-Signature=secret"}}
}

// queueOf returns what SQS says of a queue, of the attributes that are asked for. Without a
// key it has none.
func queueOf(id string, messages int, key ...string) func(body []byte) any {
	attributes := map[string]string{"QueueArn": "arn:aws:sqs:us-east-1:123456789012:sgward-" + id, "ApproximateNumberOfMessages": fmt.Sprint(messages)}
	for _, k := range key {
		attributes["KmsMasterKeyId"] = k
	}
	return func(body []byte) any {
		var in struct{ AttributeNames []string }
		_ = json.Unmarshal(body, &in) // no name asks for nothing
		answer := map[string]string{}
		for _, name := range in.AttributeNames {
			if value, ok := attributes[name]; ok {
				answer[name] = value
			}
		}
		return object{"Attributes": answer}
	}
}

func alarmsOf(deadLetter, noSweep string) string {
	var b strings.Builder
	for name, state := range map[string]string{"DeadLetterAlarm": deadLetter, "NoSweepAlarm": noSweep} {
		fmt.Fprintf(&b, "<member><AlarmName>sgward-%s</AlarmName><StateValue>%s</StateValue><StateReason>because</StateReason><StateUpdatedTimestamp>2026-11-28T11:00:00Z</StateUpdatedTimestamp>"+
			"<ActionsEnabled>true</ActionsEnabled><AlarmActions><member>%s</member></AlarmActions></member>", name, state, topicARN)
	}
	return "<MetricAlarms>" + b.String() + "</MetricAlarms>"
}

func attributesOf(policy, key string) string {
	out := "<Attributes><entry><key>Policy</key><value>" + strings.NewReplacer(`"`, "&quot;").Replace(policy) + "</value></entry>"
	if key != "" {
		out += "<entry><key>KmsMasterKeyId</key><value>" + key + "</value></entry>"
	}
	return out + "</Attributes>"
}

func subscriptionsOf(protocol, endpoint, arn string) string {
	return "<Subscriptions><member><Protocol>" + protocol + "</Protocol><Endpoint>" + endpoint + "</Endpoint><SubscriptionArn>" + arn + "</SubscriptionArn></member></Subscriptions>"
}

// archiveOf is the archive of a function with a policy and, if the policy is sound, its JSON form.
func archiveOf(t testing.TB, policy []byte, name string) []byte {
	t.Helper()
	form, err := policypackage.Form(name, policy)
	if err != nil {
		return archiveWith(t, name, policy)
	}
	return archiveWith(t, name, policy, form)
}

// archiveWith is the archive of a function with a policy and another file as its JSON form.
func archiveWith(t testing.TB, name string, policy []byte, form ...[]byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	binary, err := w.CreateHeader(&zip.FileHeader{Name: "bootstrap", Method: zip.Store})
	require.NoError(t, err)
	_, err = binary.Write(make([]byte, 3<<20))
	require.NoError(t, err)
	for i, content := range append([][]byte{policy}, form...) {
		file, err := w.Create([]string{name, document.JSONName(name)}[i])
		require.NoError(t, err)
		_, err = file.Write(content)
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	return b.Bytes()
}

func (a *account) set(operation string, answer any) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.answers[operation] = answer
}

func (a *account) config() aws.Config {
	return aws.Config{
		Region: "us-east-1", BaseEndpoint: aws.String(a.url), AppID: "sgward", RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider("test", "test", ""), HTTPClient: sdkhttp.Client(http.DefaultClient),
		Retryer: func() aws.Retryer { return aws.NopRetryer{} },
	}
}

// lines examines the account, and returns the lines of a check that are not OK.
func (a *account) lines() (notOK []Line) {
	a.Helper()
	r := Examine(a.Context(), Config{AWS: a.config(), StackName: "sgward", Now: func() time.Time { return now }})
	require.NoError(a, r.Err)
	for _, l := range r.Lines {
		if l.Status != OK {
			notOK = append(notOK, l)
		}
	}
	return notOK
}

// scopeOf returns the region and the service that a request is signed for.
func scopeOf(r *http.Request) (region, service string) {
	scope := strings.Split(r.Header.Get("Authorization"), "/")
	if len(scope) > 3 {
		return scope[2], scope[3]
	}
	return "", ""
}

// regional writes the answers of one region.
type regional struct {
	http.ResponseWriter
	region string
}

func (w regional) Write(answer []byte) (int, error) {
	_, err := w.ResponseWriter.Write(bytes.ReplaceAll(answer, []byte("us-east-1"), []byte(w.region)))
	return len(answer), err
}

// operation names the call in a request, and the thing that it is about.
func operation(r *http.Request, body []byte) (operation, about string) {
	_, service := scopeOf(r)
	var in struct {
		Name, Rule, QueueUrl string
		LookupAttributes     []struct{ AttributeValue string }
		LogGroupName         string `json:"logGroupName"`
	}
	if target := r.Header.Get("X-Amz-Target"); target != "" {
		_ = json.Unmarshal(body, &in)
		about = in.Name + in.Rule + in.LogGroupName + in.QueueUrl[strings.LastIndexByte(in.QueueUrl, '/')+1:]
		for _, l := range in.LookupAttributes {
			about += l.AttributeValue
		}
		return service + ":" + target[strings.LastIndexByte(target, '.')+1:], about
	}
	if action := r.FormValue("Action"); action != "" {
		return service + ":" + action, r.FormValue("MetricName")
	}
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	switch {
	case len(parts) == 3 && parts[1] == "functions":
		return "lambda:GetFunction", parts[2]
	case len(parts) == 3 && parts[1] == "event-source-mappings":
		return "lambda:GetEventSourceMapping", parts[2]
	case len(parts) == 2 && parts[1] == "layers":
		return "lambda:GetLayerVersion", r.URL.Query().Get("Arn")
	}
	return service + ":" + r.URL.Path, ""
}

func (a *account) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if name, ok := strings.CutPrefix(r.URL.Path, "/archives/"); ok {
		a.mu.Lock()
		archive, ranges := a.archives[name], a.ranges
		a.mu.Unlock()
		if !ranges {
			_, _ = w.Write(archive)
			return
		}
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(archive))
		return
	}
	body, _ := io.ReadAll(r.Body)
	r.Body = io.NopCloser(bytes.NewReader(body))
	name, about := operation(r, body)
	a.mu.Lock()
	a.called[name]++
	answer, ok := a.answers[name+":"+about]
	if !ok {
		answer, ok = a.answers[name]
	}
	refused := a.refused[name]
	a.mu.Unlock()
	time.Sleep(a.pause)
	if region, _ := scopeOf(r); region != "" {
		w = regional{w, region}
	}
	if answerTo, isFunc := answer.(func([]byte) any); isFunc {
		answer = answerTo(body)
	}
	_, action, _ := strings.Cut(name, ":")
	isXML := r.Header.Get("X-Amz-Target") == "" && r.Method == http.MethodPost
	code, message := "", ""
	switch {
	case refused:
		code, message = "AccessDenied", "not authorized to perform "+name
	case !ok:
		code, message = "ResourceNotFoundException", "does not exist: "+name+" "+about
	}
	switch {
	case code != "" && isXML:
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprintf(w, "<ErrorResponse><Error><Code>%s</Code><Message>%s</Message></Error></ErrorResponse>", code, message)
	case code != "":
		w.Header().Set("X-Amzn-Errortype", code)
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		w.WriteHeader(http.StatusBadRequest)
		_ = json.NewEncoder(w).Encode(object{"__type": code, "message": message})
	case isXML && strings.HasPrefix(name, "ec2:"):
		fmt.Fprintf(w, "<%sResponse>%s</%sResponse>", action, answer, action)
	case isXML:
		fmt.Fprintf(w, "<%sResponse><%sResult>%s</%sResult></%sResponse>", action, action, answer, action, action)
	default:
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		_ = json.NewEncoder(w).Encode(answer)
	}
}

// operations lists what has been called.
func (a *account) operations() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Sorted(maps.Keys(a.called))
}

func newClient(a *account) *awscall.Client { return awscall.New(a.config()) }

// archiveFirst is an archive whose policy comes before a binary that is larger than the
// tail.
func archiveFirst(t *testing.T, policy []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	form, err := policypackage.Form("policy.yaml", policy)
	require.NoError(t, err)
	for name, content := range map[string][]byte{"policy.yaml": policy, "policy.yaml.json": form} {
		file, err := w.Create(name)
		require.NoError(t, err)
		_, err = file.Write(content)
		require.NoError(t, err)
	}
	binary, err := w.CreateHeader(&zip.FileHeader{Name: "zbootstrap", Method: zip.Store})
	require.NoError(t, err)
	_, err = binary.Write(make([]byte, 3<<20))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return b.Bytes()
}
