package text

// Problem is a part of the input that could not be read.
type Problem struct {
	Place string // such as the file with its record or line and address, or account and region
	Text  string
}
