// Package policyfile finds and loads the policy of a function. It exists beside
// internal/policy so that the judge itself touches no file and no environment.
package policyfile

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"sgward/internal/policy"
	"sgward/internal/policy/document"
)

// Variable is the environment variable that names the policy file.
const Variable = "POLICY_FILE"

// InLayer is the path of the policy inside a layer that holds one, beside its JSON form. Lambda
// unpacks layers into /opt, so template.yaml sets POLICY_FILE to /opt/sgward/policy.yaml.
const InLayer = "sgward/policy.yaml"

// Load reads and compiles the policy that POLICY_FILE names, or policy.yaml beside the
// executable if it is not set, and logs one line with its digest. lookup is usually
// os.LookupEnv; attrs are more attributes of the line. The error names the file and the
// remedy.
func Load(lookup func(string) (string, bool), logger *slog.Logger, attrs ...any) (*policy.Policy, error) {
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
	p, err := Read(path)
	if errors.Is(err, fs.ErrNotExist) && strings.HasSuffix(path, "/"+InLayer) {
		return nil, fmt.Errorf("%w: the layer of PolicyLayerArn lacks it: want %s and %s, as \"sgward policy package\" of this release makes them",
			err, InLayer, document.JSONName(InLayer))
	}
	if err != nil {
		return nil, err
	}
	logger.Info("policy loaded", append([]any{"policyDigest", p.Digest(), "file", path, "statements", p.Statements(), "exceptions", p.Exceptions()}, attrs...)...)
	return p, nil
}

// Read compiles the policy file at path, from its JSON form beside it. Reasons cite it by its
// base name. The two files must belong together: the file is what people review, and the
// JSON form is what is applied.
func Read(path string) (*policy.Policy, error) {
	reviewed, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading policy: %w", err)
	}
	form := document.JSONName(path)
	data, err := os.ReadFile(form)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("reading policy: %w: want the JSON form of %s beside it: %s", err, filepath.Base(path), remedy)
	}
	if err != nil {
		return nil, fmt.Errorf("reading policy: %w", err)
	}
	d, err := document.FromJSON(filepath.Base(path), data)
	if err != nil {
		return nil, fmt.Errorf("reading policy %s: %w: %s", form, err, remedy)
	}
	if digest := document.DigestOf(reviewed); d.Digest != digest {
		return nil, fmt.Errorf("reading policy %s: it was made of another file than %s, which has %s: %s", form, filepath.Base(path), digest, remedy)
	}
	p, err := policy.Compile(d)
	if err != nil {
		return nil, fmt.Errorf("reading policy %s:\n%w", path, err)
	}
	return p, nil
}

const remedy = `make both with "sgward policy package"`
