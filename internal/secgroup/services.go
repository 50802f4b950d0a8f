package secgroup

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"sgward/internal/text"
)

// Service is a program that listens on well-known ports: those that IANA assigns
// (https://www.iana.org/assignments/service-names-port-numbers), else those of the
// program's own documentation.
type Service struct {
	// Name is its name in policies: "mysql".
	Name string
	// Title is its name for people: "MySQL".
	Title string
	// Client is the port that a database's clients connect to; 0 if it is not a database.
	Client uint16
	Ports  []ServicePorts
}

// ServicePorts are ports that a service listens on by default.
type ServicePorts struct {
	Protocol Protocol // TCP or UDP
	PortRange
	// Title is this listener's name for people, if it differs from the service's.
	Title string
}

// String prints "3306/tcp" or "27017-27019/tcp".
func (p ServicePorts) String() string { return p.PortRange.String() + "/" + string(p.Protocol) }

// TitleAlone is the title for texts that do not name the ports: "MySQL", and with the ports
// where people would expect others, "HTTP on 8080".
func (p ServicePorts) TitleAlone() string {
	titles := strings.Split(p.Title, titleOr)
	for i, title := range titles {
		usual := slices.IndexFunc(services, func(s Service) bool { return s.Title == title })
		if usual >= 0 && !slices.ContainsFunc(services[usual].Ports, func(known ServicePorts) bool { return known.PortRange == p.PortRange }) {
			titles[i] += " on " + p.PortRange.String()
		}
	}
	return strings.Join(titles, titleOr)
}

// titleOr joins the titles of services that share ports.
const titleOr = " or "

// PortList prints "1433/tcp, 1434/tcp, 1434/udp".
func (s Service) PortList() string {
	out := make([]string, len(s.Ports))
	for i, p := range s.Ports {
		out[i] = p.String()
	}
	return strings.Join(out, ", ")
}

// services is the one list of services: their names in policies, the titles in alerts, and
// the databases of `sgward group` patterns, the most used first.
var services = slices.Concat(dataStores, otherServices)

var dataStores = []Service{
	{"mysql", "MySQL", 3306, []ServicePorts{{TCP, PortRange{3306, 3306}, ""}, {TCP, PortRange{33060, 33060}, "MySQL X Protocol"}}},
	{"postgresql", "PostgreSQL", 5432, []ServicePorts{{TCP, PortRange{5432, 5432}, ""}}},
	{"mssql", "SQL Server", 1433, []ServicePorts{{TCP, PortRange{1433, 1433}, ""}, {TCP, PortRange{1434, 1434}, "SQL Server administration"}, {UDP, PortRange{1434, 1434}, "SQL Server Browser"}}},
	{"oracle", "Oracle", 1521, []ServicePorts{{TCP, PortRange{1521, 1521}, ""}, {TCP, PortRange{2483, 2484}, ""}}},
	{"mongodb", "MongoDB", 27017, []ServicePorts{{TCP, PortRange{27017, 27019}, ""}}},
	{"redis", "Redis", 6379, []ServicePorts{{TCP, PortRange{6379, 6379}, ""}, {TCP, PortRange{16379, 16379}, "Redis nodes"}, {TCP, PortRange{26379, 26379}, "Redis Sentinel"}}},
	{"memcached", "Memcached", 11211, []ServicePorts{{TCP, PortRange{11211, 11211}, ""}, {UDP, PortRange{11211, 11211}, ""}}},
	{"cassandra", "Cassandra", 9042, []ServicePorts{{TCP, PortRange{7000, 7001}, "Cassandra nodes"}, {TCP, PortRange{7199, 7199}, "Cassandra JMX"}, {TCP, PortRange{9042, 9042}, ""}, {TCP, PortRange{9142, 9142}, ""}, {TCP, PortRange{9160, 9160}, ""}}},
	{"elasticsearch", "Elasticsearch", 9200, []ServicePorts{{TCP, PortRange{9200, 9200}, ""}, {TCP, PortRange{9300, 9300}, "Elasticsearch nodes"}}},
	{"redshift", "Redshift", 5439, []ServicePorts{{TCP, PortRange{5439, 5439}, ""}}},
	{"db2", "Db2", 50000, []ServicePorts{{TCP, PortRange{50000, 50001}, ""}}},
	{"neptune", "Neptune", 8182, []ServicePorts{{TCP, PortRange{8182, 8182}, ""}}},
	{"neo4j", "Neo4j", 7687, []ServicePorts{{TCP, PortRange{7473, 7474}, ""}, {TCP, PortRange{7687, 7687}, ""}}},
	{"influxdb", "InfluxDB", 8086, []ServicePorts{{TCP, PortRange{8086, 8086}, ""}}},
	{"clickhouse", "ClickHouse", 8123, []ServicePorts{{TCP, PortRange{8123, 8123}, ""}, {TCP, PortRange{8443, 8443}, ""}, {TCP, PortRange{9000, 9000}, ""}, {TCP, PortRange{9440, 9440}, ""}}},
	{"couchdb", "CouchDB", 0, []ServicePorts{{TCP, PortRange{5984, 5984}, ""}, {TCP, PortRange{6984, 6984}, ""}}},
	{"couchbase", "Couchbase", 0, []ServicePorts{{TCP, PortRange{8091, 8096}, ""}, {TCP, PortRange{11207, 11207}, ""}, {TCP, PortRange{11210, 11210}, ""}, {TCP, PortRange{18091, 18096}, ""}}},
	{"etcd", "etcd", 0, []ServicePorts{{TCP, PortRange{2379, 2380}, ""}}},
	{"zookeeper", "ZooKeeper", 0, []ServicePorts{{TCP, PortRange{2181, 2181}, ""}, {TCP, PortRange{2888, 2888}, "ZooKeeper nodes"}, {TCP, PortRange{3888, 3888}, "ZooKeeper nodes"}}},
	{"kafka", "Kafka", 0, []ServicePorts{{TCP, PortRange{9092, 9098}, ""}}},
	{"rabbitmq", "RabbitMQ", 0, []ServicePorts{{TCP, PortRange{5671, 5672}, ""}, {TCP, PortRange{15671, 15672}, "RabbitMQ management"}, {TCP, PortRange{25672, 25672}, "RabbitMQ nodes"}}},
	{"hadoop", "Hadoop", 0, []ServicePorts{{TCP, PortRange{8020, 8020}, ""}, {TCP, PortRange{9870, 9870}, ""}, {TCP, PortRange{50070, 50070}, ""}}},
	{"hbase", "HBase", 0, []ServicePorts{{TCP, PortRange{16000, 16000}, ""}, {TCP, PortRange{16010, 16010}, ""}, {TCP, PortRange{16020, 16020}, ""}, {TCP, PortRange{16030, 16030}, ""}}},
	{"solr", "Solr", 0, []ServicePorts{{TCP, PortRange{8983, 8983}, ""}}},
	{"riak", "Riak", 0, []ServicePorts{{TCP, PortRange{8087, 8087}, ""}, {TCP, PortRange{8098, 8098}, ""}}},
	{"rethinkdb", "RethinkDB", 0, []ServicePorts{{TCP, PortRange{28015, 28015}, ""}, {TCP, PortRange{29015, 29015}, "RethinkDB nodes"}}},
	{"dax", "DynamoDB Accelerator", 0, []ServicePorts{{TCP, PortRange{8111, 8111}, ""}, {TCP, PortRange{9111, 9111}, ""}}},
}

var otherServices = []Service{
	// Remote administration.
	{"ssh", "SSH", 0, []ServicePorts{{TCP, PortRange{22, 22}, ""}}},
	{"telnet", "Telnet", 0, []ServicePorts{{TCP, PortRange{23, 23}, ""}}},
	{"rdp", "RDP", 0, []ServicePorts{{TCP, PortRange{3389, 3389}, ""}, {UDP, PortRange{3389, 3389}, ""}}},
	{"vnc", "VNC", 0, []ServicePorts{{TCP, PortRange{5800, 5806}, ""}, {TCP, PortRange{5900, 5906}, ""}}},
	{"winrm", "WinRM", 0, []ServicePorts{{TCP, PortRange{5985, 5986}, ""}}},
	{"x11", "X11", 0, []ServicePorts{{TCP, PortRange{6000, 6009}, ""}}},
	{"docker", "Docker", 0, []ServicePorts{{TCP, PortRange{2375, 2376}, ""}}},
	{"kubelet", "kubelet", 0, []ServicePorts{{TCP, PortRange{10250, 10250}, ""}, {TCP, PortRange{10255, 10255}, ""}}},
	{"kubernetes-api", "Kubernetes", 0, []ServicePorts{{TCP, PortRange{6443, 6443}, ""}}},
	{"ipmi", "IPMI", 0, []ServicePorts{{UDP, PortRange{623, 623}, ""}}},
	{"jmx", "JMX", 0, []ServicePorts{{TCP, PortRange{1099, 1099}, ""}}},
	{"rsync", "rsync", 0, []ServicePorts{{TCP, PortRange{873, 873}, ""}}},
	// Windows and file sharing.
	{"smb", "SMB", 0, []ServicePorts{{TCP, PortRange{445, 445}, ""}}},
	{"netbios", "NetBIOS", 0, []ServicePorts{{UDP, PortRange{137, 138}, ""}, {TCP, PortRange{139, 139}, ""}}},
	{"rpc", "Windows RPC", 0, []ServicePorts{{TCP, PortRange{135, 135}, ""}, {TCP, PortRange{593, 593}, ""}}},
	{"nfs", "NFS", 0, []ServicePorts{{TCP, PortRange{2049, 2049}, ""}, {UDP, PortRange{2049, 2049}, ""}}},
	{"portmap", "RPC", 0, []ServicePorts{{TCP, PortRange{111, 111}, ""}, {UDP, PortRange{111, 111}, ""}}},
	{"ftp", "FTP", 0, []ServicePorts{{TCP, PortRange{20, 21}, ""}}},
	{"tftp", "TFTP", 0, []ServicePorts{{UDP, PortRange{69, 69}, ""}}},
	// Directories, consoles, monitoring.
	{"ldap", "LDAP", 0, []ServicePorts{{TCP, PortRange{389, 389}, ""}, {UDP, PortRange{389, 389}, ""}, {TCP, PortRange{636, 636}, "LDAPS"}}},
	{"kerberos", "Kerberos", 0, []ServicePorts{{TCP, PortRange{88, 88}, ""}, {UDP, PortRange{88, 88}, ""}, {TCP, PortRange{464, 464}, ""}, {UDP, PortRange{464, 464}, ""}}},
	{"snmp", "SNMP", 0, []ServicePorts{{UDP, PortRange{161, 162}, ""}}},
	{"syslog", "syslog", 0, []ServicePorts{{TCP, PortRange{514, 514}, ""}, {UDP, PortRange{514, 514}, ""}}},
	{"kibana", "Kibana", 0, []ServicePorts{{TCP, PortRange{5601, 5601}, ""}}},
	{"grafana", "Grafana", 0, []ServicePorts{{TCP, PortRange{3000, 3000}, ""}}},
	{"consul", "Consul", 0, []ServicePorts{{TCP, PortRange{8300, 8302}, "Consul nodes"}, {TCP, PortRange{8500, 8502}, ""}}},
	{"vault", "Vault", 0, []ServicePorts{{TCP, PortRange{8200, 8201}, ""}}},
	{"jupyter", "Jupyter", 0, []ServicePorts{{TCP, PortRange{8888, 8888}, ""}}},
	{"ssdp", "SSDP", 0, []ServicePorts{{UDP, PortRange{1900, 1900}, ""}}},
	{"ntp", "NTP", 0, []ServicePorts{{UDP, PortRange{123, 123}, ""}}},
	{"dns", "DNS", 0, []ServicePorts{{TCP, PortRange{53, 53}, ""}, {UDP, PortRange{53, 53}, ""}}},
	{"smtp", "SMTP", 0, []ServicePorts{{TCP, PortRange{25, 25}, ""}, {TCP, PortRange{465, 465}, ""}, {TCP, PortRange{587, 587}, ""}}},
	{"pop3", "POP3", 0, []ServicePorts{{TCP, PortRange{110, 110}, ""}, {TCP, PortRange{995, 995}, ""}}},
	{"imap", "IMAP", 0, []ServicePorts{{TCP, PortRange{143, 143}, ""}, {TCP, PortRange{993, 993}, ""}}},
	{"http", "HTTP", 0, []ServicePorts{{TCP, PortRange{80, 80}, ""}}},
	{"https", "HTTPS", 0, []ServicePorts{{TCP, PortRange{443, 443}, ""}}},
	{"http-alt", "HTTP", 0, []ServicePorts{{TCP, PortRange{8080, 8080}, ""}}},
	{"https-alt", "HTTPS", 0, []ServicePorts{{TCP, PortRange{8443, 8443}, ""}}},
	{"quic", "QUIC", 0, []ServicePorts{{UDP, PortRange{443, 443}, ""}}},
}

// ServiceNamed returns the service with a name in policies.
func ServiceNamed(name string) (s Service, ok bool) {
	i := slices.IndexFunc(services, func(s Service) bool { return s.Name == name })
	if i < 0 {
		return Service{}, false
	}
	return services[i], true
}

// ServiceNames returns the names that policies may use, sorted.
func ServiceNames() []string {
	out := make([]string, len(services))
	for i, s := range services {
		out[i] = s.Name
	}
	slices.Sort(out)
	return out
}

// ReachesDataStore reports whether traffic may reach the ports of a data store: a database,
// or a broker or coordination store.
func (p Permission) ReachesDataStore() bool {
	if p.Protocol == AllProtocols {
		return true
	}
	return slices.ContainsFunc(dataStores, func(s Service) bool {
		return slices.ContainsFunc(s.Ports, func(known ServicePorts) bool { return known.Protocol == p.Protocol && known.Overlaps(p.Ports) })
	})
}

// Databases returns the services with a client port, MySQL first.
func Databases() []Service {
	return slices.DeleteFunc(slices.Clone(services), func(s Service) bool { return s.Client == 0 })
}

// ServicesOn returns the services that listen on any of the ports, the most used first,
// each with its first matching ports and its title. If services share ports, the title
// names all: "ClickHouse or HTTPS".
func ServicesOn(protocol Protocol, ports PortRange) []ServicePorts {
	var out []ServicePorts
	for _, s := range services {
		for _, p := range s.Ports {
			if p.Protocol != protocol || !p.Overlaps(ports) {
				continue
			}
			p.Title = cmp.Or(p.Title, s.Title)
			i := slices.IndexFunc(out, func(o ServicePorts) bool { return o.PortRange == p.PortRange })
			if i < 0 {
				out = append(out, p)
			} else {
				out[i].Title += titleOr + p.Title
			}
			break
		}
	}
	return out
}

// ParseServicePorts reads ports of a protocol, or a service's name: "3306", "27017-27019",
// "mysql". A name means the port that clients connect to, or the first that the service
// listens on.
func ParseServicePorts(protocol Protocol, s string) (PortRange, error) {
	if known, ok := ServiceNamed(s); ok {
		for _, p := range known.Ports {
			switch {
			case p.Protocol != protocol:
			case known.Client == 0:
				return p.PortRange, nil
			case p.Contains(known.Client):
				return PortRange{known.Client, known.Client}, nil
			}
		}
		return PortRange{}, fmt.Errorf("%q: that is %s: want its protocol, or ports of %s", s, known.PortList(), protocol)
	}
	if ports, err := ParsePorts(s); err == nil {
		return ports, nil
	}
	if name, _, ok := strings.Cut(s, "/"); ok {
		if _, known := ServiceNamed(name); known {
			return PortRange{}, fmt.Errorf("%q: a service has its protocols: write %s", s, name)
		}
		if ports, err := ParsePorts(name); err == nil {
			return PortRange{}, fmt.Errorf("%q: write %s here, the protocol has a place of its own", s, ports)
		}
	}
	if near := text.Nearest(s, ServiceNames()); near != "" {
		return PortRange{}, fmt.Errorf("%q: no such service: did you mean %s?", s, near)
	}
	return PortRange{}, fmt.Errorf("%q: want a port from 0 to 65535, a range such as 27017-27019, or a service such as mysql or ssh", s)
}

// protocols are the protocols that EC2 knows by number only
// (https://www.iana.org/assignments/protocol-numbers), with their names in policies and
// their titles in alerts.
var protocols = []struct {
	number      Protocol
	name, title string
}{
	{"4", "ipip", "IPv4 in IP"}, {"41", "ipv6", "IPv6 in IP"}, {"47", "gre", "GRE"},
	{"50", "esp", "ESP"}, {"51", "ah", "AH"}, {"132", "sctp", "SCTP"},
}

// ProtocolNamed returns the protocol with a name in policies, of those that EC2 knows by
// number only.
func ProtocolNamed(name string) (p Protocol, ok bool) {
	for _, known := range protocols {
		if known.name == name {
			return known.number, true
		}
	}
	return "", false
}

// Title is the protocol's name for people; empty for lesser-known ones and those that EC2
// knows by name.
func (p Protocol) Title() string {
	for _, known := range protocols {
		if known.number == p {
			return known.title
		}
	}
	return ""
}

// ParsePorts reads one port or a range: "3306", "27017-27019".
func ParsePorts(s string) (PortRange, error) {
	first, last, isRange := strings.Cut(s, "-")
	if !isRange {
		last = first
	}
	from, err1 := strconv.ParseUint(first, 10, 16)
	to, err2 := strconv.ParseUint(last, 10, 16)
	if err1 != nil || err2 != nil || from > to {
		return PortRange{}, fmt.Errorf("%q: want FIRST-LAST or one port, from 0 to 65535", s)
	}
	return PortRange{uint16(from), uint16(to)}, nil
}
