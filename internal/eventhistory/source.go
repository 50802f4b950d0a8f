package eventhistory

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"sync"
	"time"

	"sgward/internal/crash"
	"sgward/internal/logfile"
	"sgward/internal/pause"
)

// Reader reads the event histories of an account in several regions, side by side.
type Reader struct {
	// Trails are the histories by region.
	Trails map[string]Trail
	// Names are the calls to look for.
	Names []string
	// Since limits the time of the calls; zero means all that CloudTrail keeps.
	Since time.Time
	// Explain says in words that end a sentence why a call failed; nil takes the error's.
	Explain func(error) string
	// Pause is the time between two calls in a region; zero means the package's Pause.
	Pause time.Duration
}

// Sources yields each page of the histories as it arrives, with its records one on a line.
// A history that cannot be read is a source that cannot be opened; the others go on.
func (r *Reader) Sources(ctx context.Context) iter.Seq[logfile.Source] {
	return func(yield func(logfile.Source) bool) {
		ctx, stop := context.WithCancel(ctx)
		defer stop()
		pages := make(chan logfile.Source)
		var regions sync.WaitGroup
		for region, trail := range r.Trails {
			regions.Go(func() {
				defer crash.Exit()
				r.read(ctx, region, trail, pages)
			})
		}
		go func() {
			defer crash.Exit()
			regions.Wait()
			close(pages)
		}()
		for page := range pages {
			if !yield(page) {
				return
			}
		}
	}
}

// read reads the history of a region until it ends or fails.
func (r *Reader) read(ctx context.Context, region string, trail Trail, pages chan<- logfile.Source) {
	spacing := cmp.Or(r.Pause, Pause)
	next := time.Now()
	for _, name := range r.Names {
		n := 0
		err := Read(ctx, trail, Query{Name: name, Start: r.Since, Wait: func(ctx context.Context) error {
			err := pause.For(ctx, time.Until(next))
			next = time.Now().Add(spacing)
			return err
		}}, func(records [][]byte) bool {
			if len(records) == 0 {
				return true
			}
			n++
			return send(ctx, pages, page(fmt.Sprintf("event history of %s, %s, page %d", region, name, n), records))
		})
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			why := err.Error()
			if r.Explain != nil {
				why = r.Explain(err)
			}
			// The other calls of the region would fail alike.
			send(ctx, pages, logfile.Source{Name: "event history of " + region, Open: func(context.Context) (io.ReadCloser, error) {
				return nil, errors.New("cannot be read: " + why)
			}})
			return
		}
	}
}

func send(ctx context.Context, pages chan<- logfile.Source, page logfile.Source) bool {
	select {
	case pages <- page:
		return true
	case <-ctx.Done():
		return false
	}
}

// page is a source with the records of an answer.
func page(name string, records [][]byte) logfile.Source {
	var lines bytes.Buffer
	for _, record := range records {
		lines.Write(record)
		lines.WriteByte('\n')
	}
	return logfile.Source{Name: name, Size: int64(lines.Len()), Open: func(context.Context) (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(lines.Bytes())), nil
	}}
}
