package main

import (
	"bytes"
	"flag"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/drill/history"
	"sgward/drill/oracle"
	"sgward/drill/stage"
	"sgward/drill/wire"
)

func TestWrongUsageIsNamed(t *testing.T) {
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"-faults", "2"}, "-faults"},
		{[]string{"-openings", "0"}, "-openings"},
		{[]string{"all"}, "no arguments"},
		{[]string{"-history", "f.json", "-duration", "1h"}, "-history"},
		{[]string{"-seeds", "2"}, "not defined"},
	} {
		var stderr strings.Builder
		_, err := parse(tt.args, &stderr)
		assert.ErrorIs(t, err, errUsage, tt.args)
		assert.Contains(t, stderr.String(), tt.want)
	}
	_, err := parse([]string{"-help"}, &strings.Builder{})
	assert.ErrorIs(t, err, flag.ErrHelp)
}

func TestASoakTakesTheNextSeeds(t *testing.T) {
	o, err := parse([]string{"-seed", "5", "-openings", "100"}, &strings.Builder{})
	require.NoError(t, err)
	first, err := o.plan(0)
	require.NoError(t, err)
	second, err := o.plan(1)
	require.NoError(t, err)
	assert.Equal(t, history.Plan(5, 100, 0.2), first)
	assert.Equal(t, uint64(6), second.Seed)

	o.only = []string{first.Scenes[3].Name}
	one, err := o.plan(0)
	require.NoError(t, err)
	assert.Equal(t, first.Scenes[3:4], one.Scenes)
	o.historyAt = "none.json"
	_, err = o.plan(0)
	assert.ErrorContains(t, err, "none.json")
}

func TestTheReportTellsKnownLimitsFromWhatIsNew(t *testing.T) {
	r := &stage.Result{
		History: history.History{Seed: 7}, Openings: 10, Events: 12, Messages: 11, Alerts: 9, Took: time.Minute,
		Faults: map[wire.Kind]int{wire.Killed: 3}, Tries: []int{1, 1, 2, 5}, Attempted: 25,
		Calls: map[string]int{"ec2:RevokeSecurityGroupIngress": 10, "sns:Publish": 9},
		Violations: []oracle.Violation{
			{Invariant: oracle.LeftOpen, Scene: "1-open", Op: "1.1", Text: "sgr-1"},
			{Invariant: oracle.Disowned, Scene: "2-open", Op: "2.1", Text: "sgr-2", Known: "some-limit"},
		},
	}
	for range 8 {
		r.Samples = append(r.Samples, stage.Sample{Functions: map[string][]stage.Usage{"RemediateFunction": {{MemoryKB: 16 << 10, Descriptors: 12}}}})
	}
	var out strings.Builder
	printResult(&out, r)
	all := totals{}
	all.add(r)
	all.print(&out)
	for _, want := range []string{
		"seed 7: 10 openings by 12 calls, 11 messages, 9 alerts, in 1m0s", "killed 3", "p50 2, p99 5", "2.5 sent by functions, 1.0 reached EC2",
		"a process of remediate 16 16 16 16 MB, 12 12 12 12 descriptors", "DID NOT HOLD: left-open in 1-open, op 1.1: sgr-1",
		"known limit some-limit, seen 1 times", "1 violations that are not known",
	} {
		assert.Contains(t, out.String(), want)
	}
	for _, l := range stage.Limits() {
		assert.Contains(t, out.String(), l.Name, "every known limit is in every report")
	}
	assert.Equal(t, 1, all.fresh)
}

func TestThePageNamesEveryKnownLimitAndInvariant(t *testing.T) {
	page, err := os.ReadFile("../docs/DRILL.md")
	require.NoError(t, err)
	for _, l := range stage.Limits() {
		assert.Contains(t, string(page), "| `"+l.Name+"` | ")
	}
	assert.Equal(t, len(stage.Limits()), strings.Count(string(page[bytes.Index(page, []byte("## Known limits")):]), "\n| `"))
	for _, i := range []oracle.Invariant{oracle.LeftOpen, oracle.WronglyRemoved, oracle.ClosedUnheard, oracle.Disowned, oracle.Unheard, oracle.FalseClosed,
		oracle.FalseRevoked, oracle.NotTakenBack, oracle.FalseAlarm, oracle.Lost, oracle.DeadAgain, oracle.UndoInexact, oracle.TooManyCalls, oracle.Differs} {
		assert.Contains(t, string(page), "`"+string(i)+"`")
	}
}
