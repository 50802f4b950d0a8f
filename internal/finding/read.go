package finding

import (
	"cmp"
	"encoding/json/jsontext"
	jsonv2 "encoding/json/v2"

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
