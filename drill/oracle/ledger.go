// Package oracle decides whether a drill went well. It has a small model of its own of what the drill's policy means, reads
// CloudTrail's records and the published alerts by itself, and shares no code with what it judges.
package oracle

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// Remediate is the actor that closes rules.
const Remediate = "remediate"

// Ledger is what happened to rules and lists, as EC2's own records have it.
type Ledger struct {
	actors map[string]string // access key -> actor
	rules  map[string]*rule  // by id
	order  []*rule
	groups map[string][]*rule // by id
	lists  map[string][]listVersion
	clock  int // counts records
}

// version is a rule's values from one record on.
type version struct {
	value
	at    int
	actor string
	event string // id of the CloudTrail event

	description string
}

type rule struct {
	id       string
	versions []version
	removed  int // at; 0 while it is there
	remover  string
}

func (r *rule) last() version { return r.versions[len(r.versions)-1] }

type listVersion struct {
	list
	at    int
	event string
}

// NewLedger returns a ledger. actors names the owners of access keys.
func NewLedger(actors map[string]string) *Ledger {
	return &Ledger{actors: actors, rules: map[string]*rule{}, groups: map[string][]*rule{}, lists: map[string][]listVersion{}}
}

// record is the part of a CloudTrail event that a ledger reads.
type record struct {
	Detail struct {
		EventID      string `json:"eventID"`
		EventName    string `json:"eventName"`
		ErrorCode    string `json:"errorCode"`
		UserIdentity struct {
			AccessKeyID string `json:"accessKeyId"`
			AccountID   string `json:"accountId"`
		} `json:"userIdentity"`
		Request  map[string]json.RawMessage `json:"requestParameters"`
		Response map[string]json.RawMessage `json:"responseElements"`
	} `json:"detail"`
}

// item is a rule in an answer of EC2.
type item struct {
	ID       string `json:"securityGroupRuleId"`
	Group    string `json:"groupId"`
	Egress   bool   `json:"isEgress"`
	Protocol string `json:"ipProtocol"`
	From     *int   `json:"fromPort"`
	To       *int   `json:"toPort"`
	V4       string `json:"cidrIpv4"`
	V6       string `json:"cidrIpv6"`
	List     string `json:"prefixListId"`
	Other    string `json:"referencedGroupId"`

	Description string `json:"description"`
}

func (i item) value() value {
	v := value{group: i.Group, egress: i.Egress, protocol: i.Protocol, from: -1, to: -1, peer: i.V4 + i.V6 + i.List + i.Other}
	if i.From != nil && i.To != nil && i.Protocol != "-1" {
		v.from, v.to = *i.From, *i.To
	}
	return v
}

// Add adds the record of a call, in the order of the calls.
func (l *Ledger) Add(raw []byte) error {
	var r record
	if err := json.Unmarshal(raw, &r); err != nil {
		return fmt.Errorf("reading record: %w", err)
	}
	d := r.Detail
	if d.ErrorCode != "" {
		return nil
	}
	l.clock++
	actor := l.actors[d.UserIdentity.AccessKeyID]
	switch d.EventName {
	case "AuthorizeSecurityGroupIngress", "AuthorizeSecurityGroupEgress":
		made, err := items(d.Response["securityGroupRuleSet"])
		if err != nil {
			return fmt.Errorf("reading %s: %w", d.EventName, err)
		}
		for _, i := range made {
			l.make(i.ID, version{i.value(), l.clock, actor, d.EventID, i.Description})
		}
	case "RevokeSecurityGroupIngress", "RevokeSecurityGroupEgress":
		gone, err := items(d.Response["revokedSecurityGroupRuleSet"])
		if err != nil {
			return fmt.Errorf("reading %s: %w", d.EventName, err)
		}
		for _, i := range gone {
			if known := l.rules[i.ID]; known != nil {
				known.removed, known.remover = l.clock, actor
			}
		}
	case "ModifySecurityGroupRules":
		return l.modify(d.Request["ModifySecurityGroupRulesRequest"], actor, d.EventID)
	case "CreateManagedPrefixList":
		return l.makeList(d.Request["CreateManagedPrefixListRequest"], d.Response["CreateManagedPrefixListResponse"], d.UserIdentity.AccountID, d.EventID)
	case "ModifyManagedPrefixList":
		return l.editList(d.Request["ModifyManagedPrefixListRequest"], d.EventID)
	}
	return nil
}

func (l *Ledger) make(id string, v version) {
	r := &rule{id: id, versions: []version{v}}
	l.rules[id] = r
	l.order = append(l.order, r)
	l.groups[v.group] = append(l.groups[v.group], r)
}

func items(raw json.RawMessage) ([]item, error) {
	var set struct {
		Items []item `json:"items"`
	}
	if len(raw) == 0 {
		return nil, nil
	}
	err := json.Unmarshal(raw, &set)
	return set.Items, err
}

// oneOrMore reads a list of XML in CloudTrail's JSON: a list of one is the element.
func oneOrMore[T any](raw json.RawMessage) ([]T, error) {
	if len(raw) == 0 {
		return nil, nil
	}
	if raw[0] == '[' {
		var all []T
		err := json.Unmarshal(raw, &all)
		return all, err
	}
	var one T
	err := json.Unmarshal(raw, &one)
	return []T{one}, err
}

func (l *Ledger) modify(raw json.RawMessage, actor, event string) error {
	var request struct {
		Rules json.RawMessage `json:"SecurityGroupRule"`
	}
	if err := json.Unmarshal(raw, &request); err != nil {
		return fmt.Errorf("reading edit: %w", err)
	}
	type edit struct {
		ID   string `json:"SecurityGroupRuleId"`
		Rule struct {
			Protocol string `json:"IpProtocol"`
			From     *int   `json:"FromPort"`
			To       *int   `json:"ToPort"`
			V4       string `json:"CidrIpv4"`
			V6       string `json:"CidrIpv6"`
			List     string `json:"PrefixListId"`

			Description string `json:"Description"`
		} `json:"SecurityGroupRule"`
	}
	edits, err := oneOrMore[edit](request.Rules)
	if err != nil {
		return fmt.Errorf("reading edit: %w", err)
	}
	for _, e := range edits {
		known := l.rules[e.ID]
		if known == nil {
			return fmt.Errorf("reading edit: rule %s is unknown", e.ID)
		}
		old := known.last()
		i := item{Group: old.group, Egress: old.egress, Protocol: e.Rule.Protocol, From: e.Rule.From, To: e.Rule.To, V4: e.Rule.V4, V6: e.Rule.V6, List: e.Rule.List}
		known.versions = append(known.versions, version{i.value(), l.clock, actor, event, e.Rule.Description})
	}
	return nil
}

type listEntry struct {
	CIDR string `json:"Cidr"`
}

func (l *Ledger) makeList(request, response json.RawMessage, owner, event string) error {
	var asked struct {
		Entries json.RawMessage `json:"Entry"`
	}
	var answered struct {
		List struct {
			ID string `json:"prefixListId"`
		} `json:"prefixList"`
	}
	if err := json.Unmarshal(request, &asked); err != nil {
		return fmt.Errorf("reading new list: %w", err)
	}
	if err := json.Unmarshal(response, &answered); err != nil {
		return fmt.Errorf("reading new list: %w", err)
	}
	entries, err := oneOrMore[listEntry](asked.Entries)
	if err != nil || answered.List.ID == "" {
		return fmt.Errorf("reading new list: its id or entries: %w", err)
	}
	v := listVersion{list{owner: owner}, l.clock, event}
	for _, e := range entries {
		v.entries = append(v.entries, e.CIDR)
	}
	l.lists[answered.List.ID] = []listVersion{v}
	return nil
}

func (l *Ledger) editList(request json.RawMessage, event string) error {
	var asked struct {
		ID     string          `json:"PrefixListId"`
		Add    json.RawMessage `json:"AddEntry"`
		Remove json.RawMessage `json:"RemoveEntry"`
	}
	if err := json.Unmarshal(request, &asked); err != nil {
		return fmt.Errorf("reading list edit: %w", err)
	}
	added, err := oneOrMore[listEntry](asked.Add)
	if err != nil {
		return fmt.Errorf("reading list edit: %w", err)
	}
	removed, err := oneOrMore[listEntry](asked.Remove)
	if err != nil {
		return fmt.Errorf("reading list edit: %w", err)
	}
	versions := l.lists[asked.ID]
	if len(versions) == 0 {
		return fmt.Errorf("reading list edit: list %s is unknown", asked.ID)
	}
	before := versions[len(versions)-1]
	v := listVersion{list{owner: before.owner}, l.clock, event}
	for _, cidr := range before.entries {
		if !slices.Contains(removed, listEntry{cidr}) {
			v.entries = append(v.entries, cidr)
		}
	}
	for _, e := range added {
		v.entries = append(v.entries, e.CIDR)
	}
	l.lists[asked.ID] = append(versions, v)
	return nil
}

// listAt returns the list that a peer names as it was at a moment, nil if the peer is none.
func (l *Ledger) listAt(peer string, at int) *list {
	if !strings.HasPrefix(peer, "pl-") {
		return nil
	}
	found := &list{}
	for _, v := range l.lists[peer] {
		if v.at <= at {
			found = &v.list
		}
	}
	return found
}

// at returns the version of a rule at a moment, false if it was not there.
func (r *rule) at(moment int) (version, bool) {
	if r.removed != 0 && r.removed <= moment {
		return version{}, false
	}
	for _, v := range slices.Backward(r.versions) {
		if v.at <= moment {
			return v, true
		}
	}
	return version{}, false
}

// moments are those from a version's on, up to the last one, at which its group or its list changed.
func (l *Ledger) moments(v version, last int) []int {
	out := []int{v.at, last}
	for _, r := range l.groups[v.group] {
		for _, o := range r.versions {
			out = append(out, o.at)
		}
		out = append(out, r.removed)
	}
	for _, o := range l.lists[v.peer] {
		out = append(out, o.at)
	}
	slices.Sort(out)
	return slices.DeleteFunc(slices.Compact(out), func(moment int) bool { return moment < v.at || moment > last })
}

// Closed is a rule that sgward has closed.
type Closed struct{ ID, Group, Values, Description string }

// ClosedByRemediate returns the rules that sgward closed and that were not made again since.
func (l *Ledger) ClosedByRemediate() map[string]Closed {
	out := map[string]Closed{}
	for _, r := range l.order {
		if r.remover != Remediate {
			continue
		}
		v, _ := r.at(r.removed - 1)
		out[r.id] = Closed{r.id, v.group, v.String(), v.description}
	}
	return out
}

// Held returns the values and descriptions of the rules that a group holds, by values.
func (l *Ledger) Held(group string) map[string]string {
	out := map[string]string{}
	for _, r := range l.groups[group] {
		if v, there := r.at(l.clock); there {
			out[v.String()] = v.description
		}
	}
	return out
}

// meaning is what the policy says of a version of a rule at a moment.
func (l *Ledger) meaning(v version, moment int) Meaning {
	return own(v.value, v.actor, l.listAt(v.peer, moment))
}

// isUnion reports whether at a moment a rule of a group takes part in reaching the world on a port that the policy closes.
func (l *Ledger) isUnion(group string, v version, moment int) bool {
	for _, port := range forbiddenPorts(v.value, v.actor) {
		var peers []string
		for _, r := range l.groups[group] {
			o, there := r.at(moment)
			if !there || o.egress != v.egress || !slices.Contains(forbiddenPorts(o.value, o.actor), port) {
				continue
			}
			if named := l.listAt(o.peer, moment); named != nil {
				peers = append(peers, named.entries...)
			} else {
				peers = append(peers, o.peer)
			}
		}
		if reaches(peers).isWorld() {
			return true
		}
	}
	return false
}
