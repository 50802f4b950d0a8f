package organization

import (
	"bufio"
	"fmt"
	"io"
	"strings"

	"sgward/internal/awsid"
	"sgward/internal/text"
)

// Read reads a list of accounts: one id on a line, and then, if it has one, its name. What
// follows # is a comment. Errors name the file and the line.
func Read(file string, in io.Reader) ([]Account, error) {
	var out []Account
	lines := map[string]int{}
	scanner := bufio.NewScanner(in)
	n := 0
	for scanner.Scan() {
		n++
		line, _, _ := strings.Cut(strings.TrimPrefix(scanner.Text(), "\ufeff"), "#")
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		id, name := line, ""
		if i := strings.IndexAny(line, " \t,;"); i >= 0 {
			id, name = line[:i], strings.Trim(line[i:], " \t,;")
		}
		if !awsid.IsAccount(id) {
			return nil, fmt.Errorf("%s:%d: %q: want an account id of 12 digits, and then its name if it has one", file, n, text.Shown(id, 40))
		}
		if first := lines[id]; first > 0 {
			return nil, fmt.Errorf("%s:%d: account %s is in line %d too", file, n, id, first)
		}
		lines[id] = n
		out = append(out, Account{id, name})
	}
	if err := scanner.Err(); err != nil {
		return nil, fmt.Errorf("%s:%d: %w", file, n+1, err)
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%s: names no account: want one id on each line", file)
	}
	return out, nil
}
