package ec2rules

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"golang.org/x/sync/errgroup"

	"sgward/internal/crash"
)

const (
	// entriesPerPage is the limit of GetManagedPrefixListEntries.
	entriesPerPage = 100
	// listsAtOnce bounds how many prefix lists are read at the same time.
	listsAtOnce = 4
)

// errBadEntry is not transient: another call would get the same answer.
var errBadEntry = errors.New("an entry is not a CIDR")

// EntryReader reads the entries of managed prefix lists. *ec2.Client implements it.
type EntryReader interface {
	GetManagedPrefixListEntries(context.Context, *ec2.GetManagedPrefixListEntriesInput, ...func(*ec2.Options)) (*ec2.GetManagedPrefixListEntriesOutput, error)
}

// ListEntry is an address range in a prefix list.
type ListEntry struct {
	CIDR        netip.Prefix // masked
	Description string
}

// Entries reads all entries of a version of a managed prefix list, or of the current one
// if version is 0. An entry that is not a CIDR is an error that is not transient: half of
// a list could make an open rule look safe.
func Entries(ctx context.Context, client EntryReader, listID string, version int64) ([]ListEntry, error) {
	in := &ec2.GetManagedPrefixListEntriesInput{PrefixListId: aws.String(listID), MaxResults: aws.Int32(entriesPerPage)}
	if version > 0 {
		in.TargetVersion = aws.Int64(version)
	}
	pages := ec2.NewGetManagedPrefixListEntriesPaginator(client, in)
	var out []ListEntry
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("reading prefix list %s: %w", listID, err)
		}
		for _, e := range page.Entries {
			p, err := netip.ParsePrefix(aws.ToString(e.Cidr))
			if err != nil {
				return nil, fmt.Errorf("reading prefix list %s: %q: %w", listID, aws.ToString(e.Cidr), errBadEntry)
			}
			out = append(out, ListEntry{p.Masked(), aws.ToString(e.Description)})
		}
	}
	return out, nil
}

// Ranges returns the ranges of entries as a policy takes them: never nil, because an empty
// list is known to be empty.
func Ranges(entries []ListEntry) []netip.Prefix {
	out := make([]netip.Prefix, len(entries))
	for i := range entries {
		out[i] = entries[i].CIDR
	}
	return out
}

// PrefixLists holds the prefix lists that were read.
type PrefixLists struct {
	// Entries are the ranges of each list that could be read, none for an empty list.
	Entries map[string][]netip.Prefix
	// Unreadable gives the reason for every other list.
	Unreadable map[string]string
}

// Why returns the reasons for those lists that could not be read, in order.
func (p PrefixLists) Why(ids []string) []string {
	var out []string
	for _, id := range ids {
		if why := p.Unreadable[id]; why != "" {
			out = append(out, why)
		}
	}
	return out
}

// Lists reads prefix lists and caches them. It is safe for concurrent use.
type Lists struct {
	client EntryReader
	mu     sync.Mutex
	read   map[string]listRead
}

type listRead struct {
	entries []ListEntry
	err     error
}

// NewLists returns Lists with an empty cache.
func NewLists(client EntryReader) *Lists {
	return &Lists{client: client, read: map[string]listRead{}}
}

// Read returns the entries of lists, as of the first read of each. A list that may not be
// read (often a shared one) is unknown, and Unreadable gives the reason. An error is ctx's
// or transient; which lists failed is then unknown.
func (l *Lists) Read(ctx context.Context, ids []string) (PrefixLists, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var missing []string
	for _, id := range ids {
		if _, known := l.read[id]; !known {
			missing = append(missing, id)
		}
	}
	if err := l.readMissing(ctx, missing); err != nil {
		return PrefixLists{}, err
	}
	out := PrefixLists{Entries: map[string][]netip.Prefix{}, Unreadable: map[string]string{}}
	for _, id := range ids {
		switch list := l.read[id]; {
		case list.err == nil:
			out.Entries[id] = Ranges(list.entries)
		case ErrorCode(list.err) == "": // its content is at fault
			out.Unreadable[id] = list.err.Error()
		default:
			out.Unreadable[id] = fmt.Sprintf("%s cannot be read (%s, %s)", id, ErrorCode(list.err), ErrorMessage(list.err))
		}
	}
	return out, nil
}

// Held returns the cached entries of a list; none if it was not read.
func (l *Lists) Held(id string) []ListEntry {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.read[id].entries
}

func (l *Lists) readMissing(ctx context.Context, ids []string) error {
	results := make([]listRead, len(ids))
	var workers errgroup.Group
	workers.SetLimit(listsAtOnce)
	for i, id := range ids {
		workers.Go(func() error {
			defer crash.Exit()
			entries, err := Entries(ctx, l.client, id, 0)
			results[i] = listRead{entries, err}
			return nil
		})
	}
	_ = workers.Wait() // each list has its own error
	var transient error
	for i, id := range ids {
		if err := results[i].err; err != nil && IsTransient(err) {
			if transient == nil {
				transient = err
			}
			continue
		}
		l.read[id] = results[i]
	}
	return transient
}

// ListDescriber reads the state of managed prefix lists. *ec2.Client implements it.
type ListDescriber interface {
	DescribeManagedPrefixLists(context.Context, *ec2.DescribeManagedPrefixListsInput, ...func(*ec2.Options)) (*ec2.DescribeManagedPrefixListsOutput, error)
}

// ListState is the progress of the last edit of a prefix list. The zero value means that
// EC2 does not list it.
type ListState struct {
	State   string // EC2's state, such as modify-in-progress
	Version int64
}

// Complete reports that no edit is in progress.
func (s ListState) Complete() bool { return strings.HasSuffix(s.State, "-complete") }

func (s ListState) String() string {
	if s.State == "" {
		return "not shown"
	}
	return fmt.Sprintf("%s at version %d", s.State, s.Version)
}

// StateOfList reads the state of a managed prefix list.
func StateOfList(ctx context.Context, client ListDescriber, listID string) (ListState, error) {
	out, err := client.DescribeManagedPrefixLists(ctx, &ec2.DescribeManagedPrefixListsInput{PrefixListIds: []string{listID}})
	if err != nil {
		return ListState{}, fmt.Errorf("reading the state of prefix list %s: %w", listID, err)
	}
	if len(out.PrefixLists) != 1 {
		return ListState{}, nil
	}
	return ListState{string(out.PrefixLists[0].State), aws.ToInt64(out.PrefixLists[0].Version)}, nil
}
