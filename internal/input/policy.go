package input

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"sgward/internal/policyyaml"

	"sgward/internal/policy"
)

// DefaultPolicy is the default path of a policy.
const DefaultPolicy = "policy.yaml"

// Policy compiles a policy file. Reasons cite it by the path given.
func Policy(file string) (*policy.Policy, error) {
	p, _, err := PolicyData(file)
	return p, err
}

// PolicyData compiles a policy file, and returns what it holds.
func PolicyData(file string) (*policy.Policy, []byte, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		var path *os.PathError
		if errors.As(err, &path) {
			err = path.Err
		}
		switch missing := errors.Is(err, fs.ErrNotExist); {
		case missing && file == DefaultPolicy:
			return nil, nil, &missingError{file + " does not exist: name a policy, or run this in the folder of policy.yaml"}
		case missing:
			return nil, nil, &missingError{filepath.Clean(file) + " does not exist"}
		}
		return nil, nil, fmt.Errorf("%s: reading policy: %w", filepath.Clean(file), err)
	}
	p, err := policy.Compile(policyyaml.Document(filepath.ToSlash(filepath.Clean(file)), data))
	return p, data, err
}

// missingError says in words that a file does not exist. It is fs.ErrNotExist.
type missingError struct{ text string }

func (e *missingError) Error() string { return e.text }

func (e *missingError) Unwrap() error { return fs.ErrNotExist }
