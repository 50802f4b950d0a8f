// Package logfile finds histories of CloudTrail records and reads them in pieces: log
// files as CloudTrail writes them, EventBridge events, the output of "aws cloudtrail
// lookup-events", Athena's results and bare records; alone, in a list or one after the
// other, plain or gzipped, in files, folders or on standard input. It passes on only the
// records of some calls. It judges nothing.
package logfile

import (
	"context"
	"fmt"
	"io"
)

// Source is a file or a stream that may hold records. The zero value is invalid; Find
// returns valid ones.
type Source struct {
	// Name is the path as given, with the part found below it; "-" is standard input.
	Name string
	// Size is the number of bytes to read, compressed if the file is; -1 if unknown.
	Size int64
	// Open opens a source that is not a file of this machine: an object of a bucket, or a
	// page of the event history. Nil opens the file Name. Its errors are Problems as they
	// are, in words that follow the name; ctx ends its reads.
	Open func(ctx context.Context) (io.ReadCloser, error)

	stdin io.Reader // of "-"
}

// Record is one CloudTrail record of one of the wanted calls.
type Record struct {
	// Index counts the records of the source from 1, of all calls, and damaged ones as
	// well.
	Index int64
	// Line is its first line, from 1, if it is a JSON value of its own, as in NDJSON, or a
	// row of CSV. It is 0 for an element of a list.
	Line int64
	// Offset is its position in the (inflated) text of the source, from 0. In the output
	// of lookup-events it is that of the event around it, in a table that of the row.
	Offset int64
	// JSON is the bare record, or the EventBridge event around it. It is one valid JSON
	// object, valid until Found returns.
	JSON []byte
}

// Place names the record for people: "record 17", or "line 17" in NDJSON.
func (r Record) Place() string { return place(r.Index, r.Line) }

func place(index, line int64) string {
	if line > 0 {
		return fmt.Sprintf("line %d", line)
	}
	return fmt.Sprintf("record %d", index)
}

// Problem is something that could not be read.
type Problem struct {
	// Source is the name of a Source, or of a folder or file that could not be one.
	Source string
	// Place is the place in the source, such as "record 17 (byte 20480)"; "" means all of
	// it.
	Place string
	// Text says what was found and, unless that is obvious, what is expected.
	Text string
}

// Ignored is a file that was found and is not read, without being a problem: a digest
// file, or one whose name does not end like a history's.
type Ignored struct {
	Name   string
	Reason string
}

// Counts is the result of reading one source.
type Counts struct {
	Records int64 // CloudTrail records, of all calls
	Others  int64 // EventBridge events of other kinds
	Bytes   int64 // read, compressed if the source is
	Text    int64 // bytes of JSON: the same, inflated
	// Digest is set if the source is a CloudTrail digest, which holds no records.
	Digest bool
}
