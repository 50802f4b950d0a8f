package remediation

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"sgward/internal/ec2rules"
	"sgward/internal/finding"
	"sgward/internal/secgroup"
)

const (
	// maxInterfaces limits the interfaces of one group in an alert.
	maxInterfaces = 50
	// maxExposedGroups limits the groups of one event that are read.
	maxExposedGroups = 3
	// exposureTime limits the time for reading them.
	exposureTime = 2 * time.Second
)

// describe adds context for people to an alert: the names and owners of its groups, the
// network interfaces that use its closed ones, and the access to offer in place of a closed
// rule. It is read after the revoke. Whatever cannot be read is left out; the alert says so
// of interfaces.
func (r *invocation) describe(ctx context.Context, a *finding.Alert) {
	var groups, used []string
	for _, result := range a.Findings {
		id := result.GroupID
		if result.Outcome == finding.OutcomeExempt || id == "" || result.AccountID != a.Event.AccountID {
			continue
		}
		if !slices.Contains(groups, id) {
			groups = append(groups, id)
		}
		// An alerted group may be any.
		if result.Outcome != finding.OutcomeAlerted && !slices.Contains(used, id) {
			used = append(used, id)
		}
	}
	if len(groups) == 0 {
		return
	}
	groups = groups[:min(len(groups), maxExposedGroups)]
	if len(used) > maxExposedGroups {
		a.ExposedError = fmt.Sprintf("only %d of %d groups were read", maxExposedGroups, len(used))
		used = used[:maxExposedGroups]
	}
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) < 2*exposureTime {
		if len(used) > 0 {
			a.ExposedError = "not read: too little time was left"
		}
		return
	}
	ctx, cancel := context.WithTimeout(ctx, exposureTime)
	defer cancel()
	for _, id := range groups {
		r.name(ctx, a, id)
	}
	r.expose(ctx, a, used)
}

// name adds the name, VPC, owner and stack of one group to the findings in it, and their
// fixes.
func (r *invocation) name(ctx context.Context, a *finding.Alert, id string) {
	read, err := r.groups.get(id, func() (out described, err error) {
		if out.group, out.clients, err = ec2rules.DescribeGroupAndClients(ctx, r.EC2, id); err != nil {
			r.Logger.WarnContext(ctx, "group not described", "groupId", id, "errorCode", ec2rules.ErrorCode(err), "error", err.Error())
		}
		return out, err
	})
	for i := range a.Findings {
		f := &a.Findings[i]
		if f.GroupID != id {
			continue
		}
		if err == nil {
			f.GroupName, f.VPCID = cmp.Or(f.GroupName, read.group.Name), cmp.Or(f.VPCID, read.group.VPCID)
			f.Owner, f.StackName = r.Policy.Owner(&read.group), stackOf(&read)
		}
		r.fix(a, f, &read.group, read.clients)
	}
}

// expose adds the network interfaces in groups.
func (r *invocation) expose(ctx context.Context, a *finding.Alert, groups []string) {
	for _, id := range groups {
		list, err := r.interfaces.get(id, func() ([]finding.Interface, error) {
			list, err := ec2rules.Interfaces(ctx, r.EC2, id, maxInterfaces+1)
			if err != nil {
				r.Logger.WarnContext(ctx, "interfaces not read", "groupId", id, "errorCode", ec2rules.ErrorCode(err), "error", err.Error())
			}
			return list, err
		})
		if err != nil {
			a.ExposedError = err.Error()
			return
		}
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

// reads caches the results of reads by key, failures too: a storm on one group costs one
// read of each kind, and one wait for a read that hangs. The zero value is ready. It is safe
// for concurrent use.
type reads[T any] struct {
	mu sync.Mutex
	of map[string]*cached[T]
}

type cached[T any] struct {
	done  chan struct{}
	value T
	err   error
}

// get returns the result of read for key. It calls read on the first use of the key.
func (r *reads[T]) get(key string, read func() (T, error)) (T, error) {
	r.mu.Lock()
	known := r.of[key]
	if known != nil {
		r.mu.Unlock()
		<-known.done
		return known.value, known.err
	}
	if r.of == nil {
		r.of = map[string]*cached[T]{}
	}
	known = &cached[T]{done: make(chan struct{})}
	r.of[key] = known
	r.mu.Unlock()
	defer close(known.done)
	known.value, known.err = read()
	return known.value, known.err
}

// described is a group with the groups that it lets in.
type described struct {
	group   secgroup.Group
	clients []secgroup.Peer
}
