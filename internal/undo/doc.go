// Package undo puts back what alerts say was closed. Read finds the alerts in what
// people paste, Select the rules in them, and Undoer judges the rules as of now and
// puts them back: exactly those, with their descriptions and tags, and no other.
//
// An alert is a stranger's text until proven otherwise. What is not a sound rule of
// one group in one account and region is refused before anything is called, and what
// will be opened is made of the values that were checked, never of the alert's own
// words: the command in its field "undo" is not read.
package undo
