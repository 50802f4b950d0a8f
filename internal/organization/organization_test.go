package organization_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/organization"
	"sgward/localaws/awswire"
	"sgward/localaws/stsapi"
)

// fake answers for STS and Organizations in one partition. It hands out an access key for each role.
type fake struct {
	partition string
	calls     []string
	throttle  int // answers of ListAccounts before the first good one
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasSuffix(r.Header.Get("X-Amz-Target"), ".ListAccounts") {
		f.listAccounts(w, r)
		return
	}
	if r.FormValue("Action") == "AssumeRole" {
		f.calls = append(f.calls, r.Form.Get("RoleArn")+" "+r.Form.Get("ExternalId")+" "+r.Form.Get("RoleSessionName"))
		_, _ = fmt.Fprintf(w, `<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>of %s</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>`+
			`<Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>`, strings.Split(r.Form.Get("RoleArn"), ":")[4])
		return
	}
	stsapi.Handler(func(*http.Request) stsapi.Caller {
		return stsapi.Caller{Account: "123456789012", ARN: "arn:" + f.partition + ":sts::123456789012:assumed-role/Audit/casey"}
	}).ServeHTTP(w, r)
}

func (f *fake) listAccounts(w http.ResponseWriter, r *http.Request) {
	if f.throttle--; f.throttle >= 0 {
		awswire.WriteError(w, "1.1", http.StatusBadRequest, "TooManyRequestsException", "slower")
		return
	}
	var in struct{ NextToken string }
	_ = json.NewDecoder(r.Body).Decode(&in)
	page := `{"Accounts":[{"Id":"123456789012","Name":"management","Status":"ACTIVE"},{"Id":"111122223333","Name":"payments","State":"ACTIVE"}],"NextToken":"2"}`
	if in.NextToken == "2" {
		page = `{"Accounts":[{"Id":"444455556666","Name":"closed","State":"CLOSED","Status":"ACTIVE"},{"Id":"555566667777","Status":"SUSPENDED"},{"Id":"777788889999","Status":"ACTIVE"}]}`
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	_, _ = w.Write([]byte(page))
}

func open(t *testing.T, f *fake, access organization.Access) *organization.Organization {
	t.Helper()
	web := httptest.NewServer(f)
	t.Cleanup(web.Close)
	org, err := organization.New(t.Context(), aws.Config{
		Region: "us-east-1", BaseEndpoint: &web.URL, HTTPClient: awshttp.NewBuildableClient(),
		Credentials: credentials.NewStaticCredentialsProvider("own", "s", ""),
	}, access)
	require.NoError(t, err)
	return org
}

func TestActiveAccountsOfAllPagesAreListed(t *testing.T) {
	accounts, err := open(t, &fake{partition: "aws", throttle: 2}, organization.Access{Role: "audit"}).Accounts(t.Context())
	require.NoError(t, err)
	assert.Equal(t, []organization.Account{{"123456789012", "management"}, {"111122223333", "payments"}, {ID: "777788889999"}}, accounts)
	assert.Equal(t, "111122223333 (payments)", accounts[1].String())
	assert.Equal(t, "777788889999", accounts[2].String())
}

func TestEachAccountIsCalledWithItsRoleAndTheOwnWithout(t *testing.T) {
	for _, partition := range []string{"aws", "aws-cn", "aws-us-gov"} {
		f := &fake{partition: partition}
		org := open(t, f, organization.Access{Role: "security/audit", ExternalID: "let-me-in", Session: "sgward-test"})
		assert.Equal(t, "123456789012", org.Own)
		for account, key := range map[string]string{"123456789012": "own", "111122223333": "of 111122223333"} {
			for _, region := range []string{"eu-central-1", "us-east-1"} {
				config := org.ConfigFor(organization.Account{ID: account}, region)
				assert.Equal(t, region, config.Region)
				got, err := config.Credentials.Retrieve(t.Context())
				require.NoError(t, err)
				assert.Equal(t, key, got.AccessKeyID)
			}
		}
		assert.Equal(t, []string{"arn:" + partition + ":iam::111122223333:role/security/audit let-me-in sgward-test"}, f.calls, "once for all regions")
	}
}

func TestFilesOfAccounts(t *testing.T) {
	got, err := organization.Read("accounts.txt", strings.NewReader("\ufeff# the organisation\n\n123456789012\n 111122223333  Payments Prod # since May\r\n444455556666,sandbox\n777788889999\tdata;\n"))
	require.NoError(t, err)
	assert.Equal(t, []organization.Account{{ID: "123456789012"}, {"111122223333", "Payments Prod"}, {"444455556666", "sandbox"}, {"777788889999", "data"}}, got)
	for text, want := range map[string]string{
		"123456789012\nacme\n":         `accounts.txt:2: "acme": want an account id of 12 digits`,
		"12345678901\n":                `accounts.txt:1: "12345678901": want an account id`,
		"123456789012\n123456789012 x": "accounts.txt:2: account 123456789012 is in line 1 too",
		"# nothing\n":                  "accounts.txt: names no account",
		strings.Repeat("x", 100_000):   "accounts.txt:1: ",
	} {
		_, err := organization.Read("accounts.txt", strings.NewReader(text))
		assert.ErrorContains(t, err, want)
	}
}
