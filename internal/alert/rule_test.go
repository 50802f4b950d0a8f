package alert

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/secgroup"
	"sgward/internal/secgroup/secgrouptest"
)

func TestTrafficUsesTheNamesPeopleKnow(t *testing.T) {
	for want, words := range map[string]string{
		"MySQL (tcp 3306)":                      "tcp 3306",
		"udp 3306":                              "udp 3306",
		"SSH (tcp 22)":                          "tcp 22",
		"MongoDB (tcp 27017-27019)":             "tcp 27017-27019",
		"MongoDB (tcp 27018)":                   "tcp 27018",
		"every TCP port (tcp 0-65535)":          "tcp 0-65535",
		"tcp 0":                                 "tcp 0",
		"tcp 3300-3310 (MySQL 3306 among them)": "tcp 3300-3310",
		"tcp 1024-65535 (MySQL 3306, PostgreSQL 5432, SQL Server 1433 and 40 more known services among them)": "tcp 1024-65535",
		"Oracle (tcp 2483)":                     "tcp 2483",
		"MySQL X Protocol (tcp 33060)":          "tcp 33060",
		"ClickHouse or HTTPS (tcp 8443)":        "tcp 8443",
		"SQL Server Browser (udp 1434)":         "udp 1434",
		"all traffic (every protocol and port)": "all traffic",
		"icmp type 8":                           "icmp type 8",
		"ESP (protocol 50)":                     "protocol 50",
		"protocol 99":                           "protocol 99",
	} {
		_, _, full := traffic(secgrouptest.Rule("ingress " + words + " from 0.0.0.0/0").Permission)
		assert.Equal(t, want, full)
	}
}

func TestPeersAreSaidInPlainWords(t *testing.T) {
	list := secgroup.PrefixListPeer
	cidr := func(text string) secgroup.Peer {
		p, err := secgroup.ParseCIDRPeer(text)
		require.NoError(t, err)
		return p
	}
	for want, p := range map[string]secgroup.Peer{
		"the whole internet (0.0.0.0/0)":                               cidr("0.0.0.0/0"),
		"the whole internet (0.0.0.0/0) ":                              cidr("1.2.3.4/0"),
		"the whole IPv6 internet (::/0)":                               cidr("::/0"),
		"the whole IPv6 internet (2000::/3)":                           cidr("2000::/3"),
		"4000::/3":                                                     cidr("4000::/3"),
		"128.0.0.0/1 (2,147,483,648 addresses)":                        cidr("128.0.0.0/1"),
		"198.51.100.7/32 (one address)":                                cidr("198.51.100.7/32"),
		"the prefix list pl-0123456789abcdef0":                         list("pl-0123456789abcdef0"),
		`the prefix list "pl-1 <!here>"`:                               list("pl-1 <!here>"),
		"the security group " + testGroup:                              secgroup.GroupPeer(testGroup, testAccount),
		"the security group " + testGroup + " of account 111122223333": secgroup.GroupPeer(testGroup, "111122223333"),
		"an unknown peer":                                              {},
	} {
		_, said := peer(p, testAccount)
		assert.Equal(t, strings.TrimSpace(want), shown(said))
	}
}
