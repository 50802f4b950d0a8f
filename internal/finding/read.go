package finding

import (
	"cmp"
	"encoding/json/jsontext"
	jsonv2 "encoding/json/v2"
	"errors"
	"fmt"

	"sgward/internal/cloudtrail"
)

// UnmarshalJSONFrom reads a Detection. A rule's JSON does not repeat its group and the
// group's owner: it takes them from the finding, or the event's account.
func (d *Detection) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	type plain Detection
	if err := jsonv2.UnmarshalDecode(dec, (*plain)(d)); err != nil {
		return err
	}
	for i := range d.Findings {
		d.Findings[i].nameGroups(d.Event)
	}
	for i := range d.Told {
		d.Told[i].nameGroups(d.Event)
	}
	return nil
}

// UnmarshalJSONFrom reads an Alert, and completes its rules as for a Detection.
func (a *Alert) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	type plain Alert
	if err := jsonv2.UnmarshalDecode(dec, (*plain)(a)); err != nil {
		return err
	}
	for i := range a.Findings {
		a.Findings[i].nameGroups(a.Event)
	}
	return nil
}

// nameGroups gives the finding's rules the group that holds them.
func (f *Finding) nameGroups(e cloudtrail.Event) {
	owner := cmp.Or(f.AccountID, e.AccountID)
	if f.Rule != nil {
		f.Rule.GroupID, f.Rule.OwnerID = f.GroupID, owner
	}
	for i := range f.With {
		f.With[i].GroupID, f.With[i].OwnerID = f.GroupID, owner
	}
}

// ErrNoAlert says that a message is not an alert of sgward, such as an alarm of CloudWatch.
var ErrNoAlert = errors.New("not an alert of sgward")

// VersionError says that an alert is of another version of sgward.
type VersionError struct {
	Version string // of its schema; untrusted
}

func (e *VersionError) Error() string {
	return fmt.Sprintf("the alert has schemaVersion %.20q: this sgward knows %q", e.Version, SchemaVersion)
}

// ReadAlert reads the JSON of an alert. The error is ErrNoAlert if data is not a JSON object with
// a text schemaVersion and with findings, a *VersionError for an unknown version, and
// otherwise that of encoding/json/v2.
func ReadAlert(data []byte) (*Alert, error) {
	var head struct {
		SchemaVersion *string         `json:"schemaVersion"`
		Findings      *jsontext.Value `json:"findings"`
	}
	// Lenient: an alert with a repeated name is one that cannot be read, and not none.
	err := jsonv2.Unmarshal(data, &head, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	switch {
	case err != nil, head.SchemaVersion == nil, head.Findings == nil:
		return nil, ErrNoAlert
	case *head.SchemaVersion != SchemaVersion:
		return nil, &VersionError{*head.SchemaVersion}
	}
	var a Alert
	if err := jsonv2.Unmarshal(data, &a); err != nil {
		return nil, err
	}
	return &a, nil
}
