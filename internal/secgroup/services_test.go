package secgroup

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestServicesAreSoundAndApart(t *testing.T) {
	var all []ServicePorts
	names := map[string]bool{}
	for _, s := range services {
		assert.False(t, names[s.Name], "%s stands twice", s.Name)
		names[s.Name] = true
		assert.NotEmpty(t, s.Title, s.Name)
		assert.NotEmpty(t, s.Ports, s.Name)
		client := func(p ServicePorts) bool { return p.Protocol == TCP && p.Contains(s.Client) }
		assert.True(t, s.Client == 0 || slices.ContainsFunc(s.Ports, client), "%s has no port %d", s.Name, s.Client)
		for _, p := range s.Ports {
			assert.True(t, p.Protocol.HasPorts() && p.From > 0 && p.From <= p.To, "%s: %s", s.Name, p)
			all = append(all, p)
		}
	}
	for i, p := range all {
		for _, o := range all[i+1:] { // else a port would have half a name
			assert.False(t, p.Protocol == o.Protocol && p.Overlaps(o.PortRange) && p.PortRange != o.PortRange, "%s and %s", p, o)
		}
	}
	assert.IsIncreasing(t, ServiceNames())
	assert.Len(t, ServiceNames(), len(services))
}

func TestServicesAreFoundByNameAndByPort(t *testing.T) {
	s, ok := ServiceNamed("oracle")
	assert.True(t, ok)
	assert.Equal(t, "1521/tcp, 2483-2484/tcp", s.PortList())
	_, ok = ServiceNamed("Oracle")
	assert.False(t, ok)

	titles := func(p Protocol, from, to uint16) (out []string) {
		for _, s := range ServicesOn(p, PortRange{from, to}) {
			out = append(out, s.Title+" "+s.String())
		}
		return out
	}
	assert.Equal(t, []string{"Oracle 2483-2484/tcp"}, titles(TCP, 2484, 2484))
	assert.Equal(t, []string{"LDAP 389/udp"}, titles(UDP, 389, 389))
	assert.Equal(t, []string{"LDAPS 636/tcp"}, titles(TCP, 636, 636))
	assert.Equal(t, []string{"ClickHouse or HTTPS 8443/tcp"}, titles(TCP, 8443, 8443))
	assert.Equal(t, []string{"SSH 22/tcp", "Telnet 23/tcp", "FTP 20-21/tcp", "SMTP 25/tcp"}, titles(TCP, 20, 52), "the most used first")
	assert.Equal(t, []string{"SQL Server 1433/tcp"}, titles(TCP, 1400, 1500), "each once")
	alone := func(port uint16) string { return ServicesOn(TCP, PortRange{port, port})[0].TitleAlone() }
	assert.Equal(t, []string{"HTTP", "HTTP on 8080", "HTTPS", "ClickHouse or HTTPS on 8443", "MySQL", "Oracle", "LDAPS"},
		[]string{alone(80), alone(8080), alone(443), alone(8443), alone(3306), alone(2484), alone(636)})
	assert.Empty(t, titles(UDP, 3306, 3306))
	assert.Empty(t, titles(ICMPv4, 3306, 3306))

	assert.Equal(t, "mysql", Databases()[0].Name)
	assert.Len(t, Databases(), 15)
	assert.Zero(t, services[len(services)-1].Client, "the table is as it was")
}

func TestProtocolsThatAreNumbersHaveNames(t *testing.T) {
	p, ok := ProtocolNamed("gre")
	assert.True(t, ok)
	assert.Equal(t, Protocol("47"), p)
	assert.Equal(t, "GRE", p.Title())
	_, ok = ProtocolNamed("tcp")
	assert.False(t, ok)
	assert.Empty(t, TCP.Title()+Protocol("99").Title())
}

func TestPortsAreOneOrARange(t *testing.T) {
	for in, want := range map[string]PortRange{"0": {}, "3306": {3306, 3306}, "27017-27019": {27017, 27019}, "0-65535": AllPorts} {
		got, err := ParsePorts(in)
		assert.NoError(t, err)
		assert.Equal(t, want, got)
	}
	for _, in := range []string{"", "-", "-1", "1-", "65536", "3307-3306", "1-2-3", "+1", " 1", "ssh"} {
		_, err := ParsePorts(in)
		assert.ErrorContains(t, err, "want FIRST-LAST", in)
	}
}

func TestPortsMayBeServices(t *testing.T) {
	for typed, want := range map[string]PortRange{
		"22": {22, 22}, "27017-27019": {27017, 27019}, "mysql": {3306, 3306}, "mssql": {1433, 1433}, "mongodb": {27017, 27017},
		"ssh": {22, 22}, "vnc": {5800, 5806}, "rabbitmq": {5671, 5672},
	} {
		got, err := ParseServicePorts(TCP, typed)
		require.NoError(t, err, typed)
		assert.Equal(t, want, got, typed)
	}
	got, err := ParseServicePorts(UDP, "snmp")
	require.NoError(t, err)
	assert.Equal(t, PortRange{161, 162}, got)
	for typed, want := range map[string]string{
		"snmp": "that is 161-162/udp", "ssh/tcp": "write ssh", "22/tcp": "write 22 here", "reddis": "did you mean redis?", "": "want a port from 0 to 65535", "99999": "want a port from 0 to 65535", "3306,22": "want a port from 0 to 65535",
	} {
		_, err := ParseServicePorts(TCP, typed)
		assert.ErrorContains(t, err, want, typed)
	}
}
