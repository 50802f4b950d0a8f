package tour_test

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// row is a line of a log as CloudWatch Logs Insights discovers its fields: members of members
// and of lists have names with dots.
type row map[string]any

func rowOf(line map[string]any) row {
	out := row{}
	var add func(name string, value any)
	add = func(name string, value any) {
		switch v := value.(type) {
		case map[string]any:
			for key, member := range v {
				add(strings.TrimPrefix(name+"."+key, "."), member)
			}
		case []any:
			for i, member := range v {
				add(name+"."+strconv.Itoa(i), member)
			}
		default:
			out[name] = v
		}
	}
	add("", line)
	return out
}

// insights is a query in the part of Logs Insights' language that dashboard.yaml uses
// (https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CWL_QuerySyntax.html): fields,
// filter, stats with count(*) and latest, sort, limit.
type insights struct {
	fields  []string // all that the query names, but those that stats makes
	filters []func(row) bool
	by      []string
	counts  string            // the name of count(*)
	latest  map[string]string // from the name to the field
	sort    string
	limit   int
}

func parseInsights(query string) (q insights, err error) {
	defer func() {
		if problem := recover(); problem != nil {
			err = fmt.Errorf("reading query: %v", problem)
		}
	}()
	q.latest = map[string]string{}
	for _, command := range strings.Split(query, "|") {
		name, rest, _ := strings.Cut(strings.TrimSpace(command), " ")
		rest = strings.TrimSpace(rest)
		switch name {
		case "fields":
			q.fields = append(q.fields, list(rest)...)
		case "filter":
			p := &condition{tokens: tokenOf.FindAllString(rest, -1), query: &q}
			q.filters = append(q.filters, p.any())
			if len(p.tokens) > 0 {
				panic("left of a filter: " + strings.Join(p.tokens, " "))
			}
		case "stats":
			made, by, _ := strings.Cut(rest, " by ")
			q.by = list(by)
			q.fields = append(q.fields, q.by...)
			for _, one := range list(made) {
				m := aggregate.FindStringSubmatch(one)
				switch {
				case m == nil:
					panic("stats: " + one)
				case m[1] == "count":
					q.counts = m[3]
				default:
					q.latest[m[3]] = m[2]
					q.fields = append(q.fields, m[2])
				}
			}
		case "sort":
			field, order, _ := strings.Cut(rest, " ")
			if order != "desc" {
				panic("sort: want desc")
			}
			if q.sort = field; field != q.counts {
				q.fields = append(q.fields, field)
			}
		case "limit":
			q.limit = number(rest)
		default:
			panic("command " + name)
		}
	}
	return q, nil
}

var (
	tokenOf   = regexp.MustCompile(`"[^"]*"|!=|[=><()\[\],]|[^\s=><!()\[\],]+`)
	aggregate = regexp.MustCompile(`^(count|latest)\(([\w.*@]+)\) as (\w+)$`)
)

func list(text string) (out []string) {
	for _, one := range strings.Split(text, ",") {
		out = append(out, strings.TrimSpace(one))
	}
	return out
}

func number(text string) int {
	n, err := strconv.Atoi(text)
	if err != nil {
		panic(err)
	}
	return n
}

// condition reads the expression of a filter.
type condition struct {
	tokens []string
	query  *insights
}

func (p *condition) next() string {
	if len(p.tokens) == 0 {
		return ""
	}
	token := p.tokens[0]
	p.tokens = p.tokens[1:]
	return token
}

func (p *condition) take(token string) bool {
	if len(p.tokens) > 0 && p.tokens[0] == token {
		p.tokens = p.tokens[1:]
		return true
	}
	return false
}

func (p *condition) any() func(row) bool {
	all := []func(row) bool{p.all()}
	for p.take("or") {
		all = append(all, p.all())
	}
	return func(r row) bool { return slices.ContainsFunc(all, func(f func(row) bool) bool { return f(r) }) }
}

func (p *condition) all() func(row) bool {
	all := []func(row) bool{p.one()}
	for p.take("and") {
		all = append(all, p.one())
	}
	return func(r row) bool { return !slices.ContainsFunc(all, func(f func(row) bool) bool { return !f(r) }) }
}

func (p *condition) one() func(row) bool {
	if p.take("(") {
		inner := p.any()
		if !p.take(")") {
			panic("want )")
		}
		return inner
	}
	field := p.next()
	p.query.fields = append(p.query.fields, field)
	switch operator := p.next(); operator {
	case "in":
		var values []any
		for p.next(); ; p.take(",") {
			if p.take("]") {
				break
			}
			values = append(values, literal(p.next()))
		}
		return func(r row) bool { return slices.Contains(values, r[field]) }
	case "=":
		want := literal(p.next())
		return func(r row) bool { return r[field] == want }
	case "!=":
		want := literal(p.next())
		return func(r row) bool { return r[field] != want }
	case ">":
		least := float64(number(p.next()))
		return func(r row) bool { v, ok := r[field].(float64); return ok && v > least }
	default:
		panic("operator " + operator)
	}
}

func literal(token string) any {
	if text, ok := strings.CutPrefix(token, `"`); ok {
		return strings.TrimSuffix(text, `"`)
	}
	return float64(number(token))
}

// run returns the rows of the answer.
func (q insights) run(rows []row) (out []row) {
	groups := map[string]row{}
	for _, r := range rows {
		if slices.ContainsFunc(q.filters, func(f func(row) bool) bool { return !f(r) }) {
			continue
		}
		if q.counts == "" {
			out = append(out, r)
			continue
		}
		var key strings.Builder
		made := row{}
		for _, by := range q.by {
			made[by] = r[by]
			fmt.Fprintf(&key, "%v\x00", r[by])
		}
		if groups[key.String()] == nil {
			made[q.counts] = 0.0
			groups[key.String()] = made
			out = append(out, made)
		}
		made = groups[key.String()]
		made[q.counts] = made[q.counts].(float64) + 1
		for name, field := range q.latest {
			made[name] = r[field]
		}
	}
	slices.SortStableFunc(out, func(a, b row) int {
		x, numeric := a[q.sort].(float64)
		y, _ := b[q.sort].(float64)
		if numeric {
			return cmp.Compare(y, x)
		}
		return strings.Compare(fmt.Sprint(b[q.sort]), fmt.Sprint(a[q.sort]))
	})
	return out[:min(len(out), q.limit)]
}
