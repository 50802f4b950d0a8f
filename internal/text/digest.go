package text

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
)

// Digest returns n bytes of a hash of parts in hexadecimal, for ids: equal for equal lists.
// n is 32 at most.
func Digest(n int, parts ...string) string {
	h := sha256.New()
	for _, part := range parts {
		// The length separates parts that would join alike.
		fmt.Fprintf(h, "%d:%s", len(part), part)
	}
	return hex.EncodeToString(h.Sum(nil)[:n])
}
