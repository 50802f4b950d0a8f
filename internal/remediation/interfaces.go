package remediation

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"sgward/internal/ec2rules"
	"sgward/internal/finding"
)

const (
	// maxInterfaces limits the interfaces of one group in an alert.
	maxInterfaces = 50
	// maxExposedGroups limits the groups of one event that are read.
	maxExposedGroups = 3
	// exposureTime limits the time for reading them.
	exposureTime = 2 * time.Second
)

// expose adds the network interfaces in the groups of its openings to an alert. They are
// context for people, read after the revoke; if they cannot be read, the alert says why.
func (r *invocation) expose(ctx context.Context, a *finding.Alert) {
	var groups []string
	for _, r := range a.Findings {
		switch r.Outcome {
		case finding.OutcomeAlerted, finding.OutcomeExempt:
			continue // these are left open, and the group may be any
		}
		if r.GroupID != "" && r.AccountID == a.Event.AccountID && !slices.Contains(groups, r.GroupID) {
			groups = append(groups, r.GroupID)
		}
	}
	if len(groups) == 0 {
		return
	}
	if len(groups) > maxExposedGroups {
		a.ExposedError = fmt.Sprintf("only %d of %d groups were read", maxExposedGroups, len(groups))
		groups = groups[:maxExposedGroups]
	}
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) < 2*exposureTime {
		a.ExposedError = "not read: too little time was left"
		return
	}
	ctx, cancel := context.WithTimeout(ctx, exposureTime)
	defer cancel()
	for _, id := range groups {
		found := r.interfaces.of(id)
		found.once.Do(func() {
			found.list, found.err = ec2rules.Interfaces(ctx, r.EC2, id, maxInterfaces+1)
			if found.err != nil {
				r.Logger.WarnContext(ctx, "interfaces not read", "groupId", id, "errorCode", ec2rules.ErrorCode(found.err), "error", found.err.Error())
			}
		})
		if found.err != nil {
			a.ExposedError = found.err.Error()
			return
		}
		list := found.list
		if len(list) > maxInterfaces {
			list = list[:maxInterfaces]
			a.ExposedError = fmt.Sprintf("more than %d network interfaces use %s", maxInterfaces, id)
		}
		if a.Exposed == nil {
			a.Exposed = []finding.Interface{} // they were read
		}
		a.Exposed = append(a.Exposed, list...)
	}
}

// interfaces are read once for each group and batch, failures too: a storm on one group
// costs one read, and a read that hangs is waited for once. The zero value is ready. It is
// safe for concurrent use.
type interfaces struct {
	mu     sync.Mutex
	groups map[string]*groupInterfaces
}

type groupInterfaces struct {
	once sync.Once
	list []finding.Interface
	err  error
}

func (i *interfaces) of(groupID string) *groupInterfaces {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.groups[groupID] == nil {
		if i.groups == nil {
			i.groups = map[string]*groupInterfaces{}
		}
		i.groups[groupID] = &groupInterfaces{}
	}
	return i.groups[groupID]
}
