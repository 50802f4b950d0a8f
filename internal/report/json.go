package report

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"

	"sgward/internal/text"
)

// jsonWriter writes one entry a line and nothing else: groups, notes and problems are for
// people. It holds one entry.
type jsonWriter struct {
	out  *bufio.Writer
	form func(Entry) any
	line bytes.Buffer
}

func newJSON(w io.Writer, run Run) *jsonWriter {
	return &jsonWriter{out: bufio.NewWriter(w), form: func(e Entry) any { return run.complete(e) }}
}

func newOCSF(w io.Writer, run Run) *jsonWriter {
	return &jsonWriter{out: bufio.NewWriter(w), form: func(e Entry) any { return run.ocsf(e) }}
}

func (w *jsonWriter) Entry(e Entry) error {
	w.line.Reset()
	encoder := json.NewEncoder(&w.line)
	encoder.SetEscapeHTML(false) // people read CIDRs and ARNs too
	if err := encoder.Encode(w.form(e)); err != nil {
		return fmt.Errorf("encoding finding %q: %w", e.ID, err)
	}
	_, err := w.out.Write(text.EscapeJSON(w.line.Bytes()))
	return wrote(err)
}

func (w *jsonWriter) Group(_ Group, entries []Entry) error {
	for i := range entries {
		if err := w.Entry(entries[i]); err != nil {
			return err
		}
	}
	return nil
}

func (w *jsonWriter) Close(Coverage) error { return wrote(w.out.Flush()) }

// wrote adds context to an error of writing a report.
func wrote(err error) error {
	if err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	return nil
}
