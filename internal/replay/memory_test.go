package replay

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"sgward/internal/logfile"
	"sgward/internal/policy"
	"sgward/internal/policyyaml"
)

// opening is the record of the i-th call, which opens a port of a group of its own to the
// world.
func opening(i, port int) string {
	rule := fmt.Sprintf(`"ipProtocol":"tcp","fromPort":%[1]d,"toPort":%[1]d`, port)
	return fmt.Sprintf(`{"eventVersion":"1.11","eventSource":"ec2.amazonaws.com","eventType":"AwsApiCall",`+
		`"eventName":"AuthorizeSecurityGroupIngress","eventID":"%08[1]x-0000-4000-8000-000000000000","eventTime":"2026-11-03T12:%02[2]d:%02[3]dZ",`+
		`"awsRegion":"eu-central-1","recipientAccountId":"123456789012","sourceIPAddress":"198.51.100.7","userAgent":"aws-cli/2.31",`+
		`"userIdentity":{"type":"IAMUser","arn":"arn:aws:iam::123456789012:user/alice"},"requestParameters":{"groupId":"sg-%017[1]x"},`+
		`"responseElements":{"_return":true,"securityGroupRuleSet":{"items":[{"groupOwnerId":"123456789012","groupId":"sg-%017[1]x",`+
		`"securityGroupRuleId":"sgr-%017[1]x","isEgress":false,%[4]s,"cidrIpv4":"0.0.0.0/0"}]}}}`+"\n", i, i/60%60, i%60, rule)
}

func repositoryPolicy(t testing.TB) *policy.Policy {
	t.Helper()
	data, err := os.ReadFile("../../policy.yaml")
	require.NoError(t, err)
	p, err := policy.Compile(policyyaml.Document("policy.yaml", data))
	require.NoError(t, err)
	return p
}

func TestAHistoryThatIsMadeToBeTooMuchIsGivenUp(t *testing.T) {
	const n = 200
	var opened, refused strings.Builder
	for i := range n {
		opened.WriteString(opening(i, 22))
		refused.WriteString(strings.Replace(opening(i, 22), `"eventID"`, `"errorCode":"Client.UnauthorizedOperation","eventID"`, 1))
	}
	for name, c := range map[string]struct {
		history string
		cost    int64
	}{
		"openings": {opened.String(), callCost},
		"failures": {refused.String(), tallyCost},
	} {
		t.Run(name, func(t *testing.T) {
			scan := func(most int64) error {
				var room atomic.Int64
				room.Store(most)
				w := newWorker(&Options{Policy: repositoryPolicy(t), Progress: &Progress{}}, &sync.Mutex{}, &room)
				return w.scan(t.Context(), 0, logfile.Find([]string{"-"}, strings.NewReader(c.history)).Sources[0])
			}
			require.ErrorIs(t, scan(n*c.cost-1), errTooMuch)
			require.NoError(t, scan(3*n*c.cost))
		})
	}
	require.EqualError(t, errTooMuch, "exceeds, with the files read before it, 4 GB of memory: replay fewer files at a time, or choose some with --accounts and --regions")
}

// BenchmarkMemory measures what stays in memory of a history that has been read: of
// each call that has a finding, and of each that has none. Every call is of a group of
// its own.
func BenchmarkMemory(b *testing.B) {
	const n = 50_000
	p := repositoryPolicy(b)
	for _, test := range []struct {
		name string
		port int
	}{{"opening", 22}, {"compliant", 443}} {
		b.Run(test.name, func(b *testing.B) {
			var history bytes.Buffer
			for i := range n {
				history.WriteString(opening(i, test.port))
			}
			heap := func() uint64 {
				var m runtime.MemStats
				runtime.GC()
				runtime.ReadMemStats(&m)
				return m.HeapAlloc
			}
			for b.Loop() {
				sources := logfile.Find([]string{"-"}, bytes.NewReader(history.Bytes())).Sources
				before := heap()
				g, err := gather(context.Background(), slices.Values(sources), &Options{Policy: p, Progress: &Progress{}})
				require.NoError(b, err)
				after := heap()
				require.Len(b, g.tallies, n)
				b.ReportMetric(float64(after-before)/n, "B/call")
			}
		})
	}
}
