package logfile

import (
	"bufio"
	"context"
	"errors"
	"fmt"

	"sgward/internal/jsonscan"
)

// Config configures a Scanner. Calls and Found are required. The functions are called from
// the goroutine that calls Scan, one at a time.
type Config struct {
	// Calls are the eventNames to look for.
	Calls []string
	// Found gets each record of one of the calls, in the order of the source. An error
	// ends the scan.
	Found func(Source, Record) error
	// Bad gets the parts that could not be read, in order. It may be nil.
	Bad func(Problem)
	// Progress gets the number of bytes read since its last call, compressed if the source
	// is. It may be nil.
	Progress func(bytes int64)
}

// MostRecord is the longest record, with the JSON around it, in bytes: a longer one is a
// Problem, and is skipped. CloudTrail's own limit is 256 KB
// (https://docs.aws.amazon.com/awscloudtrail/latest/userguide/WhatIsCloudTrail-Limits.html),
// EventBridge's 1 MB.
const MostRecord = 16 << 20

// Scanner reads sources, one after the other. It reuses its buffers: use one per
// goroutine. They take:
//   - half a megabyte whatever the size of the sources;
//   - the text of the longest gzipped file that was skimmed, 8 MB at most (mostSkimmed),
//     and once more while that grows;
//   - while a source is read that has a record of more than 128 KB, up to
//     4*MostRecord + 1 MB: a growing buffer exists twice, and a record of
//     lookup-events is decoded from another text.
type Scanner struct {
	config   Config
	calls    callSearch
	splitter *jsonscan.Splitter
	input    input
	skimmer  skimmer
}

// NewScanner returns a Scanner.
func NewScanner(c Config) *Scanner { return newScanner(c, 0) }

func newScanner(c Config, buffer int) *Scanner {
	calls := newCallSearch(c.Calls)
	return &Scanner{config: c, calls: calls, skimmer: skimmer{calls: calls}, splitter: jsonscan.New(jsonscan.Config{
		Lists:      []string{recordsKey, eventsKey},
		Resume:     func(object []byte) bool { f, _ := formOf(object); return f.holdsRecord() },
		MaxElement: MostRecord,
		Buffer:     buffer,
	})}
}

// Scan reads a source once, from front to back. Malformed parts go to Bad with their
// place, and reading continues with the next object that is a record or has one in it. The
// error is ctx's or Found's; a source that cannot be read is a Problem.
//
// Not all text is checked:
//   - records in which no string names a wanted call: only JSON's grammar outside strings;
//   - a gzipped CloudTrail file after the last such string (see skimmer): only the checksum.
func (sc *Scanner) Scan(ctx context.Context, s Source) (Counts, error) {
	text, packed, err := sc.input.open(ctx, s, sc.config.Progress)
	if ctx.Err() != nil {
		sc.input.close()
		return Counts{}, ctx.Err()
	}
	if err != nil {
		sc.bad(Problem{Source: s.Name, Text: err.Error()})
		return Counts{}, nil
	}
	defer sc.input.close()
	var ahead skimmed
	if packed {
		ahead, text = sc.skimmer.skim(text)
	}
	if !ahead.whole {
		buffered := bufio.NewReaderSize(text, inputBuffer) // text itself if it is one
		text = buffered
		if table := tableIn(s, buffered); table != nil {
			counts, err := sc.readTable(ctx, s, table)
			counts.Bytes = sc.input.raw.read
			return counts, err
		}
	}
	sc.splitter.Reset(text)
	counts, err := sc.read(ctx, s, ahead)
	counts.Bytes, counts.Text = sc.input.raw.read, sc.splitter.Read()
	if ahead.whole {
		counts.Text = int64(len(sc.skimmer.text))
	}
	return counts, err
}

// read reads the elements of a source, unless it was skimmed and none of the rest matters.
func (sc *Scanner) read(ctx context.Context, s Source, ahead skimmed) (Counts, error) {
	var counts Counts
	faults := 0
	for elements := 0; ; elements++ {
		if ahead.whole && faults == 0 && sc.splitter.Offset() >= ahead.upTo {
			counts.Records += ahead.records - int64(elements)
			return counts, nil
		}
		e, err := sc.splitter.Next()
		if err != nil {
			var fault *jsonscan.Fault
			switch {
			case ctx.Err() != nil:
				return counts, ctx.Err()
			case errors.As(err, &fault):
				faults++
				sc.bad(problemOf(s, fault))
				continue
			}
			if elements+faults == 0 && !sc.splitter.HasList() {
				sc.bad(Problem{Source: s.Name, Text: "holds nothing: want " + wanted})
			}
			return counts, nil // it is io.EOF
		}
		form, err := formOf(e.JSON)
		switch form {
		case digest:
			counts.Digest = true
			continue
		case unknown:
			if err != nil {
				sc.bad(Problem{Source: s.Name, Place: placeOf(e), Text: err.Error()})
				continue
			}
			sc.bad(Problem{Source: s.Name, Place: placeOf(e), Text: "is " + describe(e.JSON) + ": want " + wanted})
			continue
		case otherEvent:
			counts.Others++
			continue
		}
		if sc.calls.mayName(e.JSON) {
			record, of, err := recordIn(e.JSON, form, sc.config.Calls)
			if err != nil {
				sc.bad(Problem{Source: s.Name, Place: placeOf(e), Text: err.Error()})
				continue
			}
			if of {
				r := Record{Index: e.Index, Offset: e.Offset, JSON: record}
				if !e.InList {
					r.Line = e.Line
				}
				if err := sc.config.Found(s, r); err != nil {
					return counts, err
				}
			}
		}
		counts.Records++
	}
}

func (sc *Scanner) bad(p Problem) {
	if sc.config.Bad != nil {
		sc.config.Bad(p)
	}
}

// problemOf gives the place of a fault in a source.
func problemOf(s Source, f *jsonscan.Fault) Problem {
	if f.Index == 0 {
		return Problem{Source: s.Name, Text: f.Problem}
	}
	where := place(f.Index, 0)
	if f.Between {
		where = "behind " + where
	}
	return Problem{Source: s.Name, Place: fmt.Sprintf("%s (byte %d, line %d)", where, f.Offset, f.Line), Text: f.Problem}
}

// placeOf gives the place of an element in a source.
func placeOf(e jsonscan.Element) string {
	if e.InList {
		return place(e.Index, 0)
	}
	return place(e.Index, e.Line)
}
