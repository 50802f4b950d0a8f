// Package dumptest writes answers of "aws ec2 describe-security-groups" of any size,
// for measurements. The same size gives the same bytes.
package dumptest

import (
	"bufio"
	"fmt"
	"io"
)

// Groups writes a dump of groups with 50 rules each as the AWS CLI prints it: one group in
// a hundred opens MySQL to the world, the others have ordinary rules.
func Groups(w io.Writer, groups int) error {
	b := bufio.NewWriterSize(w, 1<<16)
	fmt.Fprint(b, "{\n    \"SecurityGroups\": [\n")
	for g := range groups {
		if g > 0 {
			fmt.Fprint(b, ",\n")
		}
		group(b, g)
	}
	fmt.Fprint(b, "\n    ]\n}\n")
	if err := b.Flush(); err != nil { // the first error of all writes
		return fmt.Errorf("writing the dump: %w", err)
	}
	return nil
}

func group(b *bufio.Writer, g int) {
	const pad = "        "
	fmt.Fprintf(b, pad+"{\n"+pad+"    \"GroupId\": \"sg-%017x\",\n", g)
	fmt.Fprintf(b, pad+"    \"IpPermissionsEgress\": [\n")
	permission(b, pad, "-1", -1, -1, []string{"0.0.0.0/0"}, "")
	fmt.Fprintf(b, "\n"+pad+"    ],\n"+pad+"    \"Tags\": [\n"+pad+"        {\n"+pad+"            \"Key\": \"Name\",\n"+pad+"            \"Value\": \"service-%d\"\n"+pad+"        }\n"+pad+"    ],\n", g)
	fmt.Fprintf(b, pad+"    \"VpcId\": \"vpc-%017x\",\n", g/100)
	fmt.Fprintf(b, pad+"    \"SecurityGroupArn\": \"arn:aws:ec2:us-east-1:123456789012:security-group/sg-%017x\",\n", g)
	fmt.Fprintf(b, pad+"    \"OwnerId\": \"123456789012\",\n"+pad+"    \"GroupName\": \"service-%d\",\n"+pad+"    \"Description\": \"of service %d\",\n", g, g)
	fmt.Fprintf(b, pad+"    \"IpPermissions\": [\n")
	for p := range 7 {
		if p > 0 {
			fmt.Fprint(b, ",\n")
		}
		var cidrs []string
		for i := range 7 {
			cidrs = append(cidrs, fmt.Sprintf("10.%d.%d.%d/32", g%256, p, i))
		}
		if p == 2 && g%100 == 0 {
			cidrs[3] = "0.0.0.0/0"
		}
		port := 3300 + p*3
		permission(b, pad, "tcp", port, port+g%2, cidrs, "from the office network")
	}
	fmt.Fprintf(b, "\n"+pad+"    ]\n"+pad+"}")
}

func permission(b *bufio.Writer, pad, protocol string, from, to int, cidrs []string, description string) {
	pad += "        "
	fmt.Fprintf(b, pad+"{\n"+pad+"    \"IpProtocol\": %q,\n", protocol)
	if from >= 0 {
		fmt.Fprintf(b, pad+"    \"FromPort\": %d,\n"+pad+"    \"ToPort\": %d,\n", from, to)
	}
	fmt.Fprint(b, pad+"    \"UserIdGroupPairs\": [],\n"+pad+"    \"IpRanges\": [\n")
	for i, c := range cidrs {
		if i > 0 {
			fmt.Fprint(b, ",\n")
		}
		fmt.Fprint(b, pad+"        {\n")
		if description != "" {
			fmt.Fprintf(b, pad+"            \"Description\": %q,\n", description)
		}
		fmt.Fprintf(b, pad+"            \"CidrIp\": %q\n"+pad+"        }", c)
	}
	fmt.Fprint(b, "\n"+pad+"    ],\n"+pad+"    \"Ipv6Ranges\": [],\n"+pad+"    \"PrefixListIds\": []\n"+pad+"}")
}
