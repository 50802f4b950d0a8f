// Package policyfile finds and loads the policy of a function. It exists beside
// internal/policy so that the judge itself touches no file and no environment.
package policyfile

import (
	"fmt"
	"os"
	"path/filepath"

	"sgward/internal/policy"
)

// Variable is the environment variable that names the policy file.
const Variable = "POLICY_FILE"

// Load reads and compiles the policy that POLICY_FILE names, or policy.yaml beside the
// executable if it is not set. lookup is usually os.LookupEnv. The error names the file
// and the remedy.
func Load(lookup func(string) (string, bool)) (*policy.Policy, error) {
	path, set := lookup(Variable)
	if set && path == "" {
		return nil, fmt.Errorf("reading %s: it is set but empty: want the path of a policy file, or no such variable", Variable)
	}
	if !set {
		executable, err := os.Executable()
		if err != nil {
			return nil, fmt.Errorf("finding policy.yaml beside the binary: %w", err)
		}
		path = filepath.Join(filepath.Dir(executable), "policy.yaml")
	}
	return Read(path)
}

// Read compiles the policy file at path. Reasons cite it by its base name.
func Read(path string) (*policy.Policy, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading policy: %w", err)
	}
	p, err := policy.Parse(filepath.Base(path), data)
	if err != nil {
		return nil, fmt.Errorf("reading policy %s:\n%w", path, err)
	}
	return p, nil
}
