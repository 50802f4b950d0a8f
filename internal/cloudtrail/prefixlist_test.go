package cloudtrail_test

import (
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/cloudtrail"
)

// editedList is the record of a call on a prefix list with these parameters.
func editedList(eventName, members string) fields {
	return successful(eventName, `{"`+eventName+`Request":`+members+`}`, `{"`+eventName+`Response":{"prefixList":{"prefixListId":"`+listID+`"}}}`)
}

// delivered is a record as EventBridge delivers it.
func delivered(tb testing.TB, record fields) []byte {
	tb.Helper()
	return envelope(record.JSON(tb)).JSON(tb)
}

// parseEdit reads a call for what it did to a prefix list.
func parseEdit(data []byte) (cloudtrail.Call, error) {
	return cloudtrail.Parse(data, cloudtrail.KindEditList)
}

func prefixes(texts ...string) []netip.Prefix {
	var out []netip.Prefix
	for _, s := range texts {
		out = append(out, netip.MustParsePrefix(s))
	}
	return out
}

func TestPrefixListEventTellsWhatWasAskedFor(t *testing.T) {
	c, err := parseEdit(delivered(t, editedList("ModifyManagedPrefixList",
		`{"PrefixListId":"`+listID+`","CurrentVersion":3,"AddEntry":{"Cidr":"0.0.0.0/0","Description":"all","tag":1},"RemoveEntry":{"Cidr":"10.1.2.3/8","tag":1}}`)))
	require.NoError(t, err)
	assert.Equal(t, cloudtrail.Call{
		Event: cloudtrail.Event{
			EventID: eventID, EventName: "ModifyManagedPrefixList", EventTime: time.Date(2026, 11, 3, 9, 15, 42, 0, time.UTC),
			AccountID: account, Region: region, Actor: cloudtrail.Actor{Type: "IAMUser", ARN: aliceARN},
			SourceIPAddress: "198.51.100.7", UserAgent: userAgent,
		},
		Kind: cloudtrail.KindEditList,
		List: &cloudtrail.ListEdit{ID: listID, Added: prefixes("0.0.0.0/0"), Removed: prefixes("10.0.0.0/8"), FromVersion: 3},
	}, c)
}

func TestPrefixListEntriesAreReadInEverySpelling(t *testing.T) {
	for name, entries := range map[string]string{
		"array":          `[{"Cidr":"10.0.0.0/8","tag":1},{"Cidr":"2001:db8::/32","Description":"v6","tag":2}]`,
		"items":          `{"items":[{"Cidr":"10.0.0.0/8"},{"Cidr":"2001:db8::/32"}]}`,
		"tags as text":   `[{"tag":"1","Cidr":"10.0.0.0/8"},{"tag":"2","Cidr":"2001:DB8::/32"}]`,
		"host bits kept": `[{"Cidr":"10.9.9.9/8"},{"Cidr":"2001:db8::1/32"}]`,
	} {
		t.Run(name, func(t *testing.T) {
			c, err := parseEdit(delivered(t, editedList("ModifyManagedPrefixList", `{"PrefixListId":"`+listID+`","CurrentVersion":"7","AddEntry":`+entries+`}`)))
			require.NoError(t, err)
			assert.Equal(t, prefixes("10.0.0.0/8", "2001:db8::/32"), c.List.Added)
			assert.Equal(t, int64(7), c.List.FromVersion)
		})
	}
}

func TestRestoredPrefixListNamesTheVersions(t *testing.T) {
	c, err := parseEdit(delivered(t, editedList("RestoreManagedPrefixListVersion", `{"PrefixListId":"`+listID+`","PreviousVersion":2,"CurrentVersion":5,"xmlns":null}`)))
	require.NoError(t, err)
	older, err := parseEdit(delivered(t, editedList("RestoreManagedPrefixListVersion", `{"PrefixListId":"`+listID+`","PreviousVersion":2,"CurrentVersion":null}`)))
	require.NoError(t, err)
	assert.Zero(t, older.List.FromVersion, "not told")
	assert.Equal(t, int64(2), c.List.RestoredVersion)
	assert.Equal(t, int64(5), c.List.FromVersion)
	assert.Empty(t, c.Skipped)
}

func TestPrefixListEventWithoutParametersTakesTheListFromTheAnswer(t *testing.T) {
	base := editedList("ModifyManagedPrefixList", `{}`)
	for name, event := range map[string]fields{
		"omitted": base.with("requestParameters", `{"omitted":true,"originalSize":120000,"reason":"requestParameters too large"}`),
		"null":    base.with("requestParameters", "null"),
	} {
		t.Run(name, func(t *testing.T) {
			c, err := parseEdit(delivered(t, event))
			require.NoError(t, err)
			assert.True(t, c.List.Omitted)
			assert.Equal(t, listID, c.List.ID)
			assert.Empty(t, c.Skipped)
		})
	}
	c, err := parseEdit(delivered(t, base.with("requestParameters", "null").with("responseElements", `{"omitted":true}`)))
	require.NoError(t, err)
	assert.Empty(t, c.List.ID, "and where that is left out too, nothing names it")
}

func TestPrefixListRequestWithMembersNobodyKnowsIsNotTakenForOneWithoutEntries(t *testing.T) {
	for name, members := range map[string]string{
		"entries by another name": `"AddEntries":[{"Cidr":"0.0.0.0/0"}]`,
		"in another case":         `"addEntry":{"Cidr":"0.0.0.0/0"}`,
		"numbered":                `"AddEntry.1.Cidr":"0.0.0.0/0"`,
		"beside a new name":       `"PrefixListName":"new","AddPrefixListEntry":{"Cidr":"0.0.0.0/0"}`,
		"synchronised by IPAM":    `"IpamPrefixListResolverSyncEnabled":true`,
		"beside entries":          `"RemoveEntry":{"Cidr":"10.0.0.0/8"},"AddEntries":[{"Cidr":"0.0.0.0/0"}]`,
	} {
		t.Run(name, func(t *testing.T) {
			c, err := parseEdit(delivered(t, editedList("ModifyManagedPrefixList", `{"PrefixListId":"`+listID+`","CurrentVersion":4,`+members+`}`)))
			require.NoError(t, err)
			assert.Empty(t, c.Skipped)
			assert.True(t, c.List.Omitted, "what was added is only EC2's to tell")
			assert.Equal(t, listID, c.List.ID)
			assert.Equal(t, int64(4), c.List.FromVersion)
		})
	}
}

func TestPrefixListEventsThatChangeNoEntriesAreSkipped(t *testing.T) {
	entry := `{"PrefixListId":"` + listID + `","CurrentVersion":1,"AddEntry":{"Cidr":"0.0.0.0/0"}}`
	for name, c := range map[string]struct {
		event fields
		why   string
	}{
		"renamed":          {editedList("ModifyManagedPrefixList", `{"PrefixListId":"`+listID+`","PrefixListName":"new"}`), "no entries were changed"},
		"resized":          {editedList("ModifyManagedPrefixList", `{"PrefixListId":"`+listID+`","MaxEntries":50}`), "no entries were changed"},
		"no change at all": {editedList("ModifyManagedPrefixList", `{"xmlns":"http://ec2.amazonaws.com/doc/2016-11-15/","PrefixListId":"`+listID+`","CurrentVersion":1,"DryRun":false}`), "no entries were changed"},
		"only the id":      {editedList("ModifyManagedPrefixList", `{"PrefixListId":"`+listID+`"}`), "no entries were changed"},
		"empty lists":      {editedList("ModifyManagedPrefixList", `{"PrefixListId":"`+listID+`","AddEntry":{},"RemoveEntry":[]}`), "no entries were changed"},
		"denied":           {editedList("ModifyManagedPrefixList", entry).with("errorCode", `"Client.UnauthorizedOperation"`), "the call failed: Client.UnauthorizedOperation"},
		"dry run":          {editedList("ModifyManagedPrefixList", entry).with("errorCode", `"Client.DryRunOperation"`), "the call failed: Client.DryRunOperation"},
		"another call":     {editedList("CreateManagedPrefixList", entry), "the call is CreateManagedPrefixList, which is not judged"},
		"an opening":       {successful("AuthorizeSecurityGroupIngress", `{}`, `{}`), "the call is AuthorizeSecurityGroupIngress, which is not judged"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := parseEdit(delivered(t, c.event))
			require.NoError(t, err)
			assert.Equal(t, c.why, got.Skipped)
			assert.Equal(t, eventID, got.EventID)
			assert.Nil(t, got.List)
		})
	}
}

func TestMalformedPrefixListEventsNameTheField(t *testing.T) {
	const request = "detail.requestParameters.ModifyManagedPrefixListRequest"
	of := func(members string) []byte { return delivered(t, editedList("ModifyManagedPrefixList", members)) }
	for name, c := range map[string]struct {
		event []byte
		field string
	}{
		"not JSON":          {[]byte(`{"detail"`), "detail"},
		"no detail":         {[]byte(`{"detail-type":"AWS API Call via CloudTrail"}`), "detail"},
		"no request":        {delivered(t, editedList("ModifyManagedPrefixList", `{}`).with("requestParameters", `{"prefixListId":"`+listID+`"}`)), request},
		"no list":           {of(`{"AddEntry":{"Cidr":"0.0.0.0/0"}}`), request + ".PrefixListId"},
		"list unknown name": {of(`{"prefixListId":"` + listID + `","AddEntry":{"Cidr":"0.0.0.0/0"}}`), request + ".PrefixListId"},
		"list a number":     {of(`{"PrefixListId":1}`), request + ".PrefixListId"},
		"entries as text":   {of(`{"PrefixListId":"` + listID + `","AddEntry":"0.0.0.0/0"}`), request + ".AddEntry"},
		"entry as text":     {of(`{"PrefixListId":"` + listID + `","AddEntry":["0.0.0.0/0"]}`), request + ".AddEntry[0]"},
		"entry no CIDR":     {of(`{"PrefixListId":"` + listID + `","AddEntry":[{"Cidr":"10.0.0.0/8"},{"Cidr":"everything"}]}`), request + ".AddEntry[1].Cidr"},
		"entry without":     {of(`{"PrefixListId":"` + listID + `","RemoveEntry":{"tag":1}}`), request + ".RemoveEntry.Cidr"},
		"version no number": {of(`{"PrefixListId":"` + listID + `","CurrentVersion":"three"}`), request + ".CurrentVersion"},
		"version below one": {of(`{"PrefixListId":"` + listID + `","CurrentVersion":0}`), request + ".CurrentVersion"},
		"entries twice":     {of(`{"PrefixListId":"` + listID + `","AddEntry":{"Cidr":"10.0.0.0/8"},"AddEntry":{"Cidr":"0.0.0.0/0"}}`), request + ".AddEntry"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := parseEdit(c.event)
			var malformed *cloudtrail.MalformedError
			require.ErrorAs(t, err, &malformed)
			assert.Equal(t, c.field, malformed.Field)
			assert.NotEmpty(t, malformed.Problem)
			assert.Zero(t, got)
		})
	}
}

func TestOwnPrefixListEventsAreUnderstood(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("..", "..", "events", "sweep", "*.json"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		event, err := os.ReadFile(file)
		require.NoError(t, err)
		c, err := parseEdit(event)
		require.NoError(t, err, file)
		if filepath.Base(file) == "scheduled-day.json" {
			assert.Contains(t, c.Skipped, "Scheduled Event")
			continue
		}
		assert.Empty(t, c.Skipped, file)
		assert.Equal(t, listID, c.List.ID, file)
		assert.Positive(t, c.List.FromVersion, file)
		assert.True(t, len(c.List.Added) > 0 || c.List.RestoredVersion > 0, file)
	}
}

func FuzzParsePrefixListEvent(f *testing.F) {
	files, err := filepath.Glob(filepath.Join("..", "..", "events", "sweep", "*.json"))
	require.NoError(f, err)
	for _, file := range files {
		event, err := os.ReadFile(file)
		require.NoError(f, err)
		f.Add(event)
	}
	f.Fuzz(func(t *testing.T, event []byte) {
		c, err := parseEdit(event)
		if err != nil {
			var malformed *cloudtrail.MalformedError
			require.ErrorAs(t, err, &malformed)
			require.Zero(t, c)
			return
		}
		if c.Skipped != "" {
			require.Nil(t, c.List)
			return
		}
		require.NotEmpty(t, c.EventID)
		require.NotEmpty(t, c.Region)
		require.False(t, c.List.ID == "" && !c.List.Omitted, "a change of no list")
		for _, p := range c.List.Added {
			require.Equal(t, p.Masked(), p)
		}
	})
}
