package report

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"unicode"
	"unicode/utf8"
)

// jsonWriter writes one Entry a line and nothing else: groups, notes and problems are for
// people. It holds one entry.
type jsonWriter struct {
	out  *bufio.Writer
	run  Run
	line bytes.Buffer
}

func newJSON(w io.Writer, run Run) *jsonWriter { return &jsonWriter{out: bufio.NewWriter(w), run: run} }

func (w *jsonWriter) Entry(e Entry) error {
	w.line.Reset()
	encoder := json.NewEncoder(&w.line)
	encoder.SetEscapeHTML(false) // people read CIDRs and ARNs too
	if err := encoder.Encode(w.run.complete(e)); err != nil {
		return fmt.Errorf("encoding finding %q: %w", e.ID, err)
	}
	_, err := w.out.Write(escapeUnprintable(w.line.Bytes()))
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

// escapeUnprintable escapes the characters that encoding/json leaves alone and a terminal
// acts on or an eye cannot see: DEL, C1 controls, bidirectional overrides, zero-width
// characters. In JSON they occur in strings only, where \uXXXX means the same.
func escapeUnprintable(data []byte) []byte {
	plain := true
	for _, c := range data {
		if c >= 0x7F {
			plain = false
			break
		}
	}
	if plain {
		return data
	}
	out := make([]byte, 0, len(data)+64)
	for len(data) > 0 {
		r, size := utf8.DecodeRune(data)
		switch {
		case r < 0x7F || unicode.IsPrint(r):
			out = append(out, data[:size]...)
		case r > 0xFFFF:
			// JSON writes these as two UTF-16 surrogates
			// (https://www.rfc-editor.org/rfc/rfc8259#section-7).
			out = fmt.Appendf(out, `\u%04x\u%04x`, 0xD800+(r-0x10000)>>10, 0xDC00+(r-0x10000)&0x3FF)
		default:
			out = fmt.Appendf(out, `\u%04x`, r)
		}
		data = data[size:]
	}
	return out
}
