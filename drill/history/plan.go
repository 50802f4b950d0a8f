package history

import (
	"fmt"
	"math/rand/v2"
)

// The addresses that scenes draw from: public ones, none of a special purpose.
var (
	worlds = []string{"0.0.0.0/0", "::/0", "0.0.0.0/1", "52.0.0.0/8", "16.0.0.0/8", "2000::/3", "2600::/20"}
	quiet  = []string{"10.0.0.0/8", "192.168.0.0/16", "172.16.0.0/12", "52.94.76.9/32", "198.51.100.7/32", "fc00::/7", "100.64.0.0/10"}
	narrow = []string{"52.94.76.9/32", "3.5.140.0/22", "18.66.0.0/16", "2600:1f18::/48"}
	// Any two of these together are the world; each alone is not.
	quarters = []string{"16.0.0.0/10", "40.0.0.0/10", "52.0.0.0/10", "64.0.0.0/10"}
)

// planner draws scenes.
type planner struct {
	random *rand.Rand
	rate   float64
	number int
}

// kinds are the scenes and how often each is drawn.
var kinds = []struct {
	name   string
	weight int
	draw   func(*planner, *builder)
}{
	{"open", 20, (*planner).open},
	{"harmless", 20, (*planner).harmless},
	{"mixed", 12, (*planner).mixed},
	{"tolerated", 4, (*planner).tolerated},
	{"exempt", 4, (*planner).exempt},
	{"exempt-actor", 4, (*planner).exemptActor},
	{"equal-values", 3, (*planner).equalValues},
	{"edit", 6, (*planner).edit},
	{"edit-back", 3, (*planner).editBack},
	{"removed", 4, (*planner).removed},
	{"union", 4, (*planner).union},
	{"union-of-calls", 4, (*planner).unionOfCalls},
	{"no-ids", 4, (*planner).noIDs},
	{"no-rules", 4, (*planner).noRules},
	{"many", 2, (*planner).many},
	{"standing", 3, (*planner).standing},
	{"foreign-list", 3, (*planner).foreignList},
	{"own-list", 3, (*planner).ownList},
	{"replay", 4, (*planner).replay},
	{"leapfrog-authorize", 1, (*planner).leapfrogAuthorize},
	{"leapfrog-modify", 1, (*planner).leapfrogModify},
	{"leapfrog-mixed", 1, (*planner).leapfrogMixed},
	{"sweep", 1, (*planner).sweep},
}

// Plan draws scenes until they hold at least so many openings. The same arguments give the
// same plan.
func Plan(seed uint64, openings int, rate float64) History {
	h := History{Seed: seed, Rate: rate}
	p := &planner{random: rand.New(rand.NewPCG(seed, 0x5641)), rate: rate} //nolint:gosec // no secret
	var total int
	for _, k := range kinds {
		total += k.weight
	}
	for n := 0; n < openings; {
		p.number++
		// The first scenes are one of each kind, so that a short drill has all.
		k := kinds[(p.number-1)%len(kinds)]
		if p.number > len(kinds) {
			at := p.random.IntN(total)
			for _, k = range kinds {
				if at -= k.weight; at < 0 {
					break
				}
			}
		}
		b := &builder{p: p, scene: Scene{Name: fmt.Sprintf("%d-%s", p.number, k.name)}}
		if p.random.IntN(4) == 0 {
			b.scene.Default = []string{"a"}
		}
		k.draw(p, b)
		h.Scenes = append(h.Scenes, b.scene)
		n += History{Scenes: []Scene{b.scene}}.Openings()
	}
	return h
}

// builder adds ops to a scene.
type builder struct {
	p     *planner
	scene Scene
	refs  int
}

func (p *planner) one(of []string) string    { return of[p.random.IntN(len(of))] }
func (p *planner) port(of ...int) int        { return of[p.random.IntN(len(of))] }
func (p *planner) sometimes() bool           { return p.random.Float64() < p.rate }
func (p *planner) between(low, high int) int { return low + p.random.IntN(high-low+1) }

// MaxLagMS is the most that a read lags behind. An event that looks older than a few
// seconds is kept at least that long, so that a read after it is no more stale than EC2's
// would be.
const MaxLagMS = 700

// event draws the way of an event.
func (b *builder) event() Event {
	p := b.p
	e := Event{DelayMS: p.between(0, 300)}
	switch p.random.IntN(10) {
	case 0, 1, 2, 3, 4, 5, 6: // CloudTrail and EventBridge take 5 to 60 seconds
		e.DelayMS, e.AgeS = p.between(MaxLagMS+50, MaxLagMS+800), p.between(5, 50)
	case 7: // minutes
		e.DelayMS, e.AgeS = p.between(MaxLagMS+50, MaxLagMS+1500), p.between(60, 1200)
	}
	if p.sometimes() {
		for range p.between(1, 2) {
			e.CopiesMS = append(e.CopiesMS, e.DelayMS+p.port(0, p.between(0, 200), p.between(1000, 4000)))
		}
	}
	e.Dead = p.random.Float64() < p.rate/10
	return e
}

func (b *builder) ref() string {
	b.refs++
	return fmt.Sprintf("r%d", b.refs)
}

// tcp is a rule for one port from a peer.
func (b *builder) tcp(port int, peer string) Rule {
	r := Rule{Ref: b.ref(), Protocol: "tcp", From: port, To: port, Peer: peer}
	r.Description = fmt.Sprintf("%s of %s", r.Ref, b.scene.Name)
	return r
}

// add adds an op, after a pause.
func (b *builder) add(op Op) *Op {
	op.ID = fmt.Sprintf("%d.%d", b.p.number, len(b.scene.Ops)+1)
	if op.AfterMS == 0 && len(b.scene.Ops) > 0 {
		op.AfterMS = b.p.between(1, 400)
	}
	if op.By == "" {
		op.By = Alice
	}
	if op.Group == "" && op.List == "" {
		op.Group = "a"
	}
	if op.Event.DelayMS == 0 && !op.Event.Withheld {
		form := op.Event.Form
		op.Event = b.event()
		op.Event.Form = form
	}
	b.scene.Ops = append(b.scene.Ops, op)
	return &b.scene.Ops[len(b.scene.Ops)-1]
}

func (b *builder) authorize(rules ...Rule) *Op { return b.add(Op{Do: Authorize, Rules: rules}) }

// before makes rules of which no event comes.
func (b *builder) before(rules ...Rule) *Op {
	return b.add(Op{Do: Authorize, Rules: rules, Event: Event{Withheld: true}})
}

// forbidden draws a rule that the policy revokes whoever made it.
func (b *builder) forbidden() Rule {
	p := b.p
	r := b.tcp(p.port(3306, 3306, 6379, 5432, 22), p.one(worlds))
	switch p.random.IntN(8) {
	case 0: // a range that covers it
		r.From, r.To = max(r.From-p.between(0, 20), 1), r.To+p.between(0, 20)
	case 1:
		r.Protocol, r.From, r.To = "-1", -1, -1
	case 2:
		r.Egress, r.From, r.To = true, 25, 25
	}
	return r
}

// compliant draws a rule that the policy has nothing against.
func (b *builder) compliant() Rule {
	p := b.p
	switch p.random.IntN(6) {
	case 0:
		return b.tcp(443, p.one(worlds))
	case 1:
		return b.tcp(3306, p.one(narrow)) // public: the group has to be read
	case 2:
		r := b.tcp(25, p.one(quiet))
		r.Egress = true
		return r
	}
	return b.tcp(p.port(22, 3306, 5432, 6379, 8080), p.one(quiet))
}

func (p *planner) open(b *builder) {
	b.before(b.compliant())
	for range p.between(1, 3) {
		b.authorize(b.forbidden())
	}
}

func (p *planner) harmless(b *builder) {
	for range p.between(1, 3) {
		b.authorize(b.compliant())
	}
}

// mixed makes forbidden and other rules in one call.
func (p *planner) mixed(b *builder) {
	b.before(b.compliant())
	for range p.between(1, 2) {
		b.authorize(b.tcp(3306, p.one(worlds)), b.tcp(p.port(3307, 3308, 3309), p.one(quiet)), b.tcp(p.port(8081, 8082), p.one(worlds)))
	}
}

func (p *planner) tolerated(b *builder) { b.authorize(b.tcp(p.port(8080, 9000), p.one(worlds))) }

func (p *planner) exempt(b *builder) {
	b.authorize(b.tcp(9200, p.one(worlds)))
	b.authorize(b.forbidden())
}

func (p *planner) exemptActor(b *builder) {
	b.authorize(b.tcp(p.port(22, 5432), p.one(worlds))).By = Deployer
	b.authorize(b.tcp(3306, p.one(worlds)))
}

// equalValues has an exempt actor make a rule with the values of another's that was
// closed, whose event comes once more.
func (p *planner) equalValues(b *builder) {
	r := b.tcp(p.port(22, 5432), p.one(worlds))
	op := b.authorize(r)
	op.Event.Dead = false
	op.Event.CopiesMS = append(op.Event.CopiesMS, op.Event.DelayMS+p.between(2500, 4000))
	again := r
	again.Ref = b.ref()
	op = b.authorize(again)
	op.By, op.AfterMS = Deployer, p.between(1800, 2400)
}

// edit takes a rule across the threshold.
func (p *planner) edit(b *builder) {
	r := b.tcp(p.port(3306, 5432, 6379), p.one(quiet))
	b.before(r)
	r.Peer = p.one(worlds)
	b.add(Op{Do: Modify, Rules: []Rule{r}, AfterMS: p.between(1, 1200)})
}

// editBack takes it back before the event comes, or after.
func (p *planner) editBack(b *builder) {
	r := b.tcp(p.port(3306, 5432, 6379), "10.0.0.0/8")
	b.before(r)
	opened := r
	opened.Peer = p.one(worlds)
	b.add(Op{Do: Modify, Rules: []Rule{opened}})
	b.add(Op{Do: Modify, Rules: []Rule{r}, AfterMS: p.between(1, 1500)})
}

// removed removes its rule, often before the event has come.
func (p *planner) removed(b *builder) {
	r := b.forbidden()
	b.authorize(r)
	b.add(Op{Do: Revoke, Rules: []Rule{r}, AfterMS: p.between(1, 1500)})
	if p.random.IntN(2) == 0 { // the same again
		r.Ref = b.ref()
		b.authorize(r)
	}
}

// union makes two halves in one call.
func (p *planner) union(b *builder) {
	port := p.port(3306, 5432, 6379)
	b.authorize(b.tcp(port, quarters[p.random.IntN(2)]), b.tcp(port, quarters[2+p.random.IntN(2)]))
}

// unionOfCalls makes them in two.
func (p *planner) unionOfCalls(b *builder) {
	port := p.port(3306, 6379)
	first := b.tcp(port, quarters[p.random.IntN(2)])
	b.authorize(first)
	b.add(Op{Do: Authorize, Rules: []Rule{b.tcp(port, quarters[2+p.random.IntN(2)])}, AfterMS: p.between(1, 2500)})
	if p.random.IntN(3) == 0 {
		b.add(Op{Do: Revoke, Rules: []Rule{first}, AfterMS: p.between(500, 2500)})
	}
}

func (p *planner) noIDs(b *builder) {
	b.before(b.compliant())
	b.add(Op{Do: Authorize, Rules: []Rule{b.forbidden()}, Event: Event{Form: NoIDs}})
}

// noRules has the group read whole.
func (p *planner) noRules(b *builder) {
	b.before(b.compliant(), b.tcp(8443, "52.0.0.0/8"))
	b.add(Op{Do: Authorize, Rules: []Rule{b.tcp(3306, p.one(worlds)), b.compliant()}, Event: Event{Form: NoRules}})
	if p.random.IntN(2) == 0 {
		b.authorize(b.tcp(6379, p.one(worlds)))
	}
}

// many makes a rule with each of several calls, in two groups.
func (p *planner) many(b *builder) {
	for i := range p.between(8, 20) {
		op := b.add(Op{Do: Authorize, Rules: []Rule{b.tcp(3306, fmt.Sprintf("%d.0.0.0/8", 20+i))}, AfterMS: p.between(1, 40)})
		if i%2 == 1 {
			op.Group = "b"
		}
	}
}

// standing opens a group beside forbidden rules that were there before sgward.
func (p *planner) standing(b *builder) {
	b.before(b.tcp(3306, "52.0.0.0/8"), b.tcp(22, "16.0.0.0/8"))
	b.authorize(b.tcp(3306, "0.0.0.0/0"))
}

// foreignList is attack 1: another account's list is harmless until its owner edits it.
func (p *planner) foreignList(b *builder) {
	hidden := Event{Withheld: true}
	b.add(Op{Do: MakeList, By: Stranger, List: "l", Add: []string{"10.0.0.0/8"}, Event: hidden})
	b.authorize(b.tcp(5432, "list:l"))
	b.add(Op{Do: EditList, By: Stranger, List: "l", Add: []string{"0.0.0.0/1", "128.0.0.0/1"}, AfterMS: p.between(1500, 2500), Event: hidden})
}

// ownList is attack 2: a list is harmless until one edit makes it the world.
func (p *planner) ownList(b *builder) {
	b.add(Op{Do: MakeList, List: "l", Add: []string{"10.0.0.0/8"}, Event: Event{Withheld: true}})
	b.authorize(b.tcp(p.port(3306, 6379), "list:l")).Event.Dead = false
	op := b.add(Op{Do: EditList, List: "l", Add: []string{"0.0.0.0/1", "128.0.0.0/1"}, AfterMS: p.between(500, 2500)})
	op.Event.AgeS = max(op.Event.AgeS, 5) // sweep would wait that long
	op.Event.DelayMS = max(op.Event.DelayMS, MaxLagMS+50)
}

// replay is attack 3: rules older than sgward, and their events from an archive.
func (p *planner) replay(b *builder) {
	r := b.tcp(p.port(3306, 22, 6379), p.one(worlds))
	made := b.before(r).ID
	if p.random.IntN(3) == 0 { // made anew since: it has another id
		b.add(Op{Do: Revoke, Rules: []Rule{r}, Event: Event{Withheld: true}})
		r.Ref = b.ref()
		b.before(r)
	}
	b.add(Op{Do: Replay, Of: made, AfterMS: MaxLagMS + 50})
}

// sweep comes by its schedule, and finds a rule that was there before and that it may have closed.
func (p *planner) sweep(b *builder) {
	b.before(b.tcp(6379, p.one(worlds)))
	b.add(Op{Do: Sweep, AfterMS: MaxLagMS + 50, Event: Event{Withheld: true}})
}

// leap is attack 4: a shifted rule every moment, the one before taken away, and events
// that come when it is gone.
func (p *planner) leap(b *builder, steps int, modify func(step int) bool) {
	const port = 3306
	var last Rule
	for i := range steps {
		r := b.tcp(port, "0.0.0.0/0")
		r.From, r.To = port-i, port+i
		event := Event{DelayMS: p.between(MaxLagMS+100, MaxLagMS+500), AgeS: p.between(8, 15)}
		if i > 0 && modify(i) {
			r.Ref = last.Ref
			b.add(Op{Do: Modify, Rules: []Rule{r}, AfterMS: 300, Event: event})
		} else {
			b.add(Op{Do: Authorize, Rules: []Rule{r}, AfterMS: 300, Event: event})
			if i > 0 {
				b.add(Op{Do: Revoke, Rules: []Rule{last}, AfterMS: 5})
			}
		}
		last = r
	}
}

func (p *planner) leapfrogAuthorize(b *builder) {
	p.leap(b, p.between(5, 10), func(int) bool { return false })
}

func (p *planner) leapfrogModify(b *builder) {
	p.leap(b, p.between(5, 10), func(int) bool { return true })
}

func (p *planner) leapfrogMixed(b *builder) {
	p.leap(b, p.between(5, 10), func(int) bool { return p.random.IntN(2) == 0 })
}
