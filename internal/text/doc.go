// Package text holds what every output of sgward needs to say something to people:
//
//   - untrusted text (descriptions, session names, user agents) made visible and cut;
//   - numbers, durations and lists in words;
//   - colour, columns and wrapped lines;
//   - the partitions of AWS, for ARNs and links to the console.
//
// It imports the standard library only.
package text
