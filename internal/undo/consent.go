package undo

import (
	"fmt"

	"sgward/internal/authorize"
	"sgward/internal/secgroup"
)

// Consent says which rules a person agrees to open. The zero value covers only rules that
// the policy allows and that sgward is known to have closed.
type Consent struct {
	Forbidden    bool // rules that the policy forbids, or may forbid
	Unconfirmed  bool // rules that sgward is not known to have closed
	Contradicted bool // rules that sgward did not close, as CloudTrail shows
}

// Refused is the outcome of a rule that needs more consent.
const Refused authorize.Outcome = "refused"

// RefusedError says why a rule is not restored without more consent.
type RefusedError struct {
	Forbidden bool // the policy forbids the rule, or may; if not, the closing is unconfirmed
	Why       string
}

func (e *RefusedError) Error() string { return e.Why }

// The flags that give the consent.
const (
	FlagForbidden   = "even-if-forbidden"
	FlagUnconfirmed = "even-if-unconfirmed"
)

// Refusal says why an item of a planned step is not restored, nil if it is. A rule that
// exists needs no consent: nothing is opened.
func (u *Undoer) Refusal(s *Step, i int) *RefusedError {
	if _, there := secgroup.FindRule(s.Group.Rules, s.Items[i].Rule.Permission); there {
		return nil
	}
	var c Confirmation
	if i < len(s.Confirmed) {
		c = s.Confirmed[i]
	}
	switch {
	case c.Evidence == Contradicted && !u.Consent.Contradicted:
		return &RefusedError{Why: fmt.Sprintf("sgward did not close it: %s; if you know better, say --%s", c.Why, FlagUnconfirmed)}
	case u.Consent.Forbidden:
	case s.Judged == nil:
		return &RefusedError{true, fmt.Sprintf("whether the policy forbids it is not known: name the policy with --policy, or say --%s", FlagForbidden)}
	case !authorize.Allowed(s.Judged[i]):
		return &RefusedError{true, fmt.Sprintf("the policy forbids it: %s; if it has to be open now, say --%s",
			authorize.ReasonsText(s.Judged[i].Deciding()), FlagForbidden)}
	}
	if c.Evidence == Unconfirmed && !u.Consent.Unconfirmed {
		return &RefusedError{Why: fmt.Sprintf("it is not confirmed that sgward closed it: %s; if you know that it did, say --%s", c.Why, FlagUnconfirmed)}
	}
	return nil
}
