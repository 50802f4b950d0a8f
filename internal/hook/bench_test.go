package hook_test

import (
	"fmt"
	"testing"

	"sgward/internal/hook"
)

// A group of usual size, and one with as many rules as EC2 grants by the highest quota, whose
// peers add up.
func BenchmarkAnswer(b *testing.B) {
	for _, n := range []int{5, 1000} {
		var ingress []string
		for i := range n {
			ingress = append(ingress, tcp(3306, fmt.Sprintf("52.%d.%d.0/24", i/250, i%250)))
		}
		payload := request(groups, group(ingress...), "")
		j := judge(b, hook.Refuse, "testdata/policy.yaml")
		b.Run(fmt.Sprintf("%d rules", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if a := j.Answer(payload); a.Err != nil || len(a.Response.Message) == 0 {
					b.Fatal(a.Err)
				}
			}
		})
	}
}
