// Package text holds the parts that all output of sgward for people shares:
//
//   - untrusted text (descriptions, session names, user agents) made visible and cut;
//   - numbers, durations and lists in words;
//   - colour, columns and wrapped lines;
//   - the partitions of AWS, for ARNs and links to the console;
//   - the parts of an input that could not be read.
//
// Beside them it has digests for ids, and batches for calls of a limited size. It imports the standard library only.
package text
