package replay_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/replay"
)

// step is one call of a random history.
type step struct {
	call  string // authorize, revoke, revoke by id, modify, delete
	id    string
	when  time.Time
	group int
	rules []string // as rule takes them
	old   bool     // of the time when records had no answers
}

func (s step) record() object {
	var o object
	switch s.call {
	case "authorize":
		o = authorize(s.id, s.when, s.rules...)
	case "revoke":
		o = revoke(s.id, s.when, s.rules...)
	case "revoke by id":
		o = revoke(s.id, s.when, s.rules...)
		var ids []any
		for _, r := range rules(s.rules) {
			ids = append(ids, object{"securityGroupRuleId": r.(object)["securityGroupRuleId"]})
		}
		o["requestParameters"] = object{"groupId": sg, "ipPermissions": object{}, "securityGroupRuleIds": items(ids...)}
	case "modify":
		o = modify(s.id, s.when, s.rules[0])
	default:
		o = deleted(s.id, s.when)
	}
	if s.old && s.call != "modify" {
		o = unanswered(o)
	}
	text, err := json.Marshal(o)
	if err != nil {
		panic(err)
	}
	var out object
	if err := json.Unmarshal([]byte(strings.ReplaceAll(string(text), sg, fmt.Sprintf("sg-%017x", s.group))), &out); err != nil {
		panic(err)
	}
	return out
}

// values are what rules of a random history can be. The policy of the model forbids
// the first few.
var values = []string{
	"tcp 22 0.0.0.0/0", "tcp 22 ::/0", "tcp 22 0.0.0.0/1", "tcp 22 8.0.0.0/7",
	"tcp 22 10.0.0.0/8", "tcp 443 0.0.0.0/0", "tcp 22 10.1.0.0/16",
}

const forbidden = 4

// touched counts what happened to a value in one second. Of rules that came and went
// within it, all but one, no record tells the order; and of two things, if one does not
// name its rule.
type touched struct {
	second, times int
	nameless      bool
}

// random returns a history that EC2 could have written, in the order in which it
// happened. Calls share seconds, as far as their records tell what came first.
func random(seed uint64, n int) []step {
	rng := rand.New(rand.NewPCG(seed, 1))
	var out []step
	now, group, next := 0, 1, 0
	held := map[string]string{} // id by value
	old := map[string]bool{}    // ids that no record tells
	edited := map[string]int{}  // the second of a rule's last edit
	touches := map[string]touched{}
	touch := func(v string, nameless bool) bool {
		at := touches[v]
		if at.second != now {
			at = touched{second: now}
		}
		if at.times == 3 || (at.nameless || nameless) && at.times == 2 {
			return false
		}
		touches[v] = touched{now, at.times + 1, at.nameless || nameless}
		return true
	}
	pick := func(from []string) string { return from[rng.IntN(len(from))] }
	free := func() (list []string) {
		for _, v := range values {
			if held[v] == "" {
				list = append(list, v)
			}
		}
		return list
	}
	for len(out) < n {
		now += rng.IntN(3) * rng.IntN(2)
		s := step{id: fmt.Sprintf("%08x", rng.Uint32()), when: at(now), group: group, old: rng.IntN(4) == 0}
		taken := slices.Sorted(maps.Keys(held))
		switch kind := rng.IntN(20); {
		case kind == 0 && len(out) > 0:
			s.call = "delete"
			clear(held)
			clear(touches)
			group++
		case kind < 10:
			s.call = "authorize"
			for _, v := range free() {
				if rng.IntN(2) == 0 || !touch(v, s.old) {
					continue
				}
				next++
				id := fmt.Sprintf("sgr-%x", next)
				held[v], old[id] = id, s.old
				s.rules = append(s.rules, id+" "+v)
			}
			if len(s.rules) == 0 {
				continue
			}
		case kind < 14 && len(taken) > 0:
			v := pick(taken)
			id, to := held[v], v
			if old[id] || edited[id] == now+1 { // no order of two edits in a second is known
				continue
			}
			if list := free(); len(list) > 0 && rng.IntN(5) > 0 {
				to = pick(list)
			}
			if !touch(v, false) || to != v && !touch(to, false) {
				continue
			}
			s.call, s.rules = "modify", []string{id + " " + to}
			delete(held, v)
			held[to], edited[id] = id, now+1
		case len(taken) > 0:
			v := pick(taken)
			id := held[v]
			if !touch(v, s.old || old[id]) {
				continue
			}
			s.call, s.rules = "revoke", []string{id + " " + v}
			if !old[id] && rng.IntN(2) == 0 {
				s.call = "revoke by id"
			}
			delete(held, v)
		default:
			continue
		}
		out = append(out, s)
	}
	return out
}

// expected follows a history step by step, in the order in which it happened, and says
// what every forbidden rule came to, by event.
func expected(steps []step) map[string][]string {
	type opening struct {
		event, value string
		made         time.Time
		end          string
	}
	var all []*opening
	open := map[string][]*opening{} // by rule
	shut := func(s step, id, by string) {
		for _, o := range open[id] {
			o.end = fmt.Sprintf(" %gs by %s", s.when.Sub(o.made).Seconds(), by)
		}
		delete(open, id)
	}
	for _, s := range steps {
		if s.call == "delete" {
			for id := range open {
				shut(s, id, "DeleteSecurityGroup")
			}
		}
		for _, r := range s.rules {
			id, value, _ := strings.Cut(r, " ")
			switch s.call {
			case "revoke", "revoke by id":
				shut(s, id, "RevokeSecurityGroupIngress")
				continue
			case "modify":
				if len(open[id]) > 0 && open[id][0].value != value {
					shut(s, id, "ModifySecurityGroupRules")
				}
			}
			o := &opening{event: eventID(s.id), value: value, made: s.when}
			all, open[id] = append(all, o), append(open[id], o)
		}
	}
	out := map[string][]string{}
	for _, o := range all {
		if slices.Contains(values[:forbidden], o.value) {
			out[o.event] = append(out[o.event], "revoke "+o.value+o.end)
		}
	}
	return out
}

func TestExposuresAreThoseOfASlowSimulation(t *testing.T) {
	p := written(t, "statements:\n  - {id: ssh, severity: critical, effect: revoke, ingress: {from: world, ports: [22/tcp]}}\n")
	runs := uint64(250)
	if testing.Short() {
		runs = 30
	}
	closed := 0
	for seed := range runs {
		steps := random(seed, 60)
		var records []object
		for _, s := range steps {
			records = append(records, s.record())
		}
		rng := rand.New(rand.NewPCG(seed, 2))
		rng.Shuffle(len(records), func(i, j int) { records[i], records[j] = records[j], records[i] })
		got := map[string][]string{}
		r := run(t, replay.Options{Policy: p}, logs(t, records[:20], records[20:]))
		require.Empty(t, r.Problems)
		for _, e := range r.entries {
			got[e.Event.EventID] = append(got[e.Event.EventID], told(e))
			if e.ClosedAt != nil {
				closed++
			}
		}
		if !assert.Equal(t, expected(steps), got, "seed %d", seed) {
			for _, s := range steps {
				t.Logf("%s %s group %d: %s %q old %v", s.when.Format(time.TimeOnly), s.id, s.group, s.call, s.rules, s.old)
			}
			return
		}
	}
	assert.Greater(t, closed, 100)
}
