package alert

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// update rewrites the golden files: go test ./internal/alert -run Golden -update
var update = flag.Bool("update", false, "rewrite the golden files")

func TestGoldenAlertsReadAsTheyShould(t *testing.T) {
	for _, s := range scenarios() {
		t.Run(s.name, func(t *testing.T) {
			m, err := NewMessage(Complete(s.alert))
			require.NoError(t, err)
			got := transcript(t, m, s.summary)
			file := filepath.Join("testdata", s.name+".txt")
			if *update {
				require.NoError(t, os.WriteFile(file, []byte(got), 0o644))
			}
			want, err := os.ReadFile(file)
			require.NoError(t, err)
			assertSameLines(t, string(want), got)
		})
	}
}

// assertSameLines reports the first line that differs, not two whole mails.
func assertSameLines(t *testing.T, want, got string) {
	t.Helper()
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range max(len(w), len(g)) {
		switch {
		case i >= len(w):
			t.Fatalf("line %d is new: %s", i+1, g[i])
		case i >= len(g):
			t.Fatalf("line %d is missing: %s", i+1, w[i])
		case w[i] != g[i]:
			t.Fatalf("line %d\nwant: %s\n got: %s", i+1, w[i], g[i])
		}
	}
}

// transcript shows a message as its readers see it.
func transcript(t *testing.T, m Message, summary bool) string {
	var b strings.Builder
	fmt.Fprintf(&b, "===== subject\n%s\n===== attributes\n", m.Subject)
	for _, at := range m.Attributes {
		fmt.Fprintf(&b, "%s (%s): %s\n", at.Name, at.Type, at.Value)
	}
	fmt.Fprintf(&b, "===== e-mail\n%s", m.Email)
	var n notification
	require.NoError(t, json.Unmarshal([]byte(m.HTTPS), &n))
	fmt.Fprintf(&b, "===== chat\n%s\n-----\n%s\n", n.Content.Title, n.Content.Description)
	n.Content.Title, n.Content.Description = "(above)", "(above)"
	rest, err := marshal(n)
	require.NoError(t, err)
	fmt.Fprintf(&b, "===== chat, the rest\n%s\n", indented(t, rest))
	if summary {
		a := decoded(t, m)
		fmt.Fprintf(&b, "===== JSON\n%d findings, %d omitted\n", len(a.Findings), a.FindingsOmitted)
	} else {
		fmt.Fprintf(&b, "===== JSON\n%s\n", indented(t, m.Default))
	}
	return b.String()
}

func indented(t *testing.T, text string) string {
	var b bytes.Buffer
	require.NoError(t, json.Indent(&b, []byte(text), "", "  "))
	return b.String()
}
