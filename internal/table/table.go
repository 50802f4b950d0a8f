// Package table reads and writes the items of a DynamoDB table, without a client of the
// SDK. sgward has one table for each stack, whose items are of two kinds: those of package
// sweep, and those of package repeats. Values are texts and numbers.
package table

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"time"

	"github.com/aws/smithy-go"

	"sgward/internal/awscall"
)

// The attributes that every item has. template.yaml names both.
const (
	Key     = "id"        // a text: the partition key
	Expires = "expiresAt" // seconds since 1970, as DynamoDB's time to live asks for
)

// writesPerBatch is the most that DynamoDB takes in one BatchWriteItem
// (https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchWriteItem.html).
const writesPerBatch = 25

// Value is an attribute's value in DynamoDB's JSON. The zero value, that of a missing
// attribute and of one of another type, is neither a text nor a number.
type Value struct {
	S *string `json:",omitempty"`
	N *string `json:",omitempty"`
}

// Text returns a text, which may be empty.
func Text(s string) Value { return Value{S: &s} }

// Number returns a number.
func Number(n int64) Value { return Value{N: new(strconv.FormatInt(n, 10))} }

// Text returns a text, "" for another value.
func (v Value) Text() string {
	if v.S == nil {
		return ""
	}
	return *v.S
}

// Int returns a number. Another value, and a number that is not an int, are errors.
func (v Value) Int() (int, error) {
	if v.N == nil {
		return 0, errors.New("want a number")
	}
	return strconv.Atoi(*v.N)
}

// Item is the attributes of an item by name.
type Item map[string]Value

// Table is a table with the partition key Key and the time-to-live attribute Expires. All
// fields must be set. It is safe for concurrent use.
type Table struct {
	Client *awscall.Client
	Name   string
}

// Items reads all items of the table, as they are when their page is read. Among them are
// those whose time to live is over, which DynamoDB may take days to delete. An error is the
// last. (https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_Scan.html)
func (t *Table) Items(ctx context.Context) iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) {
		in := struct {
			TableName         string
			ConsistentRead    bool
			ExclusiveStartKey Item `json:",omitempty"`
		}{TableName: t.Name, ConsistentRead: true}
		for {
			var page struct {
				Items            []Item
				LastEvaluatedKey Item
			}
			if err := t.Client.JSON(ctx, awscall.DynamoDB, "Scan", in, &page); err != nil {
				yield(nil, fmt.Errorf("reading table %s: %w", t.Name, err))
				return
			}
			for _, item := range page.Items {
				if !yield(item, nil) {
					return
				}
			}
			if len(page.LastEvaluatedKey) == 0 {
				return
			}
			in.ExclusiveStartKey = page.LastEvaluatedKey
		}
	}
}

// write is one write of a batch: exactly one of both is set.
type write struct {
	PutRequest    *put    `json:",omitempty"`
	DeleteRequest *remove `json:",omitempty"`
}

type put struct{ Item Item }

type remove struct{ Key Item }

// errUnprocessed says that a table kept leaving writes undone.
var errUnprocessed = errors.New("DynamoDB repeatedly leaves writes undone")

// Write writes items in place of those with the same keys, and deletes the items of other
// keys, present or not. No key may be named twice. What DynamoDB leaves undone is sent
// again, after pauses of wait. With an error part of it is written.
func (t *Table) Write(ctx context.Context, items []Item, deleted []string, wait func(context.Context, time.Duration) error) error {
	writes := make([]write, 0, len(items)+len(deleted))
	for _, item := range items {
		writes = append(writes, write{PutRequest: &put{item}})
	}
	for _, key := range deleted {
		writes = append(writes, write{DeleteRequest: &remove{Item{Key: Text(key)}}})
	}
	for batch := range slices.Chunk(writes, writesPerBatch) {
		if err := t.writeBatch(ctx, batch, wait); err != nil {
			return fmt.Errorf("writing table %s: %w", t.Name, err)
		}
	}
	return nil
}

func (t *Table) writeBatch(ctx context.Context, batch []write, wait func(context.Context, time.Duration) error) error {
	const tries = 8 // pauses of 12.7 seconds in all, well more than a table needs to grow
	pause := 100 * time.Millisecond
	for range tries {
		var out struct{ UnprocessedItems map[string][]write }
		in := struct{ RequestItems map[string][]write }{map[string][]write{t.Name: batch}}
		if err := t.Client.JSON(ctx, awscall.DynamoDB, "BatchWriteItem", in, &out); err != nil {
			return err
		}
		if batch = out.UnprocessedItems[t.Name]; len(batch) == 0 {
			return nil
		}
		if err := wait(ctx, pause); err != nil {
			return err
		}
		pause *= 2
	}
	return errUnprocessed
}

// Update is a change of one item, in DynamoDB's expressions
// (https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_UpdateItem.html).
type Update struct {
	UpdateExpression                    string
	ConditionExpression                 string
	ExpressionAttributeValues           Item   `json:",omitempty"`
	ReturnValues                        string `json:",omitempty"`
	ReturnValuesOnConditionCheckFailure string `json:",omitempty"`
}

// ConditionError says that an item did not meet the condition of an update, which changed
// nothing.
type ConditionError struct {
	// Item is what the item is, if the update asked for it; nil if there is none.
	Item Item
	err  error
}

func (e *ConditionError) Error() string { return e.err.Error() }

// Unwrap returns DynamoDB's refusal.
func (e *ConditionError) Unwrap() error { return e.err }

// Update changes the item of a key, and makes it if there is none. It returns the
// attributes that ReturnValues asks for. A *ConditionError says that the condition was not
// met.
func (t *Table) Update(ctx context.Context, key string, u Update) (Item, error) {
	in := struct {
		TableName string
		Key       Item
		Update
	}{t.Name, Item{Key: Text(key)}, u}
	var out struct{ Attributes Item }
	err := t.Client.JSON(ctx, awscall.DynamoDB, "UpdateItem", in, &out)
	var refused smithy.APIError
	if !errors.As(err, &refused) || refused.ErrorCode() != "ConditionalCheckFailedException" {
		return out.Attributes, err
	}
	var said struct{ Item Item }
	if err := json.Unmarshal(awscall.RefusalOf(err), &said); err != nil {
		return nil, fmt.Errorf("reading the answer: %w", err)
	}
	return nil, &ConditionError{said.Item, err}
}
