package ec2api

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"
)

// digest derives n hex digits from the server's seed and a name that is used
// once. One seed gives the same digits in the same order in every run.
func (s *Server) digest(n int, parts ...string) string {
	sum := sha256.Sum256([]byte(s.seed + "\x00" + strings.Join(parts, "\x00")))
	return hex.EncodeToString(sum[:])[:n]
}

// next numbers the resources of one kind within a region, so that ids of one kind do not
// depend on the number of others.
func (r *region) next(kind string) string {
	r.counters[kind]++
	return strconv.FormatUint(r.counters[kind], 10)
}

// newID makes an id as EC2 does: the prefix and 17 hex digits, the first a zero.
func (s *Server) newID(r *region, prefix string) string {
	return prefix + "-0" + s.digest(16, r.account, r.name, prefix, r.next(prefix))
}

// newUUID makes an id for a request or an event.
func (s *Server) newUUID(r *region, kind string) string {
	h := s.digest(32, r.account, r.name, kind, r.next(kind))
	return h[:8] + "-" + h[8:12] + "-4" + h[13:16] + "-8" + h[17:20] + "-" + h[20:]
}
