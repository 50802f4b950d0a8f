package redrive

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"golang.org/x/sync/errgroup"

	"sgward/internal/awscall"
	"sgward/internal/crash"
	"sgward/internal/sqs"
	"sgward/internal/stack"
)

const (
	// receivers is the number of receives at once.
	receivers = 4
	// hidden is how long a received message is hidden from others. A message that is not
	// deleted is released before that, unless the process dies.
	hidden = 5 * time.Minute
	// releaseTime limits a call that an interruption must not cut off.
	releaseTime = 20 * time.Second
	// clockDifference is more than a call takes.
	clockDifference = 5 * time.Second
)

// Redriver empties the dead-letter queue of one stack.
type Redriver struct {
	Stack *stack.Stack
	// Began is when the run began. Messages that are sent later stay: an event that fails
	// again must not go round in a circle. Connect takes it from the clock of SQS if the two
	// clocks differ, as SQS's dates the messages.
	Began time.Time

	aws   *awscall.Client
	queue sqs.Queue
}

// Connect returns a Redriver with the credentials of a configuration.
func Connect(ctx context.Context, config aws.Config, s *stack.Stack) (*Redriver, error) {
	url := s.Outputs[stack.OutputDeadLetters]
	if url == "" {
		url = s.Ref("DeadLetterQueue")
	}
	if url == "" {
		return nil, fmt.Errorf("stack %s has no DeadLetterQueue: its status is %s", s.Name, s.Status)
	}
	client := awscall.New(config)
	r := &Redriver{Stack: s, Began: time.Now(), aws: client, queue: sqs.Queue{Client: client, URL: url}}
	if _, err := r.attributes(ctx); err != nil {
		return nil, err
	}
	r.Began = began(r.Began, time.Now().Add(client.Ahead(awscall.SQS)))
	return r, nil
}

// began returns when a run began, by the local clock unless SQS's is another. A Date header
// leaves out parts of seconds (RFC 9110, section 5.6.7): what is as old must not count as later.
func began(here, there time.Time) time.Time {
	if there.Sub(here).Abs() < clockDifference {
		return here
	}
	return there.Add(time.Second)
}

func (r *Redriver) attributes(ctx context.Context) (map[string]string, error) {
	out, err := r.queue.Attributes(ctx, sqs.Visible, sqs.InFlight)
	if err != nil {
		return nil, fmt.Errorf("counting the dead letters: %w", err)
	}
	return out, nil
}

// Count returns about how many messages the queue holds, and how many more are received and
// not deleted.
func (r *Redriver) Count(ctx context.Context) (visible, taken int, err error) {
	out, err := r.attributes(ctx)
	if err != nil {
		return 0, 0, err
	}
	visible, _ = strconv.Atoi(out[sqs.Visible]) // 0 if it is not a number
	taken, _ = strconv.Atoi(out[sqs.InFlight])
	return visible, taken, nil
}

// Outcome is the outcome of a letter.
type Outcome string

// The outcomes.
const (
	Shown  Outcome = "shown"  // and left in the queue
	Sent   Outcome = "sent"   // its function was invoked, and it is deleted
	Kept   Outcome = "kept"   // of unknown shape
	Failed Outcome = "failed" // not invoked, and left in the queue
	// Undeleted: its function was invoked, but the message could not be deleted. Sending it
	// once more does no harm.
	Undeleted Outcome = "undeleted"
)

// Handled is a letter and its outcome.
type Handled struct {
	Letter
	Outcome Outcome
	Err     error // of Failed and Undeleted
}

// Show reads all letters and leaves them in the queue. report is called for one letter at a
// time.
func (r *Redriver) Show(ctx context.Context, report func(Handled)) (later []string, err error) {
	var reporting sync.Mutex
	return r.each(ctx, func(_ context.Context, letters []Letter) (leave []Letter) {
		reporting.Lock()
		defer reporting.Unlock()
		for _, l := range letters {
			report(Handled{Letter: l, Outcome: Shown})
		}
		return letters
	})
}

// Send sends back the letters that wanted chooses. Letters of unknown shape, and those that
// cannot be sent, stay in the queue. report is called for one letter at a time. later holds
// the ids of the messages that were sent to the queue after the run began, and stay.
func (r *Redriver) Send(ctx context.Context, wanted func(Letter) bool, report func(Handled)) (later []string, err error) {
	var reporting sync.Mutex
	say := func(result Handled) {
		reporting.Lock()
		defer reporting.Unlock()
		report(result)
	}
	return r.each(ctx, func(ctx context.Context, letters []Letter) (leave []Letter) {
		var chosen []Letter
		for _, l := range letters {
			switch {
			case !wanted(l):
				leave = append(leave, l)
			case l.Unknown != "":
				leave = append(leave, l)
				say(Handled{Letter: l, Outcome: Kept})
			default:
				chosen = append(chosen, l)
			}
		}
		failures := make([]error, len(chosen))
		var invoking errgroup.Group
		for i, l := range chosen {
			invoking.Go(func() error {
				defer crash.Exit()
				failures[i] = r.invoke(ctx, l)
				return nil
			})
		}
		_ = invoking.Wait() // each letter has its own error
		var sent []Letter
		for i, l := range chosen {
			if failures[i] != nil {
				leave = append(leave, l)
				say(Handled{Letter: l, Outcome: Failed, Err: failures[i]})
			} else {
				sent = append(sent, l)
			}
		}
		// What was invoked is deleted even if Ctrl-C came in between.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseTime)
		defer cancel()
		undeleted := r.remove(ctx, sent)
		for _, l := range sent {
			if err := undeleted[l.ID]; err != nil {
				leave = append(leave, l)
				say(Handled{Letter: l, Outcome: Undeleted, Err: err})
			} else {
				say(Handled{Letter: l, Outcome: Sent})
			}
		}
		return leave
	})
}

// invoke invokes the letter's function asynchronously: the answer to a synchronous
// invocation would not go on to the findings queue.
func (r *Redriver) invoke(ctx context.Context, l Letter) error {
	header := http.Header{"Content-Type": {"application/json"}, "X-Amz-Invocation-Type": {"Event"}}
	return r.aws.REST(ctx, awscall.Lambda, "InvokeFunction", http.MethodPost, "/functions/"+url.PathEscape(l.functionName)+"/invocations", header, l.event, nil)
}

// remove deletes up to sqs.MaxBatch letters, and returns why some remain.
func (r *Redriver) remove(ctx context.Context, letters []Letter) map[string]error {
	failed := map[string]error{}
	if len(letters) == 0 {
		return failed
	}
	handles := make([]string, len(letters))
	for i, l := range letters {
		handles[i] = l.handle
	}
	remain, err := r.queue.Delete(ctx, handles)
	for i, l := range letters {
		if why := cmp.Or(err, remain[i]); why != nil {
			failed[l.ID] = why
		}
	}
	return failed
}

// held are letters that stay in the queue: they are hidden until the run ends, so that no
// receive returns them again.
type held struct {
	sync.Mutex
	handles map[string]string // by message id
}

func (h *held) hold(l Letter) {
	h.Lock()
	defer h.Unlock()
	h.handles[l.ID] = l.handle
}

// knows reports whether a letter is held; if so its handle is renewed, as an older one
// releases nothing.
func (h *held) knows(l Letter) bool {
	h.Lock()
	defer h.Unlock()
	if _, known := h.handles[l.ID]; !known {
		return false
	}
	h.handles[l.ID] = l.handle
	return true
}

// each passes every letter of the queue to handle once, up to sqs.MaxBatch at a time, and
// releases those that it returns when the run ends. Memory holds the bodies of a few batches,
// and ids of what stays. handle may be called from several goroutines.
func (r *Redriver) each(ctx context.Context, handle func(context.Context, []Letter) (leave []Letter)) (later []string, err error) {
	var arrived struct {
		sync.Mutex
		ids []string
	}
	left := &held{handles: map[string]string{}}
	receiving, ctx := errgroup.WithContext(ctx)
	for range receivers {
		receiving.Go(func() error {
			defer crash.Exit()
			for {
				letters, err := r.receive(ctx)
				if err != nil {
					return err
				}
				var fresh []Letter
				for _, l := range letters {
					switch {
					case left.knows(l):
					case l.Since.After(r.Began):
						left.hold(l)
						arrived.Lock()
						arrived.ids = append(arrived.ids, l.ID)
						arrived.Unlock()
					default:
						fresh = append(fresh, l)
					}
				}
				if len(letters) == 0 { // after a second: the queue has no more
					return nil
				}
				for _, l := range handle(ctx, fresh) {
					left.hold(l)
				}
			}
		})
	}
	err = receiving.Wait()
	return arrived.ids, errors.Join(err, r.release(ctx, left.handles))
}

// receive receives up to sqs.MaxBatch letters. It ends its call even after an interruption:
// messages of an answer that is not read would stay hidden.
func (r *Redriver) receive(ctx context.Context) ([]Letter, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseTime)
	defer cancel()
	messages, err := r.queue.Receive(ctx, sqs.Receiving{
		Wait: time.Second, Hidden: hidden, Attributes: []string{sqs.SentTimestamp}, MessageAttributes: []string{"All"},
	})
	if err != nil {
		return nil, fmt.Errorf("receiving dead letters: %w", err)
	}
	letters := make([]Letter, 0, len(messages))
	for _, m := range messages {
		letters = append(letters, read(m, r.Stack))
	}
	return letters, nil
}

// release makes messages visible at once, after an interruption too.
func (r *Redriver) release(ctx context.Context, handles map[string]string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseTime+time.Duration(len(handles))*10*time.Millisecond)
	defer cancel()
	var releasing errgroup.Group
	releasing.SetLimit(receivers)
	for batch := range slices.Chunk(slices.Collect(maps.Values(handles)), sqs.MaxBatch) {
		releasing.Go(func() error {
			defer crash.Exit()
			if err := r.queue.Release(ctx, batch); err != nil {
				return fmt.Errorf("releasing dead letters, which stay hidden for %d minutes: %w", int(hidden.Minutes()), err)
			}
			return nil
		})
	}
	return releasing.Wait()
}
