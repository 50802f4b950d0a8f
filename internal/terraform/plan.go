// Package terraform reads plans of Terraform and OpenTofu, as "terraform show -json
// PLANFILE" prints them
// (https://developer.hashicorp.com/terraform/internals/json-format), and returns the
// security groups that they would leave behind.
//
// It reads with jsontext and not with hashicorp/terraform-json, which builds the whole tree
// of a plan: of 50 MB, only the resources of a few types and the blocks of the
// configuration matter here.
package terraform

import (
	"bytes"
	"encoding/json/jsontext"
	"encoding/json/v2"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"sgward/internal/crash"
	"sgward/internal/planned"
	"sgward/internal/text"
)

// howTo says how to make the input that Read wants.
const howTo = "run: terraform show -json PLANFILE > plan.json"

// plan is one plan while it is read.
type plan struct {
	file      string
	version   string
	variables map[string]struct {
		Value jsontext.Value `json:"value"`
	}
	resources     []*resource
	configuration *configuration // nil if the file lacks it
	prior         stateModule
	errored       bool
	deferred      []deferred
	problems      []text.Problem

	blocks   map[string]source
	accounts []string // that data sources name
	groups   []*group
	byID     map[string]*group
	byBlock  map[string][]*group
	// candidates are the groups that attributes may name, by module, block and attribute.
	candidates map[string]*candidates
	lists      listsOfPlan
}

// resource is an element of resource_changes.
type resource struct {
	Address string         `json:"address"`
	Mode    string         `json:"mode"`
	Kind    string         `json:"type"`
	Deposed string         `json:"deposed"`
	Change  jsontext.Value `json:"change"`

	address   address
	action    action
	was, will *values // before and after; nil where there is none
	unknown   mark    // of will
	sensitive mark
	err       error
}

// deferred is a change that Terraform will plan only after others are applied.
type deferred struct {
	Reason string   `json:"reason"`
	Change resource `json:"resource_change"`
}

// action is the plan's action on a resource.
type action uint8

const (
	stays   action = iota // no change, or forgotten: the object stays as it is
	made                  // created, or replaced
	altered               // changed in place
	gone                  // destroyed
)

// Read reads a plan, or several one after the other. file is its name in locations. A plan
// that can be read in part comes with Problems. The error says why the data is not a plan, and
// what to run.
func Read(data []byte, file string) ([]*planned.Change, error) {
	dec := jsontext.NewDecoder(bytes.NewBuffer(data), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	var out []*planned.Change
	for {
		_, err := dec.ReadToken()
		if errors.Is(err, io.EOF) && len(out) > 0 {
			return out, nil
		}
		if err != nil {
			return out, damaged(data, dec, err)
		}
		p := &plan{file: file}
		keys, err := p.document(dec, data)
		if err != nil {
			return out, damaged(data, dec, err)
		}
		if err := p.check(keys); err != nil {
			return out, err
		}
		out = append(out, p.change())
	}
}

// damaged describes damaged JSON.
func damaged(data []byte, dec *jsontext.Decoder, err error) error {
	var syntax *jsontext.SyntacticError
	at := dec.InputOffset()
	if errors.As(err, &syntax) {
		at = syntax.ByteOffset
	}
	line := bytes.Count(data[:min(int(at), len(data))], []byte{'\n'}) + 1
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF):
		return fmt.Errorf("line %d: the plan is cut off: it ends too early, after %d bytes; %s", line, len(data), howTo)
	case syntax != nil:
		return fmt.Errorf("line %d, byte %d: is not JSON: %w; %s", line, at, syntax.Err, howTo)
	default:
		return fmt.Errorf("line %d, byte %d: %w; %s", line, at, err, howTo)
	}
}

// document reads the members of a plan, whose brace has been read, and returns their names.
func (p *plan) document(dec *jsontext.Decoder, data []byte) (keys []string, err error) {
	var changes [][]byte
	for dec.PeekKind() != '}' {
		name, err := dec.ReadToken()
		if err != nil {
			return keys, err
		}
		key := strings.Clone(name.String())
		keys = append(keys, key)
		switch key {
		case "resource_changes":
			changes, err = elements(dec, data, changes)
		case "configuration":
			p.configuration = &configuration{}
			err = json.UnmarshalDecode(dec, p.configuration)
		case "prior_state":
			var state struct {
				Values struct {
					Root stateModule `json:"root_module"`
				} `json:"values"`
			}
			err = json.UnmarshalDecode(dec, &state)
			p.prior = state.Values.Root
		case "variables":
			err = json.UnmarshalDecode(dec, &p.variables)
		case "deferred_changes":
			err = json.UnmarshalDecode(dec, &p.deferred)
		case "errored":
			err = json.UnmarshalDecode(dec, &p.errored)
		case "format_version":
			err = json.UnmarshalDecode(dec, &p.version)
		default:
			err = dec.SkipValue()
		}
		if err != nil {
			return keys, fmt.Errorf("%s: %w", key, err)
		}
	}
	if _, err := dec.ReadToken(); err != nil {
		return keys, err
	}
	p.resources = decode(changes)
	return keys, nil
}

// elements returns the elements of a list as slices of data.
func elements(dec *jsontext.Decoder, data []byte, out [][]byte) ([][]byte, error) {
	if dec.PeekKind() != '[' { // null
		return out, dec.SkipValue()
	}
	if _, err := dec.ReadToken(); err != nil {
		return out, err
	}
	for dec.PeekKind() != ']' {
		v, err := dec.ReadValue()
		if err != nil {
			return out, err
		}
		end := dec.InputOffset()
		out = append(out, data[end-int64(len(v)):end])
	}
	_, err := dec.ReadToken()
	return out, err
}

// decode reads the resources of the types that matter, on all cores.
func decode(elements [][]byte) []*resource {
	found := make([]*resource, len(elements))
	var workers errgroup.Group
	workers.SetLimit(runtime.GOMAXPROCS(0))
	const each = 256
	for at := 0; at < len(elements); at += each {
		workers.Go(func() error {
			defer crash.Exit()
			for i := at; i < min(at+each, len(elements)); i++ {
				found[i] = decodeResource(elements[i])
			}
			return nil
		})
	}
	_ = workers.Wait() // a resource that cannot be read has its error
	return slices.DeleteFunc(found, func(r *resource) bool { return r == nil })
}

// matters reports whether an element can be of a type that is read, before it is parsed.
func matters(element []byte) bool {
	return bytes.Contains(element, []byte("security_group")) || bytes.Contains(element, []byte(listKind))
}

// decodeResource reads an element of resource_changes. It returns nil for one of another
// type.
func decodeResource(element []byte) *resource {
	if !matters(element) {
		return nil
	}
	r := &resource{}
	if err := json.Unmarshal(element, r, jsontext.AllowDuplicateNames(true)); err != nil {
		r.err = fmt.Errorf("is not an element of resource_changes: %w", err)
		return r
	}
	if !isRead(r.Kind) {
		return nil
	}
	if r.Mode != "managed" || r.Deposed != "" {
		return nil
	}
	r.address = parseAddress(r.Address)
	var change struct {
		Actions   []string       `json:"actions"`
		Before    *values        `json:"before"`
		After     *values        `json:"after"`
		Unknown   jsontext.Value `json:"after_unknown"`
		Sensitive jsontext.Value `json:"after_sensitive"`
	}
	if err := json.Unmarshal(r.Change, &change, jsontext.AllowDuplicateNames(true)); err != nil {
		r.err = fmt.Errorf("does not have the attributes of the aws provider: %w", err)
		return r
	}
	r.Change = nil
	has := func(action string) bool { return slices.Contains(change.Actions, action) }
	switch {
	case has("create"):
		r.action = made
	case has("delete"):
		r.action = gone
	case has("update"):
		r.action = altered
	}
	r.was, r.will = change.Before, change.After
	r.unknown, r.sensitive = readMark(change.Unknown), readMark(change.Sensitive)
	switch {
	case has("forget") && r.action != made:
		r.action, r.will = stays, r.was
	case r.action == gone:
		r.will = nil
	case len(change.Actions) == 0 || r.will == nil:
		r.err = errors.New("has no actions, or no values after them")
	}
	return r
}

// check refuses data that is not a plan, and notes an incomplete one.
func (p *plan) check(keys []string) error {
	has := func(key string) bool { return slices.Contains(keys, key) }
	major, _, _ := strings.Cut(p.version, ".")
	switch {
	case has("lineage") || has("serial") || has("values") && !has("planned_values") && !has("resource_changes"):
		return errors.New("is a state, not a plan: a state shows what exists, for which there is sgward audit; run: terraform plan -out PLANFILE && terraform show -json PLANFILE > plan.json")
	case has("provider_schemas"):
		return errors.New("holds the schemas of providers, not a plan; " + howTo)
	case has("@level"):
		return errors.New("is the log of terraform plan -json, which leaves out the values; run: terraform plan -out PLANFILE && terraform show -json PLANFILE > plan.json")
	case major != "" && major != "0" && major != "1":
		return fmt.Errorf("has format version %s of plans, which this sgward does not know: want 0.1 to 1.x", p.version)
	}
	if p.errored {
		p.problem(nil, "is the plan of a run that failed, and holds only what was planned before the error: mend the error and run terraform plan again")
	}
	return nil
}

// problem records a part that cannot be read, of a resource or of the plan.
func (p *plan) problem(r *resource, format string, args ...any) {
	place := p.file
	if r != nil {
		place = p.at(r).String()
	}
	p.problems = append(p.problems, text.Problem{Place: place, Text: fmt.Sprintf(format, args...)})
}

// at is the location of a resource.
func (p *plan) at(r *resource) planned.Location {
	return planned.Location{File: p.file, Address: r.Address}
}

// change returns the groups that the plan would leave behind.
func (p *plan) change() *planned.Change {
	p.byID, p.byBlock, p.candidates = map[string]*group{}, map[string][]*group{}, map[string]*candidates{}
	if p.configuration != nil {
		p.blocks = p.configuration.blocks()
	}
	p.lists = newLists()
	p.readPrior(&p.prior)
	usable := p.resources[:0]
	for _, r := range p.resources {
		if r.err != nil {
			p.problem(r, "%v; it was not judged", r.err)
			continue
		}
		usable = append(usable, r)
	}
	p.resources = usable
	p.readLists()
	for _, r := range p.resources {
		if r.Kind == groupKind || r.Kind == defaultGroupKind {
			p.addGroup(r)
		}
	}
	p.addRules()
	out := &planned.Change{Unclear: p.unclear(), Problems: p.problems, Lists: p.lists.known, Edited: p.lists.edited}
	for _, g := range p.groups {
		if len(g.Rules) > 0 {
			out.Groups = append(out.Groups, g.Group)
		}
	}
	return out
}

// isRead reports whether resources of a type are read.
func isRead(kind string) bool {
	switch kind {
	case groupKind, defaultGroupKind, ruleKind, ingressKind, egressKind, listKind, entryKind:
		return true
	}
	return false
}

// unclear lists the changes that Terraform has put off.
func (p *plan) unclear() []planned.Unclear {
	var out []planned.Unclear
	for i := range p.deferred {
		if r := &p.deferred[i].Change; isRead(r.Kind) && r.Mode == "managed" {
			out = append(out, planned.Unclear{Location: p.at(r), Text: "Terraform puts this change off until others are applied: check the plan that comes then"})
		}
	}
	return out
}
