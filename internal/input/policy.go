package input

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"sgward/internal/policy"
)

// DefaultPolicy is where commands look for a policy.
const DefaultPolicy = "policy.yaml"

// Policy compiles a policy file, cited by the path that was written.
func Policy(file string) (*policy.Policy, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		var path *os.PathError
		if errors.As(err, &path) {
			err = path.Err
		}
		if file == DefaultPolicy && errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("%s: reading policy: %w: there is none in this folder, name one", file, err)
		}
		return nil, fmt.Errorf("%s: reading policy: %w", filepath.Clean(file), err)
	}
	return policy.Parse(filepath.ToSlash(filepath.Clean(file)), data)
}
