package inventory

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// decode reads JSON into a value of the SDK, whose fields are called as the AWS CLI
// calls them.
func decode(data []byte, into any) error {
	err := json.Unmarshal(data, into)
	var kind *json.UnmarshalTypeError
	if errors.As(err, &kind) {
		return fmt.Errorf("%s holds the wrong kind of value, a JSON %s", kind.Field, kind.Value)
	}
	return err
}

// decodeInterface reads an element of NetworkInterfaces.
func decodeInterface(data []byte) (types.NetworkInterface, error) {
	var n struct {
		types.NetworkInterface
		// Attachment leaves out the times, which the CLI writes as it is configured.
		Attachment *struct {
			InstanceId *string
		}
	}
	if err := decode(data, &n); err != nil {
		return types.NetworkInterface{}, err
	}
	if aws.ToString(n.NetworkInterfaceId) == "" {
		return types.NetworkInterface{}, fmt.Errorf("%w: NetworkInterfaceId is missing", errIncomplete)
	}
	if n.Attachment != nil {
		n.NetworkInterface.Attachment = &types.NetworkInterfaceAttachment{InstanceId: n.Attachment.InstanceId}
	}
	return n.NetworkInterface, nil
}

// prefixListDump is what dumps tell of a prefix list: all of it, or one entry.
type prefixListDump struct {
	id      string
	entries []netip.Prefix
}

// decodeEntry reads an element of Entries, the answer of
// get-managed-prefix-list-entries.
func decodeEntry(data []byte, listID string) (prefixListDump, error) {
	var e types.PrefixListEntry
	if err := decode(data, &e); err != nil {
		return prefixListDump{}, err
	}
	return prefixListOf(listID, []string{aws.ToString(e.Cidr)})
}

// decodePrefixList reads an element of PrefixLists, the answer of
// describe-prefix-lists.
func decodePrefixList(data []byte) (prefixListDump, error) {
	var l types.PrefixList
	if err := decode(data, &l); err != nil {
		return prefixListDump{}, err
	}
	if l.Cidrs == nil {
		return prefixListDump{}, fmt.Errorf("%w: Cidrs of %s is missing: describe-managed-prefix-lists does not tell the entries, get-managed-prefix-list-entries does",
			errIncomplete, aws.ToString(l.PrefixListId))
	}
	return prefixListOf(aws.ToString(l.PrefixListId), l.Cidrs)
}

func prefixListOf(id string, cidrs []string) (prefixListDump, error) {
	out := prefixListDump{id: id, entries: make([]netip.Prefix, 0, len(cidrs))}
	for _, c := range cidrs {
		p, err := netip.ParsePrefix(c)
		if err != nil {
			return prefixListDump{}, fmt.Errorf("%q is no CIDR: want one such as 203.0.113.0/24", c)
		}
		out.entries = append(out.entries, p.Masked())
	}
	return out, nil
}

// regionOf returns the region in an ARN, or "" without one.
func regionOf(arn string) string {
	parts := strings.SplitN(arn, ":", 6)
	if len(parts) != 6 {
		return ""
	}
	return parts[3]
}
