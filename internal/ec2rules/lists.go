package ec2rules

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"golang.org/x/sync/errgroup"

	"sgward/internal/crash"
	"sgward/internal/secgroup"
)

const (
	// entriesPerPage is the limit of GetManagedPrefixListEntries.
	entriesPerPage = 100
	// listsAtOnce bounds how many prefix lists are read at the same time.
	listsAtOnce = 4
)

// Reasons why entries are unknown although EC2 answers. Neither is transient: another
// call would get the same answer.
var (
	errBadEntry   = errors.New("an entry is not a CIDR")
	errInProgress = errors.New("EC2 does not show the new entries yet")
)

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
	// Known holds owner and entries of each list, as far as they could be read.
	Known map[string]secgroup.PrefixList
	// Unreadable gives the reason for every list that is not wholly known.
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

// ListReader reads managed prefix lists. *ec2.Client implements it.
type ListReader interface {
	EntryReader
	ListDescriber
}

// Lists reads prefix lists and caches them. It is safe for concurrent use.
type Lists struct {
	client ListReader
	mu     sync.Mutex
	read   map[string]listRead
}

type listRead struct {
	owner   string // "" if unknown
	entries []ListEntry
	err     error  // why the entries are unknown
	unowned string // why the owner is unknown
}

// NewLists returns Lists with an empty cache.
func NewLists(client ListReader) *Lists {
	return &Lists{client: client, read: map[string]listRead{}}
}

// Read returns owners and entries of lists, as of the first read of each. What may not be
// read is unknown, and so are the entries of a list whose edit is in progress: Unreadable
// gives the reason. An error is ctx's or transient; which lists failed is then unknown.
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
	out := PrefixLists{Known: map[string]secgroup.PrefixList{}, Unreadable: map[string]string{}}
	for _, id := range ids {
		list := l.read[id]
		known := secgroup.PrefixList{OwnerID: list.owner}
		switch {
		case list.err == nil:
			known.Entries = Ranges(list.entries)
			if list.unowned != "" {
				out.Unreadable[id] = list.unowned
			}
		case ErrorCode(list.err) == "": // its content or its state is at fault
			out.Unreadable[id] = list.err.Error()
		default:
			out.Unreadable[id] = fmt.Sprintf("%s cannot be read (%s, %s)", id, ErrorCode(list.err), ErrorMessage(list.err))
		}
		out.Known[id] = known
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
	if len(ids) == 0 {
		return nil
	}
	results := make([]listRead, len(ids))
	// The state comes first: of a list that is at rest then, what is read afterwards is
	// no older.
	states, err := statesOfLists(ctx, l.client, ids)
	if err != nil && IsTransient(err) {
		return err
	}
	for i, id := range ids {
		switch state, shown := states[id]; {
		case err != nil:
			results[i].unowned = fmt.Sprintf("who owns %s cannot be read (%s)", id, ErrorText(err))
		case !shown:
			results[i].unowned = fmt.Sprintf("who owns %s is not known: EC2 does not show it", id)
		default:
			results[i].owner = state.OwnerID
			if state.InProgress() {
				results[i].err = fmt.Errorf("%s is %s: %w", id, state, errInProgress)
			}
		}
	}
	var workers errgroup.Group
	workers.SetLimit(listsAtOnce)
	for i, id := range ids {
		if results[i].err != nil {
			continue
		}
		workers.Go(func() error {
			defer crash.Exit()
			results[i].entries, results[i].err = Entries(ctx, l.client, id, 0)
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
	OwnerID string
}

// Complete reports that no edit is in progress.
func (s ListState) Complete() bool { return strings.HasSuffix(s.State, "-complete") }

// InProgress reports that an edit is in progress: EC2 still shows the old entries.
func (s ListState) InProgress() bool { return strings.HasSuffix(s.State, "-in-progress") }

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
	return stateOf(out.PrefixLists[0]), nil
}

func stateOf(l types.ManagedPrefixList) ListState {
	return ListState{string(l.State), aws.ToInt64(l.Version), aws.ToString(l.OwnerId)}
}

// listsPerCall is how many values a filter of EC2 takes.
const listsPerCall = 200

// statesOfLists reads the states of prefix lists by id. Those that EC2 does not show
// are left out: asked for by filter, one of them fails no call.
func statesOfLists(ctx context.Context, client ListDescriber, ids []string) (map[string]ListState, error) {
	out := map[string]ListState{}
	for some := range slices.Chunk(ids, listsPerCall) {
		pages := ec2.NewDescribeManagedPrefixListsPaginator(client, &ec2.DescribeManagedPrefixListsInput{
			Filters: []types.Filter{{Name: aws.String("prefix-list-id"), Values: some}},
		})
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				return nil, fmt.Errorf("reading the owners of prefix lists: %w", err)
			}
			for _, l := range page.PrefixLists {
				out[aws.ToString(l.PrefixListId)] = stateOf(l)
			}
		}
	}
	return out, nil
}

// ListUseReader reads which resources use a managed prefix list. *ec2.Client implements it.
type ListUseReader interface {
	GetManagedPrefixListAssociations(context.Context, *ec2.GetManagedPrefixListAssociationsInput, ...func(*ec2.Options)) (*ec2.GetManagedPrefixListAssociationsOutput, error)
}

// ListUse is a resource that uses a prefix list, such as a security group.
type ListUse struct{ Owner, Resource string }

// ListUses reads which resources use a list, sorted. To the owner of a shared list EC2
// shows the resources of all accounts.
func ListUses(ctx context.Context, client ListUseReader, listID string) ([]ListUse, error) {
	pages := ec2.NewGetManagedPrefixListAssociationsPaginator(client, &ec2.GetManagedPrefixListAssociationsInput{PrefixListId: &listID})
	var out []ListUse
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("reading the users of prefix list %s: %w", listID, err)
		}
		for _, a := range page.PrefixListAssociations {
			out = append(out, ListUse{aws.ToString(a.ResourceOwner), aws.ToString(a.ResourceId)})
		}
	}
	slices.SortFunc(out, func(a, b ListUse) int {
		return cmp.Or(cmp.Compare(a.Owner, b.Owner), cmp.Compare(a.Resource, b.Resource))
	})
	return out, nil
}
