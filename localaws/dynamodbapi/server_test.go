package dynamodbapi_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/localaws/dynamodbapi"
)

func serve(t *testing.T, cfg dynamodbapi.Config) (*dynamodbapi.Server, *dynamodb.Client) {
	t.Helper()
	cfg.Tables = []dynamodbapi.Table{{Name: "told", Key: "id"}}
	s := dynamodbapi.New(cfg)
	web := httptest.NewServer(s)
	t.Cleanup(web.Close)
	return s, dynamodb.New(dynamodb.Options{
		Region: "us-east-1", BaseEndpoint: aws.String(web.URL), RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider("AKIAIOSFODNN7EXAMPLE", "secret", ""),
	})
}

func put(id, text string) types.WriteRequest {
	return types.WriteRequest{PutRequest: &types.PutRequest{Item: map[string]types.AttributeValue{
		"id": &types.AttributeValueMemberS{Value: id}, "text": &types.AttributeValueMemberS{Value: text}, "n": &types.AttributeValueMemberN{Value: "17"},
	}}}
}

func remove(id string) types.WriteRequest {
	return types.WriteRequest{DeleteRequest: &types.DeleteRequest{Key: map[string]types.AttributeValue{"id": &types.AttributeValueMemberS{Value: id}}}}
}

func write(client *dynamodb.Client, writes ...types.WriteRequest) (*dynamodb.BatchWriteItemOutput, error) {
	return client.BatchWriteItem(context.Background(), &dynamodb.BatchWriteItemInput{RequestItems: map[string][]types.WriteRequest{"told": writes}})
}

// scan reads the whole table and counts the pages.
func scan(t *testing.T, client *dynamodb.Client, limit *int32) (ids []string, pages int) {
	t.Helper()
	p := dynamodb.NewScanPaginator(client, &dynamodb.ScanInput{TableName: aws.String("told"), ConsistentRead: aws.Bool(true), Limit: limit})
	for p.HasMorePages() {
		page, err := p.NextPage(t.Context())
		require.NoError(t, err)
		require.Len(t, page.Items, int(page.Count))
		pages++
		for _, item := range page.Items {
			ids = append(ids, item["id"].(*types.AttributeValueMemberS).Value)
		}
	}
	return ids, pages
}

func TestWhatIsWrittenIsReadUntilItIsDeleted(t *testing.T) {
	s, client := serve(t, dynamodbapi.Config{})
	out, err := write(client, put("a", "1"), put("b", "2"))
	require.NoError(t, err)
	assert.Empty(t, out.UnprocessedItems)
	_, err = write(client, put("a", "3"), remove("b"), remove("never there"))
	require.NoError(t, err)
	ids, pages := scan(t, client, nil)
	assert.Equal(t, []string{"a"}, ids)
	assert.Equal(t, 1, pages)
	require.Len(t, s.Items("told"), 1)
	assert.Equal(t, "3", *s.Items("told")[0]["text"].S)
	assert.Equal(t, "17", *s.Items("told")[0]["n"].N)
	assert.Nil(t, s.Items("another"))
}

func TestAScanIsReadInPages(t *testing.T) {
	for name, c := range map[string]struct {
		page  int
		limit *int32
		want  int
	}{
		"all at once": {0, nil, 1}, "by size": {100, nil, 3}, "by number": {0, aws.Int32(2), 3},
	} {
		t.Run(name, func(t *testing.T) {
			_, client := serve(t, dynamodbapi.Config{Page: c.page})
			var want []string
			for i := range 5 {
				id := fmt.Sprint("item ", i)
				want = append(want, id)
				_, err := write(client, put(id, strings.Repeat("x", 40)))
				require.NoError(t, err)
			}
			ids, pages := scan(t, client, c.limit)
			assert.Equal(t, want, ids)
			assert.Equal(t, c.want, pages)
		})
	}
}

func TestWhatDynamoDBRefusesIsRefusedAsAWhole(t *testing.T) {
	s, client := serve(t, dynamodbapi.Config{})
	many := make([]types.WriteRequest, 26)
	for i := range many {
		many[i] = put(fmt.Sprint(i), "")
	}
	noKey := types.WriteRequest{PutRequest: &types.PutRequest{Item: map[string]types.AttributeValue{"text": &types.AttributeValueMemberS{Value: "x"}}}}
	numberKey := types.WriteRequest{PutRequest: &types.PutRequest{Item: map[string]types.AttributeValue{"id": &types.AttributeValueMemberN{Value: "1"}}}}
	words := put("w", "")
	words.PutRequest.Item["n"] = &types.AttributeValueMemberN{Value: "seventeen"}
	list := put("l", "")
	list.PutRequest.Item["n"] = &types.AttributeValueMemberL{}
	more := remove("m")
	more.DeleteRequest.Key["text"] = &types.AttributeValueMemberS{Value: "x"}
	for name, writes := range map[string][]types.WriteRequest{
		"none": {}, "too many": many, "one key twice": {put("a", "1"), remove("a")}, "nothing to do": {put("a", "1"), {}},
		"no key": {put("a", "1"), noKey}, "an empty key": {put("", "1")}, "a number for a key": {numberKey}, "a number in words": {words},
		"a list": {list}, "a key and more": {more}, "too large": {put("a", strings.Repeat("x", 400<<10))},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := write(client, writes...)
			var api smithy.APIError
			require.ErrorAs(t, err, &api)
			assert.Contains(t, []string{"ValidationException", "SerializationException"}, api.ErrorCode())
			assert.Empty(t, s.Items("told"))
		})
	}
	_, err := client.Scan(t.Context(), &dynamodb.ScanInput{TableName: aws.String("another")})
	var missing *types.ResourceNotFoundException
	assert.ErrorAs(t, err, &missing)
	_, err = client.Scan(t.Context(), &dynamodb.ScanInput{TableName: aws.String("told"), FilterExpression: aws.String("n > 1")})
	assert.ErrorContains(t, err, "FilterExpression", "to pass over a filter would be to answer another question")
	_, err = client.ListTables(t.Context(), &dynamodb.ListTablesInput{})
	assert.ErrorContains(t, err, "UnknownOperationException")
}

func TestFaultsAreThoseThatWereAskedFor(t *testing.T) {
	s, client := serve(t, dynamodbapi.Config{Authorize: func(action, key string) bool {
		return key == "AKIAIOSFODNN7EXAMPLE" && action == "BatchWriteItem"
	}})
	_, err := client.Scan(t.Context(), &dynamodb.ScanInput{TableName: aws.String("told")})
	assert.ErrorContains(t, err, "AccessDeniedException")
	s.FailNext("BatchWriteItem", 1, "ProvisionedThroughputExceededException")
	_, err = write(client, put("a", "1"))
	var busy *types.ProvisionedThroughputExceededException
	assert.ErrorAs(t, err, &busy)
	s.LeaveUndone(1)
	out, err := write(client, put("a", "1"), put("b", "1"))
	require.NoError(t, err)
	assert.Len(t, out.UnprocessedItems["told"], 1)
	assert.Len(t, s.Items("told"), 1)
	assert.Equal(t, map[string]int{"Scan": 1, "BatchWriteItem": 2}, s.Calls())
}

// The SDK verifies the checksum of every answer: one that does not fit is an error.
func TestAnswersCarryTheChecksumThatTheSDKVerifies(t *testing.T) {
	s := dynamodbapi.New(dynamodbapi.Config{Tables: []dynamodbapi.Table{{Name: "told", Key: "id"}}})
	web := httptest.NewServer(s)
	t.Cleanup(web.Close)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, web.URL, strings.NewReader(`{"TableName":"told"}`))
	require.NoError(t, err)
	request.Header.Set("X-Amz-Target", "DynamoDB_20120810.Scan")
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	body, err := io.ReadAll(response.Body)
	require.NoError(t, errors.Join(err, response.Body.Close()))
	assert.JSONEq(t, `{"Items":[],"Count":0,"ScannedCount":0}`, string(body))
	assert.NotEmpty(t, response.Header.Get("X-Amz-Crc32"))
}

// update sets attributes of the item "a".
func update(client *dynamodb.Client, expression, condition string, values map[string]string, change ...func(*dynamodb.UpdateItemInput)) (*dynamodb.UpdateItemOutput, error) {
	in := &dynamodb.UpdateItemInput{
		TableName: aws.String("told"), Key: map[string]types.AttributeValue{"id": &types.AttributeValueMemberS{Value: "a"}},
		UpdateExpression: aws.String(expression),
	}
	if condition != "" {
		in.ConditionExpression = aws.String(condition)
	}
	for name, text := range values {
		if in.ExpressionAttributeValues == nil {
			in.ExpressionAttributeValues = map[string]types.AttributeValue{}
		}
		in.ExpressionAttributeValues[name] = &types.AttributeValueMemberS{Value: text}
	}
	for _, c := range change {
		c(in)
	}
	return client.UpdateItem(context.Background(), in)
}

func TestAnItemIsUpdatedIfItsConditionHolds(t *testing.T) {
	s, client := serve(t, dynamodbapi.Config{})
	old := func(in *dynamodb.UpdateItemInput) {
		in.ReturnValuesOnConditionCheckFailure = types.ReturnValuesOnConditionCheckFailureAllOld
	}
	text := func() string { return *s.Items("told")[0]["text"].S }
	failed := func(err error) *types.ConditionalCheckFailedException {
		t.Helper()
		var out *types.ConditionalCheckFailedException
		require.ErrorAs(t, err, &out)
		return out
	}
	_, err := update(client, "SET text = :t", "text = :w", map[string]string{":t": "1", ":w": ""}, old)
	assert.Empty(t, failed(err).Item, "there is none")
	_, err = update(client, "SET other = other", "contains(text, :w)", map[string]string{":w": "1"})
	require.Error(t, failed(err))
	_, err = update(client, "SET text = :t, n = :n", "attribute_not_exists(id)", map[string]string{":t": "1 2", ":n": "x"})
	require.NoError(t, err)
	_, err = update(client, "SET text = :t", "attribute_not_exists(id)", map[string]string{":t": "3"}, old)
	assert.Equal(t, "1 2", failed(err).Item["text"].(*types.AttributeValueMemberS).Value)
	_, err = update(client, "SET text = :t", "attribute_not_exists(id)", map[string]string{":t": "3"})
	assert.Empty(t, failed(err).Item, "not asked for")
	_, err = update(client, "SET text = :t", "text = :w", map[string]string{":t": "3", ":w": "1"})
	require.Error(t, failed(err))
	assert.Equal(t, "1 2", text())
	out, err := update(client, "SET n = n", "contains(text, :w)", map[string]string{":w": "2"}, func(in *dynamodb.UpdateItemInput) { in.ReturnValues = types.ReturnValueAllNew })
	require.NoError(t, err)
	assert.Len(t, out.Attributes, 3)
	_, err = update(client, "SET text = :t", "text = :w", map[string]string{":t": "3", ":w": "1 2"})
	require.NoError(t, err)
	assert.Equal(t, "3", text())
	_, err = update(client, "SET text = :t", "", map[string]string{":t": "4"})
	require.NoError(t, err)
	assert.Equal(t, "4", text())
}

func TestAnUpdateThatTheStandInDoesNotKnowIsRefused(t *testing.T) {
	s, client := serve(t, dynamodbapi.Config{})
	for name, call := range map[string]func() (*dynamodb.UpdateItemOutput, error){
		"another action": func() (*dynamodb.UpdateItemOutput, error) {
			return update(client, "ADD n :n", "", map[string]string{":n": "1"})
		},
		"another condition": func() (*dynamodb.UpdateItemOutput, error) {
			return update(client, "SET n = :n", "size(n) < :n", map[string]string{":n": "1"})
		},
		"no such value": func() (*dynamodb.UpdateItemOutput, error) { return update(client, "SET n = :n", "", nil) },
		"an unused value": func() (*dynamodb.UpdateItemOutput, error) {
			return update(client, "SET n = :n", "", map[string]string{":n": "1", ":m": "1"})
		},
		"no such attribute": func() (*dynamodb.UpdateItemOutput, error) { return update(client, "SET n = m", "", nil) },
		"a table": func() (*dynamodb.UpdateItemOutput, error) {
			return update(client, "SET n = :n", "", map[string]string{":n": "1"}, func(in *dynamodb.UpdateItemInput) { in.TableName = aws.String("x") })
		},
		"a key": func() (*dynamodb.UpdateItemOutput, error) {
			return update(client, "SET n = :n", "", map[string]string{":n": "1"}, func(in *dynamodb.UpdateItemInput) { in.Key = nil })
		},
		"old values": func() (*dynamodb.UpdateItemOutput, error) {
			return update(client, "SET n = :n", "", map[string]string{":n": "1"}, func(in *dynamodb.UpdateItemInput) { in.ReturnValues = types.ReturnValueAllOld })
		},
	} {
		_, err := call()
		assert.Error(t, err, name)
		assert.Empty(t, s.Items("told"), name)
	}
}
