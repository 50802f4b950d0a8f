package inventory

import (
	"context"
	"encoding/json/jsontext"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/netip"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"sgward/internal/crash"
	"sgward/internal/secgroup"
	"sgward/internal/text"
)

const wantDump = "want the whole answer of aws ec2 describe-security-groups or describe-security-group-rules in JSON: an object with SecurityGroups or SecurityGroupRules"

// What a crafted file could make endless is bounded.
const (
	// maxElement is the length of an element, many times that of a group with the 1,000
	// rules that EC2 may allow.
	maxElement = 4 << 20
	// maxOther is the length of a member that is skipped.
	maxOther = 64 << 20
	// maxName is the length of a name or id. EC2 allows 255 characters.
	maxName = 1024
	// maxProblem is the length of a problem, which may repeat text of the source.
	maxProblem = 1024
	// maxUnusable is how many elements of a source may be unusable before it is given up.
	maxUnusable = 1000
	// maxMembers is how many members an answer may have that are unknown here.
	maxMembers = 100
	// maxKept is the memory for all that is kept of all sources: about two million rules.
	maxKept = 1 << 30
	// groupCost and itemCost are about what a group without its rules takes, and a rule, an
	// interface or an entry, beside the bytes of their JSON.
	groupCost = 512
	itemCost  = 256
	// tagCost and addressCost are that of a tag, and of an address of an interface.
	tagCost     = 64
	addressCost = 16
)

// errTooMuch is of sources that together would take more memory than maxKept.
var errTooMuch = fmt.Errorf("holds more groups and rules than can be judged at once, in %d MB of memory: audit the files of fewer accounts or regions at a time", maxKept>>20)

// ReadDumps reads answers of the AWS CLI, of any version: of describe-security-groups,
// describe-security-group-rules, describe-network-interfaces, describe-prefix-lists and
// get-managed-prefix-list-entries, in any number and order. region is that of dumps
// that do not tell it ("" for none). A source that cannot be read or understood whole
// is a Problem, and what can be is judged. progress, where it is not nil, takes the
// number of bytes read since it was called last, from one goroutine. The error is
// ctx's, or names the source at which all together became too much to hold.
func ReadDumps(ctx context.Context, sources []Source, region string, progress func(int)) (*Snapshot, error) {
	d := newDumps(maxKept)
	if err := d.readAll(ctx, sources, progress); err != nil {
		return nil, fmt.Errorf("reading dumps: %w", err)
	}
	if d.interfacesMissing {
		clear(d.covered)
	}
	if len(sources) > 0 && !d.ofGroups && len(d.problems) == 0 {
		var names []string
		for _, s := range sources {
			names = append(names, s.Name)
		}
		d.problems = []Problem{{text.First(names, 1, " "), "no security groups are told of; " + wantDump}}
	}
	s := d.snapshot(region)
	s.RulesMissing = d.rulesMissing
	for _, id := range PrefixLists(s.Groups) {
		if s.Lists.Entries[id] == nil {
			s.Lists.Unreadable[id] = fmt.Sprintf("no dump tells the entries of %s (aws ec2 get-managed-prefix-list-entries --prefix-list-id %s > %s.json makes one)", id, id, id)
		}
	}
	return s, nil
}

// dumps puts together what dumps tell.
type dumps struct {
	joint
	made              chan func() secgroup.Group // that are to be added; joint's groups belong to whoever takes them
	room              int64                      // bytes of memory that may still be taken
	interfacesMissing bool                       // some, of nobody knows which groups
	rulesMissing      bool                       // a list of rules of some group
	ofGroups          bool                       // a list of groups or rules was there, if only an empty one
}

// dump is a source that is being read.
type dump struct {
	*dumps
	in           *input
	name         string
	listID       string                    // of Entries, by the source's name
	pending      map[string][]netip.Prefix // prefix lists, of which the rest may be missing
	missing      map[string][]string       // groups, by the list of rules that they do not have
	ofLists      bool                      // it has a list that is known here
	ofInterfaces bool
	unnamed      bool // it has entries of nobody knows which prefix list
	incomplete   bool // more pages follow
	index        int  // of the element that is being read, from 1; 0 outside of a list
	unusable     int  // elements
	faults       int  // problems of this source
}

func newDumps(room int64) *dumps { return &dumps{joint: newJoint(), room: room} }

// readAll reads sources, one after the other. Groups are made and added in a goroutine of
// their own, in the order in which they were read.
func (d *dumps) readAll(ctx context.Context, sources []Source, progress func(int)) error {
	d.made = make(chan func() secgroup.Group, 64)
	var adding sync.WaitGroup
	leftOut := map[string]bool{} // ids
	adding.Go(func() {
		defer crash.Exit()
		for group := range d.made {
			if g := group(); !d.addGroup(&g) {
				leftOut[g.ID] = true
			}
		}
	})
	defer func() {
		adding.Wait()
		for _, id := range slices.Sorted(maps.Keys(leftOut)) {
			d.problems = append(d.problems, Problem{id, fmt.Sprintf("more than %d accounts or regions have a group of this id; the others were not judged", maxSameID)})
		}
	}()
	defer close(d.made)
	for _, s := range sources {
		if err := d.read(ctx, s, progress); err != nil {
			return err
		}
	}
	return nil
}

// listName is the id of a prefix list in the name of a file.
var listName = regexp.MustCompile(`\bpl-[0-9a-f]{8,17}\b`)

// read reads a source to its end, or to where it is damaged. The error ends the reading
// of all sources.
func (d *dumps) read(ctx context.Context, s Source, progress func(int)) error {
	r := &dump{dumps: d, name: s.Name, listID: listName.FindString(filepath.Base(s.Name)), pending: map[string][]netip.Prefix{}, missing: map[string][]string{}}
	in, err := s.Open()
	if err != nil {
		r.problem("%v", withoutPath(err))
		return nil
	}
	defer func() { _ = in.Close() }() // nothing was written
	raw := &meter{in: in, progress: progress}
	plain, err := openText(raw)
	if err != nil {
		r.problem("%v", withoutPath(err))
		return nil
	}
	r.in = newInput(ctx, plain)
	switch err := r.answers(); {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, errTooMuch):
		return fmt.Errorf("%s %w", s.Name, errTooMuch)
	case errors.Is(err, errForeign): // told
	case err != nil:
		r.damaged(err)
	case r.ofLists:
	case raw.bytes == 0:
		r.problem("is empty; %s", wantDump)
	default:
		r.problem("holds nothing; %s", wantDump)
	}
	r.end()
	return nil
}

// withoutPath returns the error of an operation on a file without the file's name,
// which stands beside it.
func withoutPath(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}

// problem notes something about the source.
func (r *dump) problem(format string, args ...any) {
	r.faults++
	what := fmt.Sprintf(format, args...)
	if len(what) > maxProblem {
		what = strings.Clone(text.CutBytes(what, maxProblem)) + text.CutMark
	}
	r.problems = append(r.problems, Problem{r.name, what})
}

// damaged notes what keeps the rest of the source from being read.
func (r *dump) damaged(err error) {
	rest := "what follows was not judged"
	if !r.ofLists && r.in.err == nil {
		rest = wantDump
	}
	at := r.in.start()
	var syntax *jsontext.SyntacticError
	if errors.As(err, &syntax) {
		at = r.in.base + syntax.ByteOffset
	}
	place := fmt.Sprintf("line %d", r.in.line(at))
	if r.index > 0 {
		place += fmt.Sprintf(", element %d", r.index)
	}
	switch {
	case r.in.err != nil:
		err = withoutPath(r.in.err)
	case errors.Is(err, io.ErrUnexpectedEOF):
		err = errors.New("is cut off: it ends too early")
	case syntax != nil:
		err = fmt.Errorf("is not JSON: %w", syntax.Err)
	}
	r.problem("%s: %v; %s", place, err, rest)
}

// end decides on what only a whole source can tell: half of a list's entries could make
// what is open look safe, and half of the interfaces a group unused.
func (r *dump) end() {
	for _, side := range []struct {
		list      string
		direction secgroup.Direction
	}{{ingressKey, secgroup.Ingress}, {egressKey, secgroup.Egress}} {
		if groups := r.missing[side.list]; len(groups) > 0 {
			r.problem("%v: %s of %s is missing, perhaps left out by --query; no %s rules of it were judged", errIncomplete, side.list, text.First(groups, 3, ", "), side.direction)
			r.rulesMissing = true
		}
	}
	if r.incomplete {
		r.problem("is incomplete: it ends with a NextToken, so there is more than it holds; leave out --max-items and --no-paginate")
	}
	if r.faults == 0 {
		for id, entries := range r.pending {
			if known := r.lists.Entries[id]; known != nil {
				entries = append(known, entries...)
			}
			r.lists.Entries[id] = entries
		}
	} else if r.ofInterfaces {
		r.interfacesMissing = true
	}
}

// zoneRegion is the region in the name of an availability zone or local zone, such as
// us-west-2 in us-west-2-lax-1a.
var zoneRegion = regexp.MustCompile(`^[a-z]+(-[a-z]+)+-[0-9]+`)

// cover notes of which account's VPC and region an interface's dump tells.
func (d *dumps) cover(n types.NetworkInterface) {
	owner := aws.ToString(n.OwnerId)
	for _, where := range []string{aws.ToString(n.VpcId), zoneRegion.FindString(aws.ToString(n.AvailabilityZone))} {
		if where != "" {
			d.covered[place(owner, where)] = true
		}
	}
}
