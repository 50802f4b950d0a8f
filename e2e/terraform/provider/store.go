package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"sync"
)

// rule is a rule as EC2 would hold it: with one peer.
type rule struct {
	ID, Group, Protocol              string
	Egress                           bool
	From, To                         int
	CIDR, CIDRv6, List, Peer, Remark string
	Self                             bool
}

// cloud is the content of the file that stands in for AWS.
type cloud struct {
	Serial  int
	Rules   []rule
	Entries map[string][]string // of prefix lists
}

var mutex sync.Mutex

// change edits the file, whose path is in STANDIN_FILE.
func change(edit func(*cloud)) {
	mutex.Lock()
	defer mutex.Unlock()
	c := &cloud{Entries: map[string][]string{}}
	path := os.Getenv("STANDIN_FILE")
	data, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(data, c)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		panic(err)
	}
	edit(c)
	if data, err = json.MarshalIndent(c, "", " "); err == nil {
		err = os.WriteFile(path, data, 0o600)
	}
	if err != nil {
		panic(err)
	}
}

func newID(prefix string) string {
	var id string
	change(func(c *cloud) {
		c.Serial++
		id = fmt.Sprintf("%s-%017x", prefix, 0x0123456789ab0000+c.Serial)
	})
	return id
}

// addRules adds rules that the group does not hold yet, and removes others.
func editRules(remove, add []rule) {
	same := func(a, b rule) bool {
		a.ID, b.ID, a.Remark, b.Remark = "", "", "", ""
		return a == b
	}
	change(func(c *cloud) {
		c.Rules = slices.DeleteFunc(c.Rules, func(r rule) bool {
			return slices.ContainsFunc(remove, func(o rule) bool { return same(r, o) })
		})
		for _, r := range add {
			if !slices.ContainsFunc(c.Rules, func(o rule) bool { return same(r, o) }) {
				c.Rules = append(c.Rules, r)
			}
		}
	})
}
