package doctor

import (
	"cmp"
	"fmt"
	"strings"

	"sgward/internal/organization"
	"sgward/internal/text"
)

// PrintAccounts writes the reports of several accounts: a line for each account and region,
// and under it what is not OK. JSON is that of Print.
func (p *Printer) PrintAccounts(reports []*Report, stackName string) error {
	if p.JSON {
		for _, r := range reports {
			if err := p.printJSON(r, stackName); err != nil {
				return err
			}
		}
		return nil
	}
	accounts, widest := map[string]bool{}, 0
	for _, r := range reports {
		accounts[r.AccountID] = true
		widest = max(widest, text.Columns(r.label()))
	}
	var b strings.Builder
	if !p.Quiet {
		fmt.Fprintf(&b, "Stack %s in %s\n", text.Visible(stackName), text.Plural(len(accounts), "account"))
	}
	counts := map[Status]int{}
	for _, r := range reports {
		worst := r.worst()
		counts[worst]++
		if p.Quiet && worst == OK {
			continue
		}
		line := "  " + p.status(worst) + text.PadRight(r.label(), min(widest, labelWidth)) + "  " + text.PadRight(cmp.Or(r.Region, "-"), regionWidth) + "  "
		if r.Stack == nil { // one line says why
			for _, l := range r.Lines {
				line += p.found(l)
				if l.Fix != "" {
					line += ": " + text.Visible(l.Fix)
				}
			}
			b.WriteString(line + "\n")
			continue
		}
		b.WriteString(strings.TrimRight(line+r.names(), " ") + "\n")
		for _, l := range r.Lines {
			if l.Status != OK {
				b.WriteString(p.line("    ", l))
			}
		}
	}
	if !p.Quiet {
		b.WriteString(sum(func(s Status) int { return counts[s] }))
	}
	return p.write(b.String())
}

const (
	labelWidth  = 40 // of most accounts' ids and names
	regionWidth = 14 // of ap-southeast-1; few are longer
)

// label names the account for people.
func (r *Report) label() string {
	return text.Shown(text.Visible(organization.Account{ID: r.AccountID, Name: r.AccountName}.String()), 2*labelWidth)
}

// worst returns the worst status of the lines.
func (r *Report) worst() Status {
	for _, s := range bySeverity {
		if r.Count(s) > 0 {
			return s
		}
	}
	return Unknown
}

// names lists the checks that are not OK, the worst first: "rules, queue; warning: topic".
func (r *Report) names() string {
	var parts []string
	for _, s := range bySeverity[:len(bySeverity)-1] {
		var names []string
		for _, l := range r.Lines {
			if l.Status == s && (len(names) == 0 || names[len(names)-1] != l.Check) {
				names = append(names, l.Check)
			}
		}
		if len(names) == 0 {
			continue
		}
		prefix := ""
		if s != r.worst() {
			prefix = s.String() + ": "
		}
		parts = append(parts, prefix+strings.Join(names, ", "))
	}
	return strings.Join(parts, "; ")
}
