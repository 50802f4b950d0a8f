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

// Limits against crafted files.
const (
	// maxElement is the longest element, many times that of a group with the 1,000 rules
	// that EC2 may allow.
	maxElement = 4 << 20
	// maxOther is the longest member that is skipped.
	maxOther = 64 << 20
	// maxName is the longest name or id. EC2 allows 255 characters.
	maxName = 1024
	// maxProblem is the longest problem, which may repeat text of the source.
	maxProblem = 1024
	// maxUnusable is the number of unusable elements after which a source is abandoned.
	maxUnusable = 1000
	// maxMembers is the most unknown members of an answer.
	maxMembers = 100
	// maxKept is the memory for all sources together: about two million rules.
	maxKept = 1 << 30
	// groupCost and itemCost are the approximate memory of a group without rules, and of a
	// rule, an interface or an entry, beside the bytes of their JSON.
	groupCost = 512
	itemCost  = 256
	// tagCost and addressCost are the same for a tag, and for an address of an interface.
	tagCost     = 64
	addressCost = 16
)

// errTooMuch is for sources that together would exceed maxKept.
var errTooMuch = fmt.Errorf("exceeds, with the files read before it, %d MB of memory: audit the files of fewer accounts or regions at a time", maxKept>>20)

// ReadDumps reads answers of the AWS CLI, in any number and order:
//
//   - describe-security-groups, describe-security-group-rules,
//   - describe-network-interfaces,
//   - describe-prefix-lists and get-managed-prefix-list-entries.
//
// region is for dumps that do not name theirs ("" for none). A source that cannot be read
// completely is a Problem; the readable part is judged. progress, if not nil, gets the
// number of bytes read since its last call, from one goroutine. The error is ctx's, or
// names the source that exceeds the memory limit.
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
		d.problems = []Problem{{Place: text.First(names, 1, " "), Text: "no security groups found; " + wantDump}}
	}
	s := d.snapshot(region)
	s.RulesMissing = d.rulesMissing
	for _, id := range PrefixLists(s.Groups) {
		switch list := s.Lists.Known[id]; {
		case list.Entries == nil:
			s.Lists.Unreadable[id] = fmt.Sprintf("no dump holds the entries of %s (aws ec2 get-managed-prefix-list-entries --prefix-list-id %s > %s.json makes one)", id, id, id)
		case list.OwnerID == "":
			s.Lists.Unreadable[id] = fmt.Sprintf("no dump names the owner of %s (aws ec2 describe-managed-prefix-lists > lists.json makes one)", id)
		}
	}
	return s, nil
}

// dumps merges the content of dumps.
type dumps struct {
	joint
	made              chan func() secgroup.Group // to be added; joint's groups belong to its goroutine
	room              int64                      // bytes of memory left
	interfacesMissing bool                       // some interfaces do not name their groups
	rulesMissing      bool                       // some group lacks a list of rules
	ofGroups          bool                       // some source has a list of groups or rules, even an empty one
}

// dump is a source while it is read.
type dump struct {
	*dumps
	in           *input
	name         string
	listID       string                    // of Entries, from the source's name
	pending      map[string][]netip.Prefix // prefix lists whose other entries may be missing
	missing      map[string][]string       // groups, by the list of rules that they lack
	ofLists      bool                      // it has a known list
	ofInterfaces bool
	unnamed      bool // it has entries of an unnamed prefix list
	incomplete   bool // more pages follow
	index        int  // of the current element, from 1; 0 outside a list
	unusable     int  // unusable elements
	faults       int  // problems of this source
}

func newDumps(room int64) *dumps { return &dumps{joint: newJoint(), room: room} }

// readAll reads sources one after the other. One goroutine builds and adds the groups, in
// the order in which they were read.
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
			d.problems = append(d.problems, Problem{Place: id, Text: fmt.Sprintf("more than %d accounts or regions have a group of this id; the others were not judged", maxSameID)})
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

// listName matches the id of a prefix list in a file name.
var listName = regexp.MustCompile(`\bpl-[0-9a-f]{8,17}\b`)

// read reads a source to its end, or to the damage. An error ends the reading of all
// sources.
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
	case errors.Is(err, errForeign): // already reported
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

// withoutPath returns the error of a file operation without the file's name, which
// messages have already.
func withoutPath(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}

// problem records a problem of the source.
func (r *dump) problem(format string, args ...any) {
	r.faults++
	what := fmt.Sprintf(format, args...)
	if len(what) > maxProblem {
		what = strings.Clone(text.CutBytes(what, maxProblem)) + text.CutMark
	}
	r.problems = append(r.problems, Problem{Place: r.name, Text: what})
}

// damaged records the damage that ends the reading of the source.
func (r *dump) damaged(err error) {
	rest := "the rest was not judged"
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

// end handles the parts that need the complete source: half of a list's entries could make
// an open rule look safe, and half of the interfaces a group unused.
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
			if known := r.lists.Known[id].Entries; known != nil {
				entries = append(known, entries...)
			}
			r.addList(id, secgroup.PrefixList{Entries: entries})
		}
	} else if r.ofInterfaces {
		r.interfacesMissing = true
	}
}

// zoneRegion matches the region in the name of an availability zone or local zone, such as
// us-west-2 in us-west-2-lax-1a.
var zoneRegion = regexp.MustCompile(`^[a-z]+(-[a-z]+)+-[0-9]+`)

// cover records the account, VPC and region that an interface's dump covers.
func (d *dumps) cover(n types.NetworkInterface) {
	owner := aws.ToString(n.OwnerId)
	for _, where := range []string{aws.ToString(n.VpcId), zoneRegion.FindString(aws.ToString(n.AvailabilityZone))} {
		if where != "" {
			d.covered[place(owner, where)] = true
		}
	}
}
