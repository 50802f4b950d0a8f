package inventory

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"sgward/internal/crash"
	"sgward/internal/jsonscan"
	"sgward/internal/secgroup"
)

// The lists that answers of the AWS CLI have, by which a dump is recognised.
const (
	groupsKey     = "SecurityGroups"
	rulesKey      = "SecurityGroupRules"
	interfacesKey = "NetworkInterfaces"
	listsKey      = "PrefixLists"
	entriesKey    = "Entries"
)

const (
	// batchBytes is how much text is decoded at once: some groups, thousands of rules.
	batchBytes = 256 << 10
	// longestElement is far above the 1,000 rules that a group may hold.
	longestElement = 16 << 20
	wantDump       = "want the whole answer of aws ec2 describe-security-groups or describe-security-group-rules in JSON: an object with SecurityGroups or SecurityGroupRules"
)

// batch is a part of a source: text that is to be decoded, then what it says.
type batch struct {
	source   string
	listID   string // of Entries, by the source's name
	text     []byte
	elements []element
	done     chan struct{} // closed when it is decoded

	groups     []secgroup.Group
	interfaces []types.NetworkInterface
	lists      []prefixListDump
	problems   []Problem // of elements
	remarks    []Problem // on the source
	last       bool      // of its source
	emptyList  string    // the id of a prefix list whose dump has no entries
	ofGroups   bool      // set on the last of a source that has a list of groups or rules
}

type element struct {
	key         string
	end         int // in text; it begins where the one before ends
	index, line int64
}

// readSources splits sources in one goroutine, decodes what they hold on all cores,
// and hands it to take in the order of the sources, in the caller's goroutine. At any
// time it holds few batches.
func readSources(ctx context.Context, sources []Source, progress func(int), take func(*batch)) error {
	ctx, cancel := context.WithCancel(ctx)
	workers := runtime.GOMAXPROCS(0)
	work, ordered := make(chan *batch), make(chan *batch, 2*workers)
	texts := make(chan []byte, 4*workers) // of batches that are decoded, to be used again
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	for range workers {
		running.Go(func() {
			defer crash.Exit()
			for b := range work {
				b.decode()
				select {
				case texts <- b.text[:0]:
				default:
				}
				b.text, b.elements = nil, nil
				close(b.done)
			}
		})
	}
	running.Go(func() {
		defer crash.Exit()
		defer close(ordered)
		defer close(work)
		r := reader{ctx: ctx, progress: progress, work: work, ordered: ordered, texts: texts}
		for _, s := range sources {
			if !r.read(s) {
				return
			}
		}
	})
	for b := range ordered {
		select {
		case <-b.done:
			take(b)
		case <-ctx.Done():
			return fmt.Errorf("reading dumps: %w", ctx.Err())
		}
	}
	if ctx.Err() != nil {
		return fmt.Errorf("reading dumps: %w", ctx.Err())
	}
	return nil
}

// reader splits sources into batches.
type reader struct {
	ctx           context.Context //nolint:containedctx // of one call of readSources
	progress      func(int)
	work, ordered chan<- *batch
	texts         <-chan []byte
	splitter      *jsonscan.Splitter
	now           *batch
}

// send hands on the batch and begins another. It returns false where nobody takes it
// any more.
func (r *reader) send() bool {
	for _, to := range []chan<- *batch{r.ordered, r.work} {
		select {
		case to <- r.now:
		case <-r.ctx.Done():
			return false
		}
	}
	r.begin(r.now.source, r.now.listID)
	return true
}

func (r *reader) begin(source, listID string) {
	r.now = &batch{source: source, listID: listID, done: make(chan struct{})}
}

// add adds an element to the batch.
func (r *reader) add(e jsonscan.Element) {
	b := r.now
	if b.text == nil {
		select {
		case b.text = <-r.texts:
		default:
			b.text = make([]byte, 0, batchBytes+batchBytes/8)
		}
	}
	b.text = append(b.text, e.JSON...)
	b.elements = append(b.elements, element{e.Key, len(b.text), e.Index, e.Line})
}

// problem notes something about the source as a whole.
func (r *reader) problem(format string, args ...any) {
	r.now.remarks = append(r.now.remarks, Problem{r.now.source, fmt.Sprintf(format, args...)})
}

// listName is the id of a prefix list in the name of a file.
var listName = regexp.MustCompile(`\bpl-[0-9a-f]{8,17}\b`)

func (r *reader) read(s Source) bool {
	r.begin(s.Name, listName.FindString(filepath.Base(s.Name)))
	in, err := s.Open()
	if err != nil {
		r.problem("%v", withoutPath(err))
	} else {
		if !r.split(in) {
			_ = in.Close() // nothing was written
			return false
		}
		_ = in.Close()
	}
	r.now.last = true
	return r.send()
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

func (r *reader) split(in io.Reader) bool {
	raw := &meter{in: in, progress: r.progress}
	clear, err := decoded(raw)
	if err != nil {
		r.problem("%v", withoutPath(err))
		return true
	}
	watch := &tokenWatch{in: clear}
	told := false // that the list of entries is not known
	if r.splitter == nil {
		r.splitter = jsonscan.New(jsonscan.Config{
			Lists: []string{groupsKey, rulesKey, interfacesKey, listsKey, entriesKey}, MaxElement: longestElement,
		})
	}
	r.splitter.Reset(watch)
	for {
		e, err := r.splitter.Next()
		var fault *jsonscan.Fault
		switch {
		case errors.Is(err, io.EOF) && !errors.As(err, &fault):
			r.ended(raw.bytes, watch.found)
			return true
		case errors.As(err, &fault):
			if fault.Cut {
				fault.Problem = "is cut off: it " + fault.Problem
			}
			what := "; what follows was not judged"
			if len(r.splitter.Lists()) == 0 && fault.Err == nil {
				what = "; " + wantDump
			}
			r.problem("%s: %s%s", faultPlace(fault), fault.Problem, what)
			continue
		case err != nil:
			r.problem("%v", err)
			return true
		case e.Key == "":
			r.problem("line %d: %s; %s", e.Line, describe(e), wantDump)
			return true
		case e.Key == entriesKey && r.now.listID == "":
			if !told {
				r.problem("does not say which prefix list the entries are of: name the file after it, such as pl-0123456789abcdef0.json")
			}
			told = true
			continue
		}
		if r.add(e); len(r.now.text) >= batchBytes && !r.send() {
			return false
		}
	}
}

// ended notes what the end of a source tells of it.
func (r *reader) ended(bytes int64, more bool) {
	found := slices.DeleteFunc(slices.Clone(r.splitter.Lists()), func(key string) bool { return key == "" })
	switch {
	case len(found) > 0 || len(r.now.remarks) > 0:
	case bytes == 0:
		r.problem("is empty; %s", wantDump)
	default:
		r.problem("holds nothing; %s", wantDump)
	}
	if slices.Contains(found, entriesKey) {
		r.now.emptyList = r.now.listID
	}
	r.now.ofGroups = slices.Contains(found, groupsKey) || slices.Contains(found, rulesKey)
	if more {
		r.problem("is incomplete: it ends with a NextToken, so there is more than it holds; leave out --max-items and --no-paginate")
	}
}

func faultPlace(f *jsonscan.Fault) string {
	if f.Index == 0 {
		return fmt.Sprintf("line %d", f.Line)
	}
	return fmt.Sprintf("line %d, element %d", f.Line, f.Index)
}

// describe says what stands where an answer of the AWS CLI should.
func describe(e jsonscan.Element) string {
	var members map[string]json.RawMessage
	switch {
	case e.InList:
		return "is a list, perhaps of --query"
	case json.Unmarshal(e.JSON, &members) != nil:
		return "is no answer of the AWS CLI"
	case len(members) == 0:
		return "is an object without members"
	}
	names := slices.Sorted(maps.Keys(members))
	if len(names) > 3 {
		names = append(names[:3], "...")
	}
	for _, key := range []string{groupsKey, rulesKey, interfacesKey, listsKey, entriesKey} {
		if members[key] != nil {
			return "is an object whose " + key + " is no list"
		}
	}
	text := "is an object with " + strings.Join(names, ", ")
	if members["Records"] != nil || members["detail-type"] != nil || members["eventName"] != nil {
		text += ", perhaps a history for sgward replay"
	}
	return text
}

// decode makes values of the batch's text.
func (b *batch) decode() {
	start := 0
	for _, e := range b.elements {
		if err := b.decodeElement(e.key, b.text[start:e.end]); err != nil {
			b.problems = append(b.problems, Problem{b.source, fmt.Sprintf("line %d, %s element %d: %v; it was not judged", e.line, e.key, e.index, err)})
		}
		start = e.end
	}
}

func (b *batch) decodeElement(key string, data []byte) error {
	switch key {
	case groupsKey, rulesKey:
		decode := decodeGroup
		if key == rulesKey {
			decode = decodeRule
		}
		g, err := decode(data)
		if err != nil {
			return err
		}
		b.groups = append(b.groups, g)
	case interfacesKey:
		n, err := decodeInterface(data)
		if err != nil {
			return err
		}
		b.interfaces = append(b.interfaces, n)
	case listsKey, entriesKey:
		l, err := decodePrefixList(data)
		if key == entriesKey {
			l, err = decodeEntry(data, b.listID)
		}
		if err != nil {
			return err
		}
		b.lists = append(b.lists, l)
	}
	return nil
}
