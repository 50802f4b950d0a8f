package table_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/awscall"
	"sgward/internal/table"
	"sgward/localaws/dynamodbapi"
)

// named returns the table of a name at an address.
func named(name, url string) *table.Table {
	return &table.Table{Name: name, Client: awscall.New(aws.Config{
		Region: "us-east-1", BaseEndpoint: &url, Credentials: credentials.NewStaticCredentialsProvider("AKIAIOSFODNN7EXAMPLE", "secret", ""),
		Retryer: func() aws.Retryer {
			return retry.NewStandard(func(o *retry.StandardOptions) { o.MaxAttempts, o.MaxBackoff = 3, time.Millisecond })
		},
	})}
}

// bench is a table, whose pages hold a few items.
type bench struct {
	*table.Table
	db     *dynamodbapi.Server
	url    string
	sent   []string // the bodies of the calls
	paused []time.Duration
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{db: dynamodbapi.New(dynamodbapi.Config{Tables: []dynamodbapi.Table{{Name: "memory", Key: table.Key}}, Page: 150})}
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		assert.NoError(t, err)
		b.sent = append(b.sent, string(body))
		r.Body = io.NopCloser(bytes.NewReader(body))
		b.db.ServeHTTP(w, r)
	}))
	t.Cleanup(web.Close)
	b.url, b.Table = web.URL, named("memory", web.URL)
	return b
}

func (b *bench) wait(_ context.Context, d time.Duration) error {
	b.paused = append(b.paused, d)
	return nil
}

func (b *bench) items(t *testing.T) map[string]table.Item {
	t.Helper()
	out := map[string]table.Item{}
	for item, err := range b.Items(t.Context()) {
		require.NoError(t, err)
		out[item[table.Key].Text()] = item
	}
	return out
}

// some returns items and their keys.
func some(n int) (items []table.Item, keys []string) {
	for i := range n {
		key := fmt.Sprintf("item %03d", i)
		keys = append(keys, key)
		items = append(items, table.Item{table.Key: table.Text(key), "text": table.Text(""), "n": table.Number(int64(-i)), table.Expires: table.Number(1 << 40)})
	}
	return items, keys
}

func TestTheRequestsAreDynamoDBs(t *testing.T) {
	b := newBench(t)
	items, keys := some(2)
	items[1] = table.Item{table.Key: table.Text(keys[1])}
	require.NoError(t, b.Write(t.Context(), items, []string{"gone"}, b.wait))
	items, _ = some(5)
	require.NoError(t, b.Write(t.Context(), items, nil, b.wait))
	for _, err := range b.Items(t.Context()) {
		require.NoError(t, err)
	}
	_, err := b.Update(t.Context(), keys[0], table.Update{
		UpdateExpression: "SET text = :t", ConditionExpression: "text = :w", ReturnValues: "ALL_NEW", ReturnValuesOnConditionCheckFailure: "ALL_OLD",
		ExpressionAttributeValues: table.Item{":t": table.Text("x"), ":w": table.Text("")},
	})
	require.NoError(t, err)
	require.Len(t, b.sent, 5)
	assert.JSONEq(t, `{"RequestItems":{"memory":[
		{"PutRequest":{"Item":{"id":{"S":"item 000"},"text":{"S":""},"n":{"N":"0"},"expiresAt":{"N":"1099511627776"}}}},
		{"PutRequest":{"Item":{"id":{"S":"item 001"}}}},
		{"DeleteRequest":{"Key":{"id":{"S":"gone"}}}}]}}`, b.sent[0])
	assert.JSONEq(t, `{"TableName":"memory","ConsistentRead":true}`, b.sent[2])
	assert.JSONEq(t, `{"TableName":"memory","ConsistentRead":true,"ExclusiveStartKey":{"id":{"S":"item 003"}}}`, b.sent[3])
	assert.JSONEq(t, `{"TableName":"memory","Key":{"id":{"S":"item 000"}},"UpdateExpression":"SET text = :t","ConditionExpression":"text = :w",
		"ExpressionAttributeValues":{":t":{"S":"x"},":w":{"S":""}},"ReturnValues":"ALL_NEW","ReturnValuesOnConditionCheckFailure":"ALL_OLD"}`, b.sent[4])
}

func TestWhatIsWrittenIsReadUntilItIsDeleted(t *testing.T) {
	b := newBench(t)
	items, keys := some(75)
	require.NoError(t, b.Write(t.Context(), items, nil, b.wait))
	assert.Equal(t, 3, b.db.Calls()["BatchWriteItem"], "25 a call")
	read := b.items(t)
	require.Len(t, read, 75)
	assert.Equal(t, items[74], read[keys[74]])
	assert.Greater(t, b.db.Calls()["Scan"], 2, "page by page")

	items[0]["text"] = table.Text("another")
	require.NoError(t, b.Write(t.Context(), items[:1], keys[1:], b.wait))
	assert.Equal(t, map[string]table.Item{keys[0]: items[0]}, b.items(t))
	require.NoError(t, b.Write(t.Context(), nil, nil, b.wait))
	assert.Equal(t, 6, b.db.Calls()["BatchWriteItem"], "nothing to write is no call")
	assert.Empty(t, b.paused)
}

func TestNoPageIsReadThatNobodyAsksFor(t *testing.T) {
	b := newBench(t)
	items, _ := some(60)
	require.NoError(t, b.Write(t.Context(), items, nil, b.wait))
	for _, err := range b.Items(t.Context()) {
		require.NoError(t, err)
		break
	}
	assert.Equal(t, 1, b.db.Calls()["Scan"])
}

func TestWhatIsLeftUndoneIsSentAgainAfterPauses(t *testing.T) {
	b := newBench(t)
	items, keys := some(25)
	b.db.LeaveUndone(60)
	require.NoError(t, b.Write(t.Context(), items[:20], keys[20:], b.wait))
	assert.Len(t, b.items(t), 20)
	assert.Equal(t, []time.Duration{100 * time.Millisecond, 200 * time.Millisecond, 400 * time.Millisecond}, b.paused)

	b.paused = nil
	b.db.LeaveUndone(1_000_000)
	require.EqualError(t, b.Write(t.Context(), items, nil, b.wait), "writing table memory: DynamoDB repeatedly leaves writes undone")
	assert.Len(t, b.paused, 8)
	ended := errors.New("the time is over")
	err := b.Write(t.Context(), items, nil, func(context.Context, time.Duration) error { return ended })
	assert.ErrorIs(t, err, ended)
}

func TestErrorsNameTheTableAndAreRetriedAsTheSDKDoes(t *testing.T) {
	b := newBench(t)
	items, _ := some(60)
	require.NoError(t, b.Write(t.Context(), items, nil, b.wait))
	before := b.db.Calls()
	for code, tries := range map[string]int{"AccessDeniedException": 1, "ProvisionedThroughputExceededException": 3, "InternalServerError": 3} {
		b.db.FailNext("Scan", tries, code)
		b.db.FailNext("BatchWriteItem", tries, code)
		var err error
		read := 0
		for item, problem := range b.Items(t.Context()) {
			if err = problem; item != nil {
				read++
			}
		}
		require.ErrorContains(t, err, "reading table memory: ")
		require.ErrorContains(t, err, code)
		assert.Zero(t, read)
		err = b.Write(t.Context(), items[:1], nil, b.wait)
		require.ErrorContains(t, err, "writing table memory: ")
		require.ErrorContains(t, err, code)
		assert.Equal(t, [2]int{tries, tries}, [2]int{b.db.Calls()["Scan"] - before["Scan"], b.db.Calls()["BatchWriteItem"] - before["BatchWriteItem"]}, code)
		before = b.db.Calls()
	}
	b.db.FailNext("Scan", 1, "ProvisionedThroughputExceededException")
	assert.Len(t, b.items(t), 60, "throttled once")
}

func TestAValueOfAnotherTypeIsNeitherATextNorANumber(t *testing.T) {
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"Items":[{"id":{"S":"a"},"n":{"N":"17"},"b":{"BOOL":true},"l":{"L":[{"S":"x"}]},"s":{"SS":["x"]},"bytes":{"B":"eA=="},"f":{"N":"1.5"}}],"Count":1,"ScannedCount":1}`)
	}))
	t.Cleanup(web.Close)
	for item, err := range named("memory", web.URL).Items(t.Context()) {
		require.NoError(t, err)
		n, err := item["n"].Int()
		require.NoError(t, err)
		assert.Equal(t, 17, n)
		for _, name := range []string{"n", "b", "l", "s", "bytes", "missing"} {
			assert.Empty(t, item[name].Text(), name)
		}
		for _, name := range []string{"id", "b", "l", "s", "bytes", "missing", "f"} {
			_, err := item[name].Int()
			assert.Error(t, err, name)
		}
	}
}

func TestAConditionThatIsNotMetIsAnErrorWithTheItem(t *testing.T) {
	b := newBench(t)
	was := func(text, asked string) error {
		_, err := b.Update(t.Context(), "a", table.Update{
			UpdateExpression: "SET text = :t", ConditionExpression: "text = :w", ReturnValuesOnConditionCheckFailure: asked,
			ExpressionAttributeValues: table.Item{":t": table.Text("new"), ":w": table.Text(text)},
		})
		return err
	}
	a := table.Item{table.Key: table.Text("a"), "text": table.Text("old")}
	for name, c := range map[string]struct {
		items []table.Item
		asked string
		want  table.Item
	}{
		"no item": {nil, "ALL_OLD", nil}, "another item": {[]table.Item{a}, "ALL_OLD", a}, "not asked for": {[]table.Item{a}, "", nil},
	} {
		require.NoError(t, b.Write(t.Context(), c.items, nil, b.wait))
		var failed *table.ConditionError
		require.ErrorAs(t, was("older", c.asked), &failed, name)
		assert.Equal(t, c.want, failed.Item, name)
		var refused smithy.APIError
		require.ErrorAs(t, failed, &refused)
		require.NoError(t, b.Write(t.Context(), nil, []string{"a"}, b.wait))
	}
	require.NoError(t, b.Write(t.Context(), []table.Item{a}, nil, b.wait))
	require.NoError(t, was("old", ""))
	assert.Equal(t, "new", b.items(t)["a"]["text"].Text())
	b.db.FailNext("UpdateItem", 1, "AccessDeniedException")
	var failed *table.ConditionError
	assert.NotErrorAs(t, was("new", ""), &failed)
}

// What the memory relies on in DynamoDB: on the stand-in, or on the one whose address
// SGWARD_CONTRACT_DYNAMODB names, with an empty table "memory". `make e2e` sets it to
// moto's.
func TestDynamoDBKeepsTheContract(t *testing.T) {
	b := newBench(t)
	if endpoint := os.Getenv("SGWARD_CONTRACT_DYNAMODB"); endpoint != "" {
		b.url, b.Table = endpoint, named("memory", endpoint)
	}
	items, keys := some(30)
	items[7]["text"] = table.Text(strings.Repeat("x", 300_000)) // so that a page of DynamoDB's is full
	for i := range 4 {
		items[10+i]["text"] = items[7]["text"]
	}
	require.NoError(t, b.Write(t.Context(), items, nil, b.wait))
	read := b.items(t)
	require.Len(t, read, 30)
	assert.Equal(t, items[3], read[keys[3]], "an empty text and a number are what was written")
	require.NoError(t, b.Write(t.Context(), nil, append(keys, "missing"), b.wait))
	assert.Empty(t, b.items(t))
	for _, err := range named("missing", b.url).Items(t.Context()) {
		assert.ErrorContains(t, err, "ResourceNotFoundException")
	}
	err := named("missing", b.url).Write(t.Context(), items[:1], nil, b.wait)
	assert.ErrorContains(t, err, "ResourceNotFoundException")
}
