package remediation

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"sgward/internal/policy"
	"sgward/internal/secgroup"
)

// What a read can find, beside EC2's own errors.
var (
	errNoSuchGroup = errors.New("no such security group")
	errBadEntry    = errors.New("an entry is no CIDR")
)

// readGroup reads a group's name, VPC and tags, by id or, in the default VPC, by
// name. The error is errNoSuchGroup where EC2 does not show it.
func readGroup(ctx context.Context, client GroupReader, g policy.Group) (policy.Group, error) {
	in := &ec2.DescribeSecurityGroupsInput{}
	if g.ID != "" {
		in.GroupIds = []string{g.ID}
	} else {
		in.GroupNames = []string{g.Name}
	}
	out, err := client.DescribeSecurityGroups(ctx, in)
	if IsGroupNotFound(err) || err == nil && len(out.SecurityGroups) == 0 {
		return g, fmt.Errorf("reading group %s%s: %w", g.ID, g.Name, errNoSuchGroup)
	}
	if err != nil {
		return g, fmt.Errorf("reading group %s%s: %w", g.ID, g.Name, err)
	}
	return ReadGroup(out.SecurityGroups[0]), nil
}

// prefixLists reads the entries of managed prefix lists, each once. It is safe
// for concurrent use.
type prefixLists struct {
	client GroupReader
	mu     sync.Mutex
	read   map[string]prefixList
}

type prefixList struct {
	entries []netip.Prefix
	err     error
}

// of returns the entries of the lists that the rules name. A list that this
// account may not or cannot read is left out, and why is in unreadable. A passing
// error is an error: asked again, the list may well be readable.
func (l *prefixLists) of(ctx context.Context, rules []secgroup.Rule) (lists map[string][]netip.Prefix, unreadable []string, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	lists = map[string][]netip.Prefix{}
	asked := map[string]bool{}
	for _, r := range rules {
		id := r.Permission.Peer.PrefixList()
		if id == "" || asked[id] {
			continue
		}
		asked[id] = true
		list, known := l.read[id]
		if !known {
			entries, err := ReadPrefixList(ctx, l.client, id, 0)
			if err != nil && IsTransient(err) {
				return nil, nil, err
			}
			list = prefixList{Ranges(entries), err}
			l.read[id] = list
		}
		if list.err != nil {
			unreadable = append(unreadable, list.err.Error())
			continue
		}
		lists[id] = list.entries
	}
	return lists, unreadable, nil
}

// ListEntry is a range that a prefix list holds.
type ListEntry struct {
	CIDR        netip.Prefix // masked
	Description string
}

// entriesPerPage is the most of GetManagedPrefixListEntries.
const entriesPerPage = 100

// ReadPrefixList reads all entries of a managed prefix list, of the version that it
// shows now where version is 0. An entry that is no CIDR is an error, which is not
// transient: half of a list could make what is open look safe.
func ReadPrefixList(ctx context.Context, client GroupReader, id string, version int64) ([]ListEntry, error) {
	in := &ec2.GetManagedPrefixListEntriesInput{PrefixListId: aws.String(id), MaxResults: aws.Int32(entriesPerPage)}
	if version > 0 {
		in.TargetVersion = aws.Int64(version)
	}
	pages := ec2.NewGetManagedPrefixListEntriesPaginator(client, in)
	var out []ListEntry
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("reading prefix list %s: %w", id, err)
		}
		for _, e := range page.Entries {
			p, err := netip.ParsePrefix(aws.ToString(e.Cidr))
			if err != nil {
				return nil, fmt.Errorf("reading prefix list %s: %q: %w", id, aws.ToString(e.Cidr), errBadEntry)
			}
			out = append(out, ListEntry{p.Masked(), aws.ToString(e.Description)})
		}
	}
	return out, nil
}

// Ranges are what entries of prefix lists hold, as the policy takes them: never nil,
// as an empty list is known to hold nothing.
func Ranges(entries []ListEntry) []netip.Prefix {
	out := make([]netip.Prefix, len(entries))
	for i := range entries {
		out[i] = entries[i].CIDR
	}
	return out
}
