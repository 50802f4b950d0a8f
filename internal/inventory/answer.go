package inventory

import (
	"encoding/json/jsontext"
	"encoding/json/v2"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"

	"sgward/internal/ec2rules"
	"sgward/internal/secgroup"
	"sgward/internal/text"
)

// The lists in answers of the AWS CLI, which identify a dump.
const (
	groupsKey     = "SecurityGroups"
	rulesKey      = "SecurityGroupRules"
	interfacesKey = "NetworkInterfaces"
	listsKey      = "PrefixLists"
	entriesKey    = "Entries"
)

// The lists of rules in a group.
const (
	ingressKey = "IpPermissions"
	egressKey  = "IpPermissionsEgress"
)

// errForeign is the error of a source that is not an answer of the AWS CLI.
var errForeign = errors.New("is not an answer of the AWS CLI")

// answers reads the answers that a source holds, one after the other.
func (r *dump) answers() error {
	for {
		r.in.begin(maxElement)
		first, err := r.in.dec.ReadToken()
		line := r.in.line(r.in.start())
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		case first.Kind() == '{':
			err = r.answer(line)
		case first.Kind() == '[' && r.in.dec.PeekKind() == ']': // an empty list counts as an empty answer
			_, err = r.in.dec.ReadToken()
		case first.Kind() == '[':
			err = r.foreign(line, "is a list, perhaps of --query")
		default:
			err = r.foreign(line, errForeign.Error())
		}
		if err != nil {
			return err
		}
	}
}

func (r *dump) foreign(line int64, what string) error {
	r.problem("line %d: %s; %s", line, what, wantDump)
	return errForeign
}

// answer reads the rest of a top-level object that begins in line.
func (r *dump) answer(line int64) error {
	var others []string
	known := false
	for r.in.dec.PeekKind() != '}' {
		r.in.begin(maxElement)
		name, err := r.in.dec.ReadToken()
		if err != nil {
			return err
		}
		key := text.CutBytes(name.String(), maxName)
		r.in.begin(maxOther)
		kind := r.in.dec.PeekKind()
		switch {
		case kind == '[' && isDumpList(key):
			known, r.ofLists = true, true
			err = r.list(key)
		case kind == '"' && key == "NextToken":
			var token jsontext.Token
			if token, err = r.in.dec.ReadToken(); err == nil && token.String() != "" {
				r.incomplete = true
			}
		default:
			if others = append(others, key); len(others) > maxMembers {
				return r.foreign(line, fmt.Sprintf("is an object with more than %d members", maxMembers))
			}
			err = r.in.dec.SkipValue()
		}
		if err != nil {
			return err
		}
	}
	if _, err := r.in.dec.ReadToken(); err != nil {
		return err
	}
	if !known {
		return r.foreign(line, describe(others))
	}
	return nil
}

func isDumpList(key string) bool {
	switch key {
	case groupsKey, rulesKey, interfacesKey, listsKey, entriesKey:
		return true
	}
	return false
}

// describe describes an object with these members, none of which is a list of a dump.
func describe(members []string) string {
	if len(members) == 0 {
		return "is an object without members"
	}
	if i := slices.IndexFunc(members, isDumpList); i >= 0 {
		return "is an object whose " + members[i] + " is not a list"
	}
	ofHistory := slices.ContainsFunc(members, func(m string) bool { return m == "Records" || m == "detail-type" || m == "eventName" })
	slices.Sort(members)
	if len(members) > 3 {
		members = append(members[:3], "...")
	}
	what := "is an object with " + strings.Join(members, ", ")
	if ofHistory {
		what += ", perhaps a history for sgward replay"
	}
	return what
}

// list reads a list of an answer.
func (r *dump) list(key string) error {
	r.in.begin(maxElement)
	if _, err := r.in.dec.ReadToken(); err != nil {
		return err
	}
	switch key {
	case groupsKey, rulesKey:
		r.ofGroups = true
	case interfacesKey:
		r.ofInterfaces = true
	case entriesKey:
		if r.listID == "" && !r.unnamed {
			r.problem("does not say which prefix list the entries are of: name the file after it, such as pl-0123456789abcdef0.json")
			r.unnamed = true
		}
		if err := r.keepEntries(r.listID, nil); err != nil { // it may be empty
			return err
		}
	}
	for kind := r.in.dec.PeekKind(); kind != ']'; kind = r.in.dec.PeekKind() {
		if kind != jsontext.KindInvalid {
			r.index++
		}
		r.in.begin(maxElement)
		if err := r.element(key); err != nil {
			return err
		}
	}
	r.index = 0
	_, err := r.in.dec.ReadToken()
	return err
}

// element reads an element of a list. An element that is JSON but not usable is a problem
// and not an error.
func (r *dump) element(key string) error {
	err := r.keep(key)
	if err == nil {
		return nil
	}
	line := r.in.line(r.in.start())
	var meaning *json.SemanticError
	switch {
	case errors.As(err, &meaning):
		line = r.in.line(r.in.base + meaning.ByteOffset)
		err = wrongValue(key, meaning)
		if err := r.in.skip(key); err != nil {
			return err
		}
	case !errors.Is(err, errIncomplete) && !errors.Is(err, errNoCIDR) && !errors.Is(err, errTooLong):
		return err
	}
	r.problem("line %d, %s element %d: %v; it was not judged", line, key, r.index, err)
	if r.unusable++; r.unusable == maxUnusable {
		return fmt.Errorf("is the last of %d elements that are unusable", maxUnusable)
	}
	return nil
}

// wrongValue names the member of an element that has a wrong value.
func wrongValue(key string, err *json.SemanticError) error {
	place, depth := "", 0
	for token := range err.JSONPointer.Tokens() {
		switch depth++; {
		case depth <= 2: // the list, and the element
		case strings.Trim(token, "0123456789") == "":
			place += "[" + token + "]"
		default:
			place += "." + token
		}
	}
	if place = strings.TrimPrefix(place, "."); place == "" {
		place = key
	}
	if err.JSONKind == '0' && len(err.JSONValue) > 0 {
		return fmt.Errorf("%s: %s is out of range", place, err.JSONValue)
	}
	kind := err.JSONKind.String()
	switch err.JSONKind {
	case '{':
		kind = "object"
	case '[':
		kind = "list"
	case 't', 'f':
		kind = "bool"
	}
	return fmt.Errorf("%s holds the wrong kind of value, a JSON %s", place, kind)
}

// keep decodes an element and stores it.
func (r *dump) keep(key string) error {
	switch key {
	case groupsKey:
		var e groupElement
		if err := json.UnmarshalDecode(r.in.dec, &e); err != nil {
			return err
		}
		missing, err := e.check()
		if err != nil {
			return err
		}
		for _, list := range missing {
			r.missing[list] = append(r.missing[list], e.GroupId)
		}
		permissions := len(e.IpPermissions) + len(e.IpPermissionsEgress)
		return r.keepGroup(e.group, groupCost+itemCost*(permissions+e.peers())+tagCost*len(e.Tags))
	case rulesKey:
		var e ruleElement
		if err := json.UnmarshalDecode(r.in.dec, &e); err != nil {
			return err
		}
		if err := e.check(); err != nil {
			return err
		}
		return r.keepGroup(e.group, itemCost+tagCost*len(e.Tags))
	case interfacesKey:
		n, err := decodeInterface(r.in.dec)
		if err != nil {
			return err
		}
		// Each group gets a copy of the addresses.
		addresses := len(n.PrivateIpAddresses) + len(n.Ipv6Addresses)
		if err := r.take((itemCost + addressCost*addresses) * len(n.Groups)); err != nil {
			return err
		}
		r.cover(n)
		ec2rules.AddInterface(r.interfaces, n)
		return nil
	case listsKey:
		id, list, err := decodePrefixList(r.in.dec)
		if err != nil {
			return err
		}
		r.addList(id, secgroup.PrefixList{OwnerID: list.OwnerID})
		if list.Entries == nil {
			return r.take(itemCost)
		}
		return r.keepEntries(id, list.Entries)
	default:
		entries, err := decodeEntry(r.in.dec)
		if err != nil {
			return err
		}
		return r.keepEntries(r.listID, entries)
	}
}

// take accounts for the memory of the last decoded element.
func (r *dump) take(cost int) error {
	if r.room -= int64(cost) + r.in.offset() - r.in.from; r.room < 0 {
		return errTooMuch
	}
	return nil
}

// keepGroup queues a group to be built and added while reading goes on.
func (r *dump) keepGroup(group func() secgroup.Group, cost int) error {
	if err := r.take(cost); err != nil {
		return err
	}
	r.made <- group
	return nil
}

// keepEntries adds to the entries of a prefix list, which may be empty.
func (r *dump) keepEntries(id string, entries []netip.Prefix) error {
	if r.pending[id] == nil {
		r.pending[id] = []netip.Prefix{}
	}
	r.pending[id] = append(r.pending[id], entries...)
	return r.take(itemCost * len(entries))
}
