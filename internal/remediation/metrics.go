package remediation

import (
	"sync"
	"time"

	"sgward/internal/finding"
	"sgward/internal/metric"
	"sgward/internal/secgroup"
)

// tally counts the outcomes of a Run. The zero value is ready. It is safe for concurrent
// use. A message may be delivered more than once:
//
//   - the try that closes a rule counts it;
//   - each try counts its failures;
//   - the try that ends the message counts the other outcomes, such as an alert or a rule
//     that was gone; a delivery of the event or the message after that counts them again.
type tally struct {
	mu       sync.Mutex
	outcomes map[finding.Outcome]int
	exposure []float64 // seconds
	revoked  map[countedRule]bool
}

// countedRule is a rule in its group.
type countedRule struct {
	groupID, ruleID string
	permission      secgroup.Permission
}

// add counts a delivery that has ended.
func (t *tally) add(d *delivery, now time.Time) {
	done := d.err == nil
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.outcomes == nil {
		t.outcomes, t.revoked = map[finding.Outcome]int{}, map[countedRule]bool{}
	}
	for _, b := range d.batches {
		for _, c := range b.all() {
			switch c.outcome {
			case finding.OutcomeRevoked:
				at := countedRule{c.batch.group.ID, c.rule.ID, c.identity()}
				if c.earlier || t.revoked[at] { // another delivery of the event is in the same batch
					continue
				}
				t.revoked[at] = true
				if seconds := c.result().ExposureSeconds; seconds != nil {
					t.exposure = append(t.exposure, *seconds)
				}
			case finding.OutcomeFailed:
			case finding.OutcomeAlreadyClosed:
				if !done || d.retried(now) && !c.editedBack { // an earlier try may have counted it as revoked
					continue
				}
			default:
				if !done {
					continue
				}
			}
			t.outcomes[c.outcome]++
		}
	}
}

// metrics returns the counts.
func (t *tally) metrics() []metric.Metric {
	t.mu.Lock()
	defer t.mu.Unlock()
	return []metric.Metric{
		metric.Counted(metric.Revoked, t.outcomes[finding.OutcomeRevoked]),
		metric.Counted(metric.AlreadyClosed, t.outcomes[finding.OutcomeAlreadyClosed]),
		metric.Counted(metric.WouldRevoke, t.outcomes[finding.OutcomeWouldRevoke]),
		metric.Counted(metric.Alerted, t.outcomes[finding.OutcomeAlerted]),
		metric.Counted(metric.Failed, t.outcomes[finding.OutcomeFailed]),
		{Name: metric.ExposureSeconds, Unit: metric.Seconds, Values: t.exposure},
	}
}
