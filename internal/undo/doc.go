// Package undo restores the rules that alerts report as closed. Read finds the alerts in
// pasted text, Select the rules in them, and Undoer judges the rules as of now and
// restores them: exactly those, with their descriptions and tags.
//
// An alert is untrusted text. Anything but a valid rule of one group in one account and
// region is refused before any call, and calls use the values that were checked, never the
// alert's own words: its field "undo" is not read. CloudTrail shows whether sgward closed
// the rules, and a rule that the Consent does not cover is refused.
package undo
