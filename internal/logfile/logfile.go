// Package logfile finds histories of CloudTrail records and reads them in pieces:
// log files as CloudTrail writes them, EventBridge events, the output of "aws
// cloudtrail lookup-events", and bare records; each alone, in a list or one after the
// other, plain or gzipped, in files, folders or on standard input. It looks for the
// records of some calls and hands on those only. It judges nothing.
package logfile

import (
	"fmt"
	"io"
)

// Source is a file or a stream that may hold records. The zero value is invalid; Find
// makes them.
type Source struct {
	// Name is the path as it was typed, with what was found below it; "-" is standard
	// input.
	Name string
	// Size is how many bytes there are to read, compressed where the file is; -1 if that
	// is not known.
	Size int64

	stdin io.Reader // of "-"
}

// Record is one CloudTrail record of one of the calls looked for.
type Record struct {
	// Index counts the records of the source from 1, whatever calls they are of, and
	// damaged ones as well.
	Index int64
	// Line is where it begins, from 1, if it is a JSON value of its own, as in NDJSON. It
	// is 0 for an element of a list.
	Line int64
	// Offset is where it begins in the (inflated) text of the source, from 0. In the
	// output of lookup-events it is that of the event around it.
	Offset int64
	// JSON is the bare record, or the EventBridge event around it if Enveloped is set. It
	// is one valid JSON object, and valid until found returns.
	JSON      []byte
	Enveloped bool
}

// Place names the record for people: "record 17", or "line 17" in NDJSON.
func (r Record) Place() string { return place(r.Index, r.Line) }

func place(index, line int64) string {
	if line > 0 {
		return fmt.Sprintf("line %d", line)
	}
	return fmt.Sprintf("record %d", index)
}

// Problem is something that could not be read or understood.
type Problem struct {
	// Source is the name of a Source, or of a folder or file that could not be one.
	Source string
	// Place is where in the source, such as "record 17 (byte 20480)"; "" stands for all
	// of it.
	Place string
	// Text says what was found and, where that is not plain, what would be right.
	Text string
}

// String is one line. It may hold untrusted text.
func (p Problem) String() string {
	if p.Place == "" {
		return p.Source + ": " + p.Text
	}
	return p.Source + " " + p.Place + ": " + p.Text
}

// PassedOver is a file that was found and is not read, which is no problem: a digest
// file, or one whose name ends like no history's.
type PassedOver struct {
	Name   string
	Reason string
}

// Counts are what the reading of one source came to.
type Counts struct {
	Records int64 // CloudTrail records, of whatever calls
	Others  int64 // EventBridge events of something else than CloudTrail
	Bytes   int64 // read, compressed where the source is
	Text    int64 // bytes of JSON: the same, inflated
	// Digest is set if the source is a digest of CloudTrail's, which holds no records.
	Digest bool
}
