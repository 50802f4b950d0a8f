package alert

import (
	"fmt"
	"strings"

	"sgward/internal/secgroup"
)

// service is a port that people know by name.
type service struct {
	protocol secgroup.Protocol
	from, to uint16
	name     string
}

// services lists the names used for people. Policies have their own catalogue;
// this one decides nothing.
func services() []service {
	tcp, udp := secgroup.TCP, secgroup.UDP
	return []service{
		{tcp, 21, 21, "FTP"}, {tcp, 22, 22, "SSH"}, {tcp, 23, 23, "Telnet"}, {tcp, 25, 25, "SMTP"},
		{tcp, 53, 53, "DNS"}, {udp, 53, 53, "DNS"}, {tcp, 80, 80, "HTTP"}, {tcp, 111, 111, "RPC"},
		{tcp, 135, 135, "Windows RPC"}, {udp, 123, 123, "NTP"}, {tcp, 139, 139, "NetBIOS"},
		{udp, 161, 161, "SNMP"}, {tcp, 389, 389, "LDAP"}, {tcp, 443, 443, "HTTPS"}, {tcp, 445, 445, "SMB"},
		{tcp, 873, 873, "rsync"}, {tcp, 1433, 1433, "SQL Server"}, {tcp, 1521, 1521, "Oracle"},
		{tcp, 2049, 2049, "NFS"}, {tcp, 2181, 2181, "ZooKeeper"}, {tcp, 2375, 2376, "Docker"}, {tcp, 2379, 2380, "etcd"},
		{tcp, 3306, 3306, "MySQL"}, {tcp, 3389, 3389, "RDP"}, {tcp, 5432, 5432, "PostgreSQL"},
		{tcp, 5439, 5439, "Redshift"}, {tcp, 5601, 5601, "Kibana"}, {tcp, 5672, 5672, "RabbitMQ"}, {tcp, 5900, 5903, "VNC"},
		{tcp, 5984, 5984, "CouchDB"}, {tcp, 5985, 5986, "WinRM"}, {tcp, 6379, 6379, "Redis"}, {tcp, 6443, 6443, "Kubernetes"},
		{tcp, 7000, 7001, "Cassandra nodes"}, {tcp, 8086, 8086, "InfluxDB"}, {tcp, 8123, 8123, "ClickHouse"},
		{tcp, 9042, 9042, "Cassandra"}, {tcp, 9092, 9092, "Kafka"}, {tcp, 9200, 9200, "Elasticsearch"},
		{tcp, 9300, 9300, "Elasticsearch nodes"}, {tcp, 10250, 10250, "kubelet"}, {tcp, 11211, 11211, "Memcached"},
		{udp, 11211, 11211, "Memcached"}, {tcp, 27017, 27019, "MongoDB"},
	}
}

// maxServices is how many names a range of ports is explained with.
const maxServices = 3

// traffic says protocol and ports with the name people know:
// "tcp 3306 (MySQL)", "tcp 3300-3310 (MySQL 3306 among them)",
// "all traffic (every protocol and port)", "protocol 50 (ESP)".
func traffic(p secgroup.Permission) string {
	text := p.Traffic()
	switch {
	case p.Protocol == secgroup.AllProtocols:
		return text + " (every protocol and port)"
	case p.Protocol.HasPorts():
		if note := serviceNote(p); note != "" {
			return text + " (" + note + ")"
		}
	default:
		if name := protocolName(p.Protocol); name != "" {
			return text + " (" + name + ")"
		}
	}
	return text
}

// protocolName names the protocols that have a number only
// (https://www.iana.org/assignments/protocol-numbers), "" for those few know.
func protocolName(p secgroup.Protocol) string {
	switch p {
	case "4":
		return "IPv4 in IP"
	case "41":
		return "IPv6 in IP"
	case "47":
		return "GRE"
	case "50":
		return "ESP"
	case "51":
		return "AH"
	case "132":
		return "SCTP"
	default:
		return ""
	}
}

func serviceNote(p secgroup.Permission) string {
	if p.Ports == secgroup.AllPorts {
		return "every " + strings.ToUpper(string(p.Protocol)) + " port"
	}
	var names []string
	for _, s := range services() {
		known := secgroup.PortRange{From: s.from, To: s.to}
		if s.protocol != p.Protocol || !known.Overlaps(p.Ports) {
			continue
		}
		if p.Ports.CoveredBy(known) {
			return s.name
		}
		names = append(names, s.name+" "+known.String())
	}
	switch n := len(names); {
	case n == 0:
		return ""
	case n <= maxServices:
		return strings.Join(names, ", ") + " among them"
	default:
		return fmt.Sprintf("%s and %d more known services among them", strings.Join(names[:maxServices], ", "), n-maxServices)
	}
}
