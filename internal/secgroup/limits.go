package secgroup

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// EC2's limits on texts, in characters
// (https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateSecurityGroup.html,
// https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_Tags.html).
const (
	mostText     = 255
	mostTagKey   = 128
	mostTagValue = 256
	mostTags     = 50
)

// textMarks are the characters that EC2 allows in names and descriptions beside letters
// and digits.
const textMarks = " ._-:/()#,@[]+=&;{}!$*"

// CheckName reports why EC2 would refuse a text as the name of a group.
func CheckName(name string) error {
	switch {
	case name == "":
		return fmt.Errorf("it is empty: want 1 to %d characters", mostText)
	case strings.HasPrefix(strings.ToLower(name), "sg-"):
		return fmt.Errorf("%q begins with sg-, which EC2 keeps for ids", name)
	case strings.EqualFold(name, "default"):
		return fmt.Errorf("%q is the name that EC2 gives to each VPC's own group", name)
	case strings.TrimSpace(name) != name:
		return fmt.Errorf("%q begins or ends with a blank, which EC2 cuts off", name)
	default:
		return checkText(name)
	}
}

// CheckDescription reports why EC2 would refuse a text as the description of a rule or
// group. A rule needs none; a group does.
func CheckDescription(text string) error { return checkText(text) }

func checkText(text string) error {
	if n := utf8.RuneCountInString(text); n > mostText {
		return fmt.Errorf("it has %d characters: EC2 takes %d", n, mostText)
	}
	for _, r := range text {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
		if !letter && !strings.ContainsRune(textMarks, r) {
			return fmt.Errorf("%q holds %q: EC2 takes letters and digits of ASCII, blanks and %s", text, r, strings.TrimSpace(textMarks))
		}
	}
	return nil
}

// CheckTags reports why EC2 would refuse tags. It ignores those that only AWS can set: see
// SettableTags.
func CheckTags(tags []Tag) error {
	settable := SettableTags(tags)
	if len(settable) > mostTags {
		return fmt.Errorf("there are %d tags: EC2 takes %d", len(settable), mostTags)
	}
	seen := map[string]bool{}
	for _, t := range settable {
		switch {
		case t.Key == "":
			return fmt.Errorf("a tag has no key")
		case seen[t.Key]:
			return fmt.Errorf("the tag %q is there twice", t.Key)
		case !utf8.ValidString(t.Key + t.Value):
			return fmt.Errorf("the tag %q is not UTF-8", t.Key)
		case utf8.RuneCountInString(t.Key) > mostTagKey, utf8.RuneCountInString(t.Value) > mostTagValue:
			return fmt.Errorf("the tag %q is too long: EC2 takes keys of %d and values of %d characters", t.Key, mostTagKey, mostTagValue)
		}
		seen[t.Key] = true
	}
	return nil
}

// SettableTags returns the tags without those that only AWS can set.
func SettableTags(tags []Tag) []Tag {
	return slices.DeleteFunc(slices.Clone(tags), Tag.IsOwnedByAWS)
}
