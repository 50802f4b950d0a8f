// Package history is what a drill does: scenes of calls to EC2 with the way of their events, and the faults beside them.
// A History is JSON that a person can read, cut down and run again.
package history

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
)

// History is the plan of one run.
type History struct {
	// Seed draws the scenes, and decides every fault that Faults does not name.
	Seed uint64 `json:"seed"`
	// Rate is the probability of each kind of fault, 0 to 1.
	Rate   float64 `json:"rate"`
	Scenes []Scene `json:"scenes"`
	// Faults, if not nil, are the only faults, by key (wire.Key).
	Faults []string `json:"faults"`
}

// Scene is a story of its own: its groups and lists are touched by no other.
type Scene struct {
	Name string `json:"name"`
	// Default lists those of its groups that are in the default VPC, where EC2 answers a
	// revoke of something absent without an error.
	Default []string `json:"default,omitempty"`
	Ops     []Op     `json:"ops"`
}

// Op is one call, or one event that comes by itself.
type Op struct {
	ID      string `json:"id"`                // unique: "17.3"
	AfterMS int    `json:"afterMs,omitempty"` // after the scene's op before it
	Do      Do     `json:"do"`
	By      Actor  `json:"by,omitempty"`
	Group   string `json:"group,omitempty"` // of the scene: "a"
	List    string `json:"list,omitempty"`  // of the scene: "l"
	// Rules are made by authorize. modify and revoke find them by Ref; modify gives them
	// the other values.
	Rules []Rule `json:"rules,omitempty"`
	// Add and Remove are the entries of a prefix list.
	Add    []string `json:"add,omitempty"`
	Remove []string `json:"remove,omitempty"`
	// Of is the op whose event comes again, for replay.
	Of    string `json:"of,omitempty"`
	Event Event  `json:"event,omitzero"`
}

// Do is what an op does.
type Do string

// What an op can do.
const (
	Authorize Do = "authorize"
	Modify    Do = "modify"
	Revoke    Do = "revoke"
	MakeList  Do = "make-list"
	EditList  Do = "edit-list"
	// Replay sends the event of an earlier op again, as from an archive of 90 days ago.
	Replay Do = "replay"
	// Sweep has sweep judge all groups, as its schedule does.
	Sweep Do = "sweep"
)

// Actor is who calls.
type Actor string

// The actors. Alice is a user; the deployer a role that two entries of the policy trust;
// the stranger has an account of its own and shares prefix lists.
const (
	Alice    Actor = "alice"
	Deployer Actor = "deployer"
	Stranger Actor = "stranger"
)

// Rule is one rule of a call.
type Rule struct {
	Ref         string `json:"ref"` // unique in its scene
	Egress      bool   `json:"egress,omitempty"`
	Protocol    string `json:"protocol"` // tcp, udp, -1
	From        int    `json:"from"`
	To          int    `json:"to"`
	Peer        string `json:"peer"` // a CIDR, or "list:l"
	Description string `json:"description,omitempty"`
}

// Event is the way of an op's event to detect or sweep.
type Event struct {
	// Withheld means that no event comes: the call was made before sgward was there, or in
	// another account.
	Withheld bool `json:"withheld,omitempty"`
	// DelayMS is how long the bus keeps it. AgeS makes it that much older when it comes, as
	// if the bus had kept it longer: the compressed part of the delay.
	DelayMS int `json:"delayMs,omitempty"`
	AgeS    int `json:"ageS,omitempty"`
	// CopiesMS are the delays of further deliveries.
	CopiesMS []int `json:"copiesMs,omitempty"`
	// Form is the record's form.
	Form Form `json:"form,omitempty"`
	// Dead means that the bus cannot deliver it: it goes to the dead letters.
	Dead bool `json:"dead,omitempty"`
}

// Form is the form of a record. The zero value is whole.
type Form string

// The forms of a record.
const (
	Whole   Form = ""
	NoIDs   Form = "no-ids"   // without the response, as before 2021
	NoRules Form = "no-rules" // too large: neither request nor response has the rules
)

// Openings counts the calls of scenes that make or edit rules or lists.
func (h History) Openings() int {
	n := 0
	for _, s := range h.Scenes {
		for _, op := range s.Ops {
			switch op.Do {
			case Authorize, Modify, EditList:
				n++
			}
		}
	}
	return n
}

// Only returns the history with the named scenes alone.
func (h History) Only(names []string) (History, error) {
	var kept []Scene
	for _, name := range names {
		i := slices.IndexFunc(h.Scenes, func(s Scene) bool { return s.Name == name })
		if i < 0 {
			return h, fmt.Errorf("choosing scenes: there is no scene %q in the plan of seed %d", name, h.Seed)
		}
		kept = append(kept, h.Scenes[i])
	}
	h.Scenes = kept
	return h, nil
}

// Read reads a history from a file.
func Read(path string) (History, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return History{}, fmt.Errorf("reading history: %w", err)
	}
	var h History
	if err := json.Unmarshal(data, &h); err != nil {
		return History{}, fmt.Errorf("reading history %s: %w", path, err)
	}
	return h, nil
}

// Write writes a history to a file.
func (h History) Write(path string) error {
	data, err := json.MarshalIndent(h, "", "  ")
	if err != nil {
		return fmt.Errorf("writing history: %w", err)
	}
	if err := os.WriteFile(path, append(data, '\n'), 0o600); err != nil {
		return fmt.Errorf("writing history: %w", err)
	}
	return nil
}
