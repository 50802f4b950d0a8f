package policy

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"sgward/internal/secgroup"
)

// services are the port names that every policy may use, with the ports that the
// programs behind them listen on by default. Ports are IANA's where it assigns
// them (https://www.iana.org/assignments/service-names-port-numbers), else the
// program's own documentation's.
var services = map[string][]string{
	// Data stores.
	"mysql":         {"3306/tcp", "33060/tcp"},
	"postgresql":    {"5432/tcp"},
	"mssql":         {"1433/tcp", "1434/tcp", "1434/udp"},
	"oracle":        {"1521/tcp", "2483-2484/tcp"},
	"mongodb":       {"27017-27019/tcp"},
	"redis":         {"6379/tcp", "16379/tcp", "26379/tcp"},
	"memcached":     {"11211/tcp", "11211/udp"},
	"elasticsearch": {"9200/tcp", "9300/tcp"},
	"cassandra":     {"7000-7001/tcp", "7199/tcp", "9042/tcp", "9142/tcp", "9160/tcp"},
	"couchdb":       {"5984/tcp", "6984/tcp"},
	"couchbase":     {"8091-8096/tcp", "11207/tcp", "11210/tcp", "18091-18096/tcp"},
	"neo4j":         {"7473-7474/tcp", "7687/tcp"},
	"influxdb":      {"8086/tcp"},
	"clickhouse":    {"8123/tcp", "8443/tcp", "9000/tcp", "9440/tcp"},
	"redshift":      {"5439/tcp"},
	"db2":           {"50000-50001/tcp"},
	"etcd":          {"2379-2380/tcp"},
	"zookeeper":     {"2181/tcp", "2888/tcp", "3888/tcp"},
	"kafka":         {"9092-9098/tcp"},
	"rabbitmq":      {"5671-5672/tcp", "15671-15672/tcp", "25672/tcp"},
	"hadoop":        {"8020/tcp", "9870/tcp", "50070/tcp"},
	"hbase":         {"16000/tcp", "16010/tcp", "16020/tcp", "16030/tcp"},
	"solr":          {"8983/tcp"},
	"riak":          {"8087/tcp", "8098/tcp"},
	"rethinkdb":     {"28015/tcp", "29015/tcp"},
	"dax":           {"8111/tcp", "9111/tcp"},
	"neptune":       {"8182/tcp"},
	// Ways in to administer a machine.
	"ssh":            {"22/tcp"},
	"telnet":         {"23/tcp"},
	"rdp":            {"3389/tcp", "3389/udp"},
	"vnc":            {"5800-5806/tcp", "5900-5906/tcp"},
	"winrm":          {"5985-5986/tcp"},
	"x11":            {"6000-6009/tcp"},
	"docker":         {"2375-2376/tcp"},
	"kubelet":        {"10250/tcp", "10255/tcp"},
	"kubernetes-api": {"6443/tcp"},
	"ipmi":           {"623/udp"},
	"jmx":            {"1099/tcp"},
	"rsync":          {"873/tcp"},
	// Windows and file sharing.
	"smb":     {"445/tcp"},
	"netbios": {"137-138/udp", "139/tcp"},
	"rpc":     {"135/tcp", "593/tcp"},
	"nfs":     {"2049/tcp", "2049/udp"},
	"portmap": {"111/tcp", "111/udp"},
	"ftp":     {"20-21/tcp"},
	"tftp":    {"69/udp"},
	// Directories, consoles, monitoring.
	"ldap":      {"389/tcp", "389/udp", "636/tcp"},
	"kerberos":  {"88/tcp", "88/udp", "464/tcp", "464/udp"},
	"snmp":      {"161-162/udp"},
	"syslog":    {"514/tcp", "514/udp"},
	"kibana":    {"5601/tcp"},
	"grafana":   {"3000/tcp"},
	"consul":    {"8300-8302/tcp", "8500-8502/tcp"},
	"vault":     {"8200-8201/tcp"},
	"jupyter":   {"8888/tcp"},
	"ssdp":      {"1900/udp"},
	"ntp":       {"123/udp"},
	"dns":       {"53/tcp", "53/udp"},
	"smtp":      {"25/tcp", "465/tcp", "587/tcp"},
	"pop3":      {"110/tcp", "995/tcp"},
	"imap":      {"143/tcp", "993/tcp"},
	"http":      {"80/tcp"},
	"https":     {"443/tcp"},
	"http-alt":  {"8080/tcp"},
	"https-alt": {"8443/tcp"},
	"quic":      {"443/udp"},
}

// ServiceNames returns the port names that every policy may use, sorted.
func ServiceNames() []string {
	out := make([]string, 0, len(services))
	for name := range services {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

// parsePort reads one entry of a port list that is no name: "22/tcp",
// "27017-27019/tcp" or "161/udp".
func parsePort(s string) (span, error) {
	ports, proto, ok := strings.Cut(s, "/")
	if !ok {
		if _, err := strconv.Atoi(strings.TrimSpace(s)); err == nil {
			return span{}, fmt.Errorf("port %q lacks its protocol: write %s/tcp or %s/udp", s, s, s)
		}
		return span{}, fmt.Errorf("unknown port name %q: want a service (%s), a name defined under ports, or ports such as 3306/tcp, 27017-27019/tcp, 161/udp", s, nearest(s))
	}
	first, last, isRange := strings.Cut(ports, "-")
	if !isRange {
		last = first
	}
	from, err1 := strconv.ParseUint(first, 10, 16)
	to, err2 := strconv.ParseUint(last, 10, 16)
	if err1 != nil || err2 != nil || from > to {
		return span{}, fmt.Errorf("port %q: want FIRST-LAST or one port, from 0 to 65535, such as 27017-27019/tcp", s)
	}
	r := secgroup.PortRange{From: uint16(from), To: uint16(to)}
	switch proto {
	case "tcp":
		return tcpSpan(r), nil
	case "udp":
		return udpSpan(r), nil
	default:
		return span{}, fmt.Errorf("port %q: want /tcp or /udp behind the ports (protocols without ports are named under protocols)", s)
	}
}

// nearest names the services that look like s, so that a slip is seen at once.
func nearest(s string) string {
	var close []string
	for _, name := range ServiceNames() {
		if len(s) >= 2 && (strings.HasPrefix(name, s[:2]) || strings.Contains(name, s) || strings.Contains(s, name)) {
			close = append(close, name)
		}
	}
	if len(close) == 0 {
		return "mysql, postgresql, ssh, ... as docs/POLICY.md lists"
	}
	return strings.Join(close, ", ")
}

// namedProtocols are the words for protocols in a policy beside tcp, udp, icmp,
// icmpv6, all and plain numbers. Numbers are IANA's
// (https://www.iana.org/assignments/protocol-numbers).
var namedProtocols = map[string]secgroup.Protocol{
	"ipip": "4", "ipv6": "41", "gre": "47", "esp": "50", "ah": "51", "sctp": "132",
}

// parseProtocol reads an entry of a protocols list.
func parseProtocol(s string) ([]span, error) {
	if s == "portless" {
		// Everything but TCP, UDP and the two ICMPs.
		return trafficOf([]span{protocolSpan(secgroup.ICMPv4), protocolSpan(secgroup.TCP), protocolSpan(secgroup.UDP),
			protocolSpan(secgroup.ICMPv6), {protocolBase + 6, protocolBase + 6}, {protocolBase + 17, protocolBase + 17}}).
			without(span{protocolBase, lineEnd}), nil
	}
	if p, ok := namedProtocols[s]; ok {
		return []span{protocolSpan(p)}, nil
	}
	p, err := secgroup.ParseProtocol(s)
	if err != nil {
		return nil, fmt.Errorf("unknown protocol %q: want tcp, udp, icmp, icmpv6, gre, esp, ah, sctp, ipip, ipv6, a number from 0 to 255, portless or all", s)
	}
	return []span{protocolSpan(p)}, nil
}
