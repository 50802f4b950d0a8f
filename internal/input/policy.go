package input

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"sgward/internal/policy"
)

// DefaultPolicy is the default path of a policy.
const DefaultPolicy = "policy.yaml"

// Policy compiles a policy file. Reasons cite it by the path given.
func Policy(file string) (*policy.Policy, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		var path *os.PathError
		if errors.As(err, &path) {
			err = path.Err
		}
		if file == DefaultPolicy && errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("%s: reading policy: %w: name one, or run this in the folder of policy.yaml", file, err)
		}
		return nil, fmt.Errorf("%s: reading policy: %w", filepath.Clean(file), err)
	}
	return policy.Parse(filepath.ToSlash(filepath.Clean(file)), data)
}
