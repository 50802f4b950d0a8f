package stage

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"

	"sgward/drill/oracle"
	"sgward/localaws/queue"
)

// leadBack invokes the function that takes a dead letter's event, asynchronously, with that event.
func (s *stage) leadBack(m queue.Message) error {
	raw := json.RawMessage(m.Body)
	var envelope struct {
		RequestPayload json.RawMessage `json:"requestPayload"`
	}
	if err := json.Unmarshal(raw, &envelope); err != nil {
		return fmt.Errorf("reading dead letter: %w", err)
	}
	if envelope.RequestPayload != nil {
		raw = envelope.RequestPayload
	}
	var event struct {
		Type   string `json:"detail-type"`
		Detail struct {
			EventName string `json:"eventName"`
		} `json:"detail"`
	}
	err := json.Unmarshal(raw, &event)
	function := detect
	switch {
	case event.Type == "Scheduled Event", event.Detail.EventName == "ModifyManagedPrefixList":
		function = sweep
	case err != nil, event.Detail.EventName == "":
		return fmt.Errorf("a dead letter holds no event: %.300s", m.Body)
	}
	stack := s.stack.Load()
	q := stack.Template().Queues[findingsQueue]
	if m.SourceARN == q.ARN { // the time that its tries take on AWS
		raw = aged(raw, time.Duration(m.ReceiveCount)*q.VisibilityTimeout)
	}
	return stack.InvokeAsync(function, raw)
}

// undo has the command line undo some closings and compares the rules.
func (s *stage) undo(ctx context.Context, r *Result) {
	s.bus.close() // or the functions would close again what it opens
	if s.Undo == 0 {
		return
	}
	stack := s.stack.Load()
	stack.EC2().SetReadLag(0) // a person comes minutes later
	s.bus.mu.Lock()
	closed := s.bus.ledger.ClosedByRemediate()
	s.bus.mu.Unlock()
	dir, err := os.MkdirTemp("", "drill")
	if err != nil {
		r.Violations = append(r.Violations, oracle.Violation{Invariant: oracle.UndoInexact, Text: err.Error()})
		return
	}
	defer func() { _ = os.RemoveAll(dir) }()
	messages := stack.SNS().Messages()
	for i := len(messages) - 1; i >= 0 && r.Undone < s.Undo; i-- { // the latest: the history that undo asks is long
		body := messages[i].For("default")
		a, err := oracle.ReadAlert(body, messages[i].Published)
		if err != nil {
			continue
		}
		at := slices.IndexFunc(a.Findings, func(f oracle.Finding) bool {
			// Of an edit whose answer was lost the alert may name earlier values.
			return f.Outcome == "revoked" && f.Rule != nil && closed[f.Rule.ID].ID != "" && f.Values() == closed[f.Rule.ID].Values
		})
		if at < 0 {
			continue
		}
		want := closed[a.Findings[at].Rule.ID]
		s.bus.mu.Lock()
		_, there := s.bus.ledger.Held(want.Group)[want.Values]
		s.bus.mu.Unlock()
		if there { // somebody has made it again
			continue
		}
		r.Undone++
		label := s.labels.of(a.Event.ID)
		complain := func(text string, args ...any) {
			r.Violations = append(r.Violations, oracle.Violation{Invariant: oracle.UndoInexact, Op: label, Scene: s.bus.ops[label].scene, Text: fmt.Sprintf(text, args...)})
		}
		path := filepath.Join(dir, "alert.json")
		if err := os.WriteFile(path, []byte(body), 0o600); err != nil {
			complain("%s", err)
			return
		}
		out, err := s.runUndo(ctx, path, a.Findings[at].ID)
		if err != nil {
			complain("%s: %s", err, out)
			continue
		}
		s.bus.mu.Lock()
		description, there := s.bus.ledger.Held(want.Group)[want.Values]
		s.bus.mu.Unlock()
		if !there || description != want.Description {
			complain("%s in %s: want description %q, got %q (there: %t): %s", want.Values, want.Group, want.Description, description, there, out)
		}
	}
}

// runUndo runs `sgward undo` of a finding of an alert. Status 3 says that the policy forbids what is now back. CloudTrail's
// stand-in has the call at a time that is not compressed, so undo may not find it where the alert's times say.
func (s *stage) runUndo(ctx context.Context, alert, finding string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, filepath.Join(s.Build, "sgward"), "undo", "--yes", "--even-if-forbidden", "--even-if-unconfirmed", "--quiet", "--finding", finding,
		"--policy", filepath.Join(s.Root, "drill", "policy.yaml"), "--region", region, "--endpoint-url", s.stack.Load().Endpoint(), alert)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + filepath.Dir(alert), "AWS_ACCESS_KEY_ID=" + undoKey, "AWS_SECRET_ACCESS_KEY=secret",
		"AWS_EC2_METADATA_DISABLED=true"}
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState != nil && cmd.ProcessState.ExitCode() == 3 {
		err = nil
	}
	return out, err
}
