package stage

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"sgward/drill/history"
	"sgward/drill/oracle"
	"sgward/internal/crash"
)

// labels name the ids of one run in a way that is the same in every run.
type labels struct {
	mu   sync.Mutex
	byID map[string]string
}

func (l *labels) set(id, label string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.byID == nil {
		l.byID = map[string]string{}
	}
	l.byID[id] = label
}

func (l *labels) of(id string) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.byID[id]
}

// anEventID finds the first event id in a payload, however often it is quoted.
var anEventID = regexp.MustCompile(`event(?:ID|Id)\\*":\s*\\*"([0-9a-f-]{36})`)

// inPayload names the first event in a payload.
func (l *labels) inPayload(payload []byte) string {
	if found := anEventID.FindSubmatch(payload); found != nil {
		if label := l.of(string(found[1])); label != "" {
			return label
		}
	}
	return "-"
}

// plannedOp is an op with the name of its scene.
type plannedOp struct {
	scene string
	op    history.Op
}

// bus is the event bus with what CloudTrail records. It delivers late, more than once and out of order.
type bus struct {
	stage   *stage
	ops     map[string]plannedOp // by id
	pending atomic.Int64
	putting sync.Mutex // held while an event is put, for those that cannot be delivered

	mu         sync.Mutex
	closed     bool
	ledger     *oracle.Ledger
	deliveries map[string]oracle.Delivery // by event id
	events     map[string][]byte          // the last event of an op
	err        error
}

var ofOp = regexp.MustCompile(`app/([0-9]+\.[0-9]+)`)

// take takes a record in the order of the calls.
func (b *bus) take(raw []byte) {
	var event struct {
		Detail struct {
			EventID   string `json:"eventID"`
			ErrorCode string `json:"errorCode"`
			UserAgent string `json:"userAgent"`
		} `json:"detail"`
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	err := json.Unmarshal(raw, &event)
	if err == nil {
		err = b.ledger.Add(raw)
	}
	if err != nil {
		b.err = err
		return
	}
	found := ofOp.FindStringSubmatch(event.Detail.UserAgent)
	if found == nil || event.Detail.ErrorCode != "" || b.closed {
		return
	}
	planned, ok := b.ops[found[1]]
	if !ok {
		return
	}
	id := event.Detail.EventID
	b.stage.labels.set(id, planned.op.ID)
	b.events[planned.op.ID] = raw
	way := planned.op.Event
	b.deliveries[id] = oracle.Delivery{Op: planned.op.ID, Scene: planned.scene, Withheld: way.Withheld || planned.op.Do == history.Revoke, Form: string(way.Form), Copies: len(way.CopiesMS)}
	if b.deliveries[id].Withheld {
		return
	}
	b.deliver(way, formed(aged(raw, time.Duration(way.AgeS)*time.Second), way.Form))
}

// replay sends the event of an op again as EventBridge does from an archive.
func (b *bus) replay(op history.Op) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	raw, ok := b.events[op.Of]
	if !ok {
		return nil // its call was refused
	}
	for id, d := range b.deliveries {
		if d.Op == op.Of {
			d.Replayed = true
			b.deliveries[id] = d
		}
	}
	raw = with(aged(raw, 90*24*time.Hour), []string{"replay-name"}, `"drill"`)
	b.deliver(op.Event, raw)
	return nil
}

// deliver sends an event on its way.
func (b *bus) deliver(way history.Event, raw []byte) {
	for i, delay := range slices.Concat([]int{way.DelayMS}, way.CopiesMS) {
		b.pending.Add(1)
		time.AfterFunc(time.Duration(delay)*time.Millisecond, func() {
			defer crash.Exit()
			defer b.pending.Add(-1)
			b.put(raw, way.Dead && i == 0)
		})
	}
}

func (b *bus) put(raw []byte, dead bool) {
	b.putting.Lock()
	defer b.putting.Unlock()
	stack := b.stage.stack.Load()
	if dead {
		stack.FailHandOvers(1)
	}
	stack.PutEvent(raw)
}

// wait waits until no event is on its way.
func (b *bus) wait(ctx context.Context) error {
	for b.pending.Load() > 0 {
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for events: %w", ctx.Err())
		case <-time.After(5 * time.Millisecond):
		}
	}
	return nil
}

// close keeps further events from the functions.
func (b *bus) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
}

func (b *bus) broken() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.err
}

// formed gives a record another form than EC2's of today.
func formed(raw []byte, form history.Form) []byte {
	var event struct {
		Detail struct {
			Request struct {
				GroupID string `json:"groupId"`
			} `json:"requestParameters"`
		} `json:"detail"`
	}
	if form == history.Whole || json.Unmarshal(raw, &event) != nil {
		return raw
	}
	if form == history.NoRules {
		raw = with(raw, []string{"detail", "requestParameters"}, `{"groupId":`+strconv.Quote(event.Detail.Request.GroupID)+`,"ipPermissions":{}}`)
	}
	return with(raw, []string{"detail", "responseElements"}, `{"_return":true}`)
}
