package text

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
)

// Digest returns n bytes of the Sum of parts in hexadecimal, for ids. n is 32 at most.
func Digest(n int, parts ...string) string {
	sum := Sum(parts...)
	return hex.EncodeToString(sum[:n])
}

// Sum returns a hash of parts: equal for equal lists.
func Sum(parts ...string) (sum [sha256.Size]byte) {
	h := sha256.New()
	for _, part := range parts {
		// The length separates parts that would join alike.
		fmt.Fprintf(h, "%d:%s", len(part), part)
	}
	h.Sum(sum[:0])
	return sum
}
