package bucket

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/semaphore"

	"sgward/internal/crash"
	"sgward/internal/logfile"
)

const (
	// readAtOnce is how many objects are on their way at a time. CloudTrail's are small:
	// the time is that of the round trips.
	readAtOnce = 32
	// listedAtOnce is how many folders are listed ahead of the one whose objects are read.
	listedAtOnce = 8
	// mostAhead bounds the memory of objects that are read before their turn, in bytes.
	mostAhead = 64 << 20
	// mostBuffered is the size of the largest object that is read ahead. Larger ones are
	// read in their turn.
	mostBuffered = 8 << 20
	// mostFailures is how many objects may fail before one is read: then the rest would
	// fail too.
	mostFailures = 20
)

// Reader reads histories from buckets.
type Reader struct {
	Client *Client
	Selection
	// Explain says in words that end a sentence why a call failed; nil takes the error's.
	Explain func(error) string
	// Listed counts the objects found so far. It may be nil.
	Listed *atomic.Int64
}

// Sources yields the objects to read at a place, in the order of their keys, while it lists
// and reads ahead. A folder or an object that cannot be read is a source that cannot be
// opened. Each source must be scanned, or ctx must end.
func (r *Reader) Sources(ctx context.Context, at Place) iter.Seq[logfile.Source] {
	return func(yield func(logfile.Source) bool) {
		ctx, stop := context.WithCancel(ctx)
		defer stop()
		w := &walk{ctx: ctx, client: r.Client, Selection: &r.Selection, bucket: at.Bucket}
		memory := semaphore.NewWeighted(mostAhead)
		var failed, read atomic.Int64
		for o := range ahead(ctx, readAtOnce, r.admitted(ctx, w.keys(at), memory), func(k key) opened { return r.open(ctx, k, memory) }) {
			if o.err != nil {
				failed.Add(1)
			} else {
				read.Add(1)
			}
			if !yield(o.source(r, memory)) || ctx.Err() != nil {
				return
			}
			if read.Load() == 0 && failed.Load() >= mostFailures {
				o.err = fmt.Errorf("none of the first %d objects can be read, so the others were not tried", mostFailures)
				o.key = key{bucket: at.Bucket, name: at.Path, err: o.err}
				yield(o.source(r, memory))
				return
			}
		}
	}
}

// admitted counts what is found, and passes an object on once there is memory for it: in
// order, else objects that come later could take the memory of the one that is waited for.
func (r *Reader) admitted(ctx context.Context, keys iter.Seq[key], memory *semaphore.Weighted) iter.Seq[key] {
	return func(yield func(key) bool) {
		for k := range keys {
			if r.Listed != nil && k.err == nil {
				r.Listed.Add(1)
			}
			if k.isSmall() && memory.Acquire(ctx, k.size) != nil || !yield(k) {
				return
			}
		}
	}
}

// opened is an object that was read ahead, that is to be read, or that cannot be.
type opened struct {
	key  key
	data []byte // of a small one
	err  error
}

// open reads a small object.
func (r *Reader) open(ctx context.Context, k key, memory *semaphore.Weighted) opened {
	if !k.isSmall() {
		return opened{key: k, err: k.err}
	}
	in := r.Client.object(ctx, k)
	defer func() { _ = in.Close() }() // it was only read
	data := make([]byte, k.size)
	if _, err := io.ReadFull(in, data); err != nil {
		memory.Release(k.size)
		return opened{key: k, err: err}
	}
	return opened{key: k, data: data}
}

// isSmall reports whether an object is read ahead.
func (k key) isSmall() bool { return k.err == nil && k.size <= mostBuffered }

// kept is an object in memory.
type kept struct {
	*bytes.Reader

	release func()
}

// Close gives the memory back.
func (k kept) Close() error {
	k.release()
	return nil
}

func (c *Client) object(ctx context.Context, k key) *object {
	return &object{client: c, ctx: ctx, bucket: k.bucket, key: k.name, size: k.size}
}

func (o opened) source(r *Reader, memory *semaphore.Weighted) logfile.Source {
	return logfile.Source{Name: o.key.String(), Size: o.key.size, Open: func(ctx context.Context) (io.ReadCloser, error) {
		switch {
		case errors.Is(o.err, errNothing):
			return nil, o.err
		case o.err != nil:
			why := o.err.Error()
			if r.Explain != nil {
				why = r.Explain(o.err)
			}
			return nil, errors.New("cannot be read: " + why)
		case !o.key.isSmall():
			return r.Client.object(ctx, o.key), nil
		}
		return kept{bytes.NewReader(o.data), sync.OnceFunc(func() { memory.Release(o.key.size) })}, nil
	}}
}

// ahead yields do's results for the elements of a sequence, in their order, while do works
// on the next n.
func ahead[T, R any](ctx context.Context, n int, in iter.Seq[T], do func(T) R) iter.Seq[R] {
	return func(yield func(R) bool) {
		ctx, stop := context.WithCancel(ctx)
		defer stop()
		waiting := make(chan chan R, n)
		go func() {
			defer crash.Exit()
			defer close(waiting)
			for t := range in {
				result := make(chan R, 1)
				select {
				case waiting <- result:
				case <-ctx.Done():
					return
				}
				go func() {
					defer crash.Exit()
					result <- do(t)
				}()
			}
		}()
		for result := range waiting {
			select {
			case r := <-result:
				if !yield(r) {
					return
				}
			case <-ctx.Done():
				return
			}
		}
	}
}
