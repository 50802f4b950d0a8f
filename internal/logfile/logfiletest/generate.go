// Package logfiletest generates CloudTrail log files for tests and measurements, with the
// size, mixture of calls and entropy of real ones, so that they compress as well (8 to 12
// times).
package logfiletest

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// Generator generates records, each 20 to 800 milliseconds after the one before. The same
// seed gives the same records.
type Generator struct {
	rand *rand.Rand
	now  time.Time
	// AuthorizeEvery is the average number of records for each Authorize call. New sets
	// 1,000. The first and every fourth of those calls open MySQL to the world: Opened
	// counts them.
	AuthorizeEvery int
	Opened         int
	authorized     int
	roles          []string
	principals     []string   // of the roles
	sessions       [80]string // userIdentity of each
	addresses      []string
}

// New returns a Generator whose first record is of 2026-11-03.
func New(seed uint64) *Generator {
	g := &Generator{
		rand:           rand.New(rand.NewPCG(seed, seed)), //nolint:gosec // reproducible, and no secret
		now:            time.Date(2026, 11, 3, 0, 0, 0, 0, time.UTC),
		AuthorizeEvery: 1000,
	}
	for _, name := range []string{"deploy", "ci-runner", "data-pipeline", "web-frontend", "billing-export", "ops-admin", "backup",
		"eks-node-group", "metrics-agent", "image-builder", "search-indexer", "payments-api", "report-worker", "security-audit"} {
		g.roles = append(g.roles, name+"-"+g.id(4))
		g.principals = append(g.principals, "AROA"+g.of(upperIDs, 17))
	}
	for range 60 {
		g.addresses = append(g.addresses, fmt.Sprintf("10.%d.%d.%d", g.rand.IntN(8), g.rand.IntN(256), g.rand.IntN(256)))
	}
	g.addresses = append(g.addresses, "203.0.113.7", "198.51.100.7", "AWS Internal", "ec2.amazonaws.com", "lambda.amazonaws.com")
	return g
}

const (
	digits   = "0123456789"
	lowerHex = "0123456789abcdef"
	upperIDs = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
	letters  = "abcdefghijklmnopqrstuvwxyz0123456789"
)

// of returns n characters of an alphabet.
func (g *Generator) of(alphabet string, n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = alphabet[g.rand.IntN(len(alphabet))]
	}
	return string(b)
}

func (g *Generator) id(n int) string { return g.of(lowerHex, n) }

func (g *Generator) uuid() string {
	return g.id(8) + "-" + g.id(4) + "-4" + g.id(3) + "-a" + g.id(3) + "-" + g.id(12)
}

func (g *Generator) pick(from []string) string { return from[g.rand.IntN(len(from))] }

// call is one kind of record. Its parameters and response are formats in which $8, $17 and
// so on stand for that many hex digits, $U for 16 of an id and $b for a name.
type call struct {
	source, name, request, response string
	share                           int // of the records, out of the sum of all
	readOnly                        bool
}

const region = "eu-central-1"

func calls() []call {
	return []call{
		{"sts.amazonaws.com", "AssumeRole", `{"roleArn":"arn:aws:iam::123456789012:role/$b","roleSessionName":"$b-$8","durationSeconds":3600,"externalId":"$17"}`,
			`{"credentials":{"accessKeyId":"ASIA$U","sessionToken":"$96","expiration":"Nov 3, 2026, 10:15:42 AM"},"assumedRoleUser":{"assumedRoleId":"AROA$U:$b-$8","arn":"arn:aws:sts::123456789012:assumed-role/$b/$b-$8"}}`, 260, true},
		{"kms.amazonaws.com", "Decrypt", `{"encryptionAlgorithm":"SYMMETRIC_DEFAULT","encryptionContext":{"aws:s3:arn":"arn:aws:s3:::$b-data/$b/$8"}}`, `null`, 220, true},
		{"kms.amazonaws.com", "GenerateDataKey", `{"keyId":"arn:aws:kms:eu-central-1:123456789012:key/$32","keySpec":"AES_256","encryptionContext":{"PARAMETER_ARN":"arn:aws:ssm:eu-central-1:123456789012:parameter/$b/$b"}}`, `null`, 90, true},
		{"ec2.amazonaws.com", "DescribeInstances", `{"instancesSet":{"items":[{"instanceId":"i-0$16"}]},"filterSet":{}}`, `null`, 110, true},
		{"ec2.amazonaws.com", "DescribeSecurityGroups", `{"securityGroupSet":{},"securityGroupIdSet":{"items":[{"groupId":"sg-0$16"}]},"filterSet":{}}`, `null`, 40, true},
		{"ec2.amazonaws.com", "DescribeNetworkInterfaces", `{"networkInterfaceIdSet":{},"filterSet":{"items":[{"name":"description","valueSet":{"items":[{"value":"$b"}]}}]}}`, `null`, 40, true},
		{"logs.amazonaws.com", "CreateLogStream", `{"logGroupName":"/aws/lambda/$b","logStreamName":"2026/11/03/[$LATEST]$32"}`, `null`, 90, false},
		{"s3.amazonaws.com", "GetBucketAcl", `{"bucketName":"$b-logs","Host":"$b-logs.s3.eu-central-1.amazonaws.com","acl":""}`, `null`, 60, true},
		{"s3.amazonaws.com", "PutBucketPolicy", `{"bucketName":"$b-data","bucketPolicy":{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:role/$b"},"Action":["s3:GetObject"],"Resource":"arn:aws:s3:::$b-data/*"}]},"Host":"s3.amazonaws.com"}`, `null`, 3, false},
		{"iam.amazonaws.com", "PutRolePolicy", `{"roleName":"$b","policyName":"inline-$8","policyDocument":"{\n  \"Version\": \"2012-10-17\",\n  \"Statement\": [{\"Effect\": \"Allow\", \"Action\": [\"sqs:SendMessage\"], \"Resource\": \"arn:aws:sqs:eu-central-1:123456789012:$b\"}]\n}"}`, `null`, 6, false},
		{"dynamodb.amazonaws.com", "DescribeTable", `{"tableName":"$b-$4"}`, `null`, 50, true},
		{"lambda.amazonaws.com", "GetFunction20150331v2", `{"functionName":"$b"}`, `null`, 30, true},
		{"elasticloadbalancing.amazonaws.com", "DescribeTargetHealth", `{"targetGroupArn":"arn:aws:elasticloadbalancing:eu-central-1:123456789012:targetgroup/$b/$16"}`, `null`, 40, true},
		{"ecs.amazonaws.com", "SubmitTaskStateChange", `{"cluster":"$b","task":"arn:aws:ecs:eu-central-1:123456789012:task/$b/$32","status":"RUNNING"}`, `{"acknowledgment":"ACK"}`, 40, false},
		{"ec2.amazonaws.com", "CreateTags", `{"resourcesSet":{"items":[{"resourceId":"vol-0$16"}]},"tagSet":{"items":[{"key":"Name","value":"$b"},{"key":"owner","value":"$b"}]}}`, `{"requestId":"$32","_return":true}`, 10, false},
		{"monitoring.amazonaws.com", "DescribeAlarms", `{"alarmNamePrefix":"$b","maxRecords":100}`, `null`, 40, true},
	}
}

// authorize is a call that opens a database to the world, or another port to a partner.
func (g *Generator) authorize() call {
	group, port, cidr := "sg-0"+g.id(16), strconv.Itoa(1024+g.rand.IntN(60000)), "203.0.113.0/24"
	if g.authorized++; g.authorized%4 == 1 {
		port, cidr = "3306", "0.0.0.0/0"
		g.Opened++
	}
	return call{"ec2.amazonaws.com", "AuthorizeSecurityGroupIngress",
		`{"groupId":"` + group + `","ipPermissions":{"items":[{"ipProtocol":"tcp","fromPort":` + port + `,"toPort":` + port +
			`,"groups":{},"ipRanges":{"items":[{"cidrIp":"` + cidr + `","description":"$b"}]},"ipv6Ranges":{},"prefixListIds":{}}]}}`,
		`{"requestId":"$32","_return":true,"securityGroupRuleSet":{"items":[{"groupOwnerId":"123456789012","groupId":"` + group +
			`","securityGroupRuleId":"sgr-0$16","isEgress":false,"ipProtocol":"tcp","fromPort":` + port + `,"toPort":` + port + `,"cidrIpv4":"` + cidr + `","description":"$b"}]}}`,
		0, false}
}

// fill writes a format of a call.
func (g *Generator) fill(b []byte, format string) []byte {
	for i := 0; i < len(format); i++ {
		if format[i] != '$' || i+1 == len(format) {
			b = append(b, format[i])
			continue
		}
		end := i + 1
		for end < len(format) && '0' <= format[end] && format[end] <= '9' {
			end++
		}
		switch next := format[i+1]; {
		case end > i+1:
			n, _ := strconv.Atoi(format[i+1 : end])
			b = append(b, g.id(n)...)
			i = end - 1
		case next == 'b':
			b = append(b, g.pick(g.roles)...)
			i++
		case next == 'U':
			b = append(b, g.of(upperIDs, 16)...)
			i++
		default:
			b = append(b, '$')
		}
	}
	return b
}

// Record appends one record.
func (g *Generator) Record(b []byte) []byte {
	g.now = g.now.Add(time.Duration(20+g.rand.IntN(780)) * time.Millisecond)
	c, at := g.next(), g.now.Format(time.RFC3339)
	b = append(b, `{"eventVersion":"1.11","userIdentity":`...)
	if g.rand.IntN(100) < 15 {
		b = append(b, `{"type":"AWSService","invokedBy":"`+g.pick([]string{"lambda", "ecs-tasks", "cloudtrail", "autoscaling"})+`.amazonaws.com"}`...)
	} else {
		b = append(b, g.caller()...)
	}
	b = append(b, `,"eventTime":"`+at+`","eventSource":"`+c.source+`","eventName":"`+c.name+`","awsRegion":"`+region+`","sourceIPAddress":"`+g.pick(g.addresses)+
		`","userAgent":"`+g.pick(userAgents())+`","requestParameters":`...)
	b = g.fill(b, c.request)
	b = append(b, `,"responseElements":`...)
	b = g.fill(b, c.response)
	b = append(b, `,"requestID":"`+g.uuid()+`","eventID":"`+g.uuid()+`","readOnly":`+strconv.FormatBool(c.readOnly)+
		`,"eventType":"AwsApiCall","managementEvent":true,"recipientAccountId":"123456789012","eventCategory":"Management"`...)
	if g.rand.IntN(2) == 0 {
		b = append(b, `,"tlsDetails":{"tlsVersion":"TLSv1.3","cipherSuite":"TLS_AES_128_GCM_SHA256","clientProvidedHostHeader":"`+c.source[:len(c.source)-len("amazonaws.com")]+region+`.amazonaws.com"}`...)
	}
	return append(b, '}')
}

// caller returns the userIdentity of one of the running sessions of roles. Now and then
// one of them has ended, and another began.
func (g *Generator) caller() string {
	i := g.rand.IntN(len(g.sessions))
	if g.sessions[i] == "" || g.rand.IntN(20) == 0 {
		n := g.rand.IntN(len(g.roles))
		role, principal := g.roles[n], g.principals[n]
		name := g.pick([]string{"i-0" + g.id(16), "aws-sdk-" + g.of(digits, 13), role + "-" + g.id(8), "jane.doe@example.com"})
		g.sessions[i] = `{"type":"AssumedRole","principalId":"` + principal + `:` + name + `","arn":"arn:aws:sts::123456789012:assumed-role/` + role + `/` + name +
			`","accountId":"123456789012","accessKeyId":"ASIA` + g.of(upperIDs, 16) + `","sessionContext":{"sessionIssuer":{"type":"Role","principalId":"` + principal +
			`","arn":"arn:aws:iam::123456789012:role/` + role + `","accountId":"123456789012","userName":"` + role +
			`"},"attributes":{"creationDate":"` + g.now.Format(time.RFC3339) + `","mfaAuthenticated":"false"}}}`
	}
	return g.sessions[i]
}

func (g *Generator) next() call {
	if g.rand.IntN(g.AuthorizeEvery) == 0 {
		return g.authorize()
	}
	all, sum := calls(), 0
	for _, c := range all {
		sum += c.share
	}
	for left := g.rand.IntN(sum); ; all = all[1:] {
		if left -= all[0].share; left < 0 {
			return all[0]
		}
	}
}

func userAgents() []string {
	return []string{
		"aws-sdk-go-v2/1.30.3 ua/2.0 os/linux lang/go#1.22.5 md/GOOS#linux md/GOARCH#arm64 api/sts#1.30.3",
		"Boto3/1.34.11 md/Botocore#1.34.11 ua/2.0 os/linux#5.10 md/arch#x86_64 lang/python#3.12.1 exec-env/AWS_Lambda_python3.12 cfg/retry-mode#legacy Botocore/1.34.11",
		"aws-cli/2.17.20 md/awscrt#0.21.2 ua/2.0 os/linux#6.1 md/arch#x86_64 lang/python#3.11.9 cfg/retry-mode#standard md/command#ec2.describe-instances",
		"APN/1.0 HashiCorp/1.0 Terraform/1.9.2 (+https://www.terraform.io) terraform-provider-aws/5.60.0",
		"aws-sdk-java/2.26.21 Linux/5.10.219 OpenJDK_64-Bit_Server_VM/21.0.3+9-LTS Java/21.0.3 vendor/Amazon.com_Inc.",
		"AWS Internal", "lambda.amazonaws.com", "kubelet/v1.30.2 (linux/amd64) kubernetes/1a2b3c4",
	}
}

// File returns a log file of n records, as CloudTrail writes it but for gzip.
func (g *Generator) File(n int) []byte {
	b := []byte(`{"Records":[`)
	for i := range n {
		if i > 0 {
			b = append(b, ',')
		}
		b = g.Record(b)
	}
	return append(b, `]}`...)
}

// Compress returns data gzipped.
func Compress(data []byte) []byte {
	var z bytes.Buffer
	w := gzip.NewWriter(&z)
	_, _ = w.Write(data) // a Buffer takes everything
	_ = w.Close()
	return z.Bytes()
}

// WriteHistory writes files of n records each below a folder, laid out as CloudTrail
// does it in S3. It returns how many bytes of JSON they hold, and of gzip.
func (g *Generator) WriteHistory(folder string, files, n int) (text, compressed int64, err error) {
	for range files {
		data := g.File(n)
		z := Compress(data)
		day := filepath.Join(folder, "AWSLogs", "123456789012", "CloudTrail", region, g.now.Format("2006/01/02"))
		if err := os.MkdirAll(day, 0o750); err != nil {
			return 0, 0, fmt.Errorf("making a folder of logs: %w", err)
		}
		name := "123456789012_CloudTrail_" + region + "_" + g.now.Format("20060102T1504Z") + "_" + g.of(letters, 16) + ".json.gz"
		if err := os.WriteFile(filepath.Join(day, name), z, 0o600); err != nil {
			return 0, 0, fmt.Errorf("writing a log file: %w", err)
		}
		text, compressed = text+int64(len(data)), compressed+int64(len(z))
	}
	return text, compressed, nil
}
