package cli

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"

	"sgward/internal/doctor"
	"sgward/internal/stack"
)

// A region without a stack is a failure, but for --all-regions, where an account may leave
// regions unused. One of several accounts that uses none is a failure.
func TestRegionsWithoutAStack(t *testing.T) {
	none := &stack.MissingError{Name: "sgward", Region: "us-east-1"}
	for name, tt := range map[string]struct {
		flags accountFlags
		errs  []error // of the account's regions, nil where it has a stack
		want  []doctor.Status
	}{
		"named, of one account":                 {accountFlags{}, []error{none, nil}, []doctor.Status{doctor.Failure, 0}},
		"named, of several":                     {accountFlags{organization: "audit"}, []error{none, nil}, []doctor.Status{doctor.Failure, 0}},
		"all, of one account":                   {accountFlags{allRegions: true}, []error{none, none}, []doctor.Status{doctor.Warning, doctor.Warning}},
		"all, of several with a stack":          {accountFlags{allRegions: true, organization: "audit"}, []error{none, nil}, []doctor.Status{doctor.Warning, 0}},
		"all, of several without any":           {accountFlags{allRegions: true, organization: "audit"}, []error{none, none}, []doctor.Status{doctor.Failure, doctor.Failure}},
		"all, of several with an unread region": {accountFlags{allRegions: true, organization: "audit"}, []error{none, errors.New("denied")}, []doctor.Status{doctor.Warning, doctor.Unknown}},
	} {
		t.Run(name, func(t *testing.T) {
			f := doctorFlags{accountFlags: tt.flags, stack: "sgward"}
			reports := []*doctor.Report{{AccountID: "444455556666", Region: "us-east-1", Stack: &stack.Stack{}}}
			for _, err := range tt.errs {
				reports = append(reports, &doctor.Report{AccountID: "123456789012", Region: "us-east-1", Err: err})
			}
			f.explain(reports)
			for i, want := range tt.want {
				lines := reports[i+1].Lines
				if tt.errs[i] == nil {
					assert.Empty(t, lines)
					continue
				}
				if assert.Len(t, lines, 1) {
					assert.Equal(t, want, lines[0].Status)
				}
			}
		})
	}
}
