package policy

import _ "embed"

//go:embed policy.schema.json
var schema []byte

// Schema returns the JSON Schema of policy files, for editors. It describes the
// form; Parse holds to more than a schema can say.
func Schema() []byte { return append([]byte(nil), schema...) }
