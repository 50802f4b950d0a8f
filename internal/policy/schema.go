package policy

import _ "embed"

//go:embed policy.schema.json
var schema []byte

// Schema returns the JSON Schema of policy files, for editors. Compile also checks rules
// that a schema cannot express.
func Schema() []byte { return append([]byte(nil), schema...) }
