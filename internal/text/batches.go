package text

// Batches splits items into lists of at most n items and size bytes together, in order. An item
// that is larger has a list of its own.
func Batches[T any](items []T, n, size int, sizeOf func(T) int) [][]T {
	var out [][]T
	room := 0
	for _, item := range items {
		s := sizeOf(item)
		if len(out) == 0 || len(out[len(out)-1]) == n || s > room {
			out, room = append(out, nil), size
		}
		out[len(out)-1] = append(out[len(out)-1], item)
		room -= s
	}
	return out
}
