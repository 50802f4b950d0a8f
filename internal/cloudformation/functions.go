package cloudformation

import (
	"fmt"
	"math/big"
	"net/netip"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// findInMap evaluates FindInMap, with the default value that AWS::LanguageExtensions adds.
func (t *Template) findInMap(arg *yaml.Node) (any, error) {
	if arg.Kind != yaml.SequenceNode || len(arg.Content) < 3 {
		return nil, fmt.Errorf("want [map, key, key]")
	}
	at := Child(t.Root, "Mappings")
	for _, node := range arg.Content[:3] {
		key, err := t.known(node)
		if err != nil {
			return nil, err
		}
		if at = Child(at, fmt.Sprint(key)); at != nil {
			continue
		}
		if len(arg.Content) == 4 {
			if otherwise := Child(arg.Content[3], "DefaultValue"); otherwise != nil {
				return t.Value(otherwise)
			}
		}
		return nil, fmt.Errorf("the Mappings have no %v here", key)
	}
	return t.Value(at)
}

// length evaluates Length.
func (t *Template) length(arg *yaml.Node) (any, error) {
	v, err := t.Value(arg)
	if err != nil {
		return nil, err
	}
	list, ok := v.([]any)
	if !ok {
		return nil, fmt.Errorf("want a list")
	}
	return len(list), nil
}

// mostSubnets is the most that Cidr returns.
const mostSubnets = 256

// cidr evaluates Cidr: the first count networks of a block, each with bits for hosts.
func (t *Template) cidr(arg *yaml.Node) (any, error) {
	v, err := t.known(arg)
	if err != nil {
		return nil, err
	}
	list, ok := v.([]any)
	if !ok || len(list) < 2 || len(list) > 3 {
		return nil, fmt.Errorf("want [block, count, bits]")
	}
	block, err := netip.ParsePrefix(fmt.Sprint(list[0]))
	if err != nil {
		return nil, fmt.Errorf("%v is not a CIDR block", list[0])
	}
	block = block.Masked()
	count, err := strconv.Atoi(fmt.Sprint(list[1]))
	if err != nil || count < 1 || count > mostSubnets {
		return nil, fmt.Errorf("count %v: want 1 to %d", list[1], mostSubnets)
	}
	hosts := 8
	if block.Addr().Is6() {
		hosts = 64
	}
	if len(list) == 3 {
		if hosts, err = strconv.Atoi(fmt.Sprint(list[2])); err != nil {
			return nil, fmt.Errorf("bits %v: want a number", list[2])
		}
	}
	bits := block.Addr().BitLen() - hosts
	if hosts < 0 || bits < block.Bits() {
		return nil, fmt.Errorf("%d bits for hosts do not fit into %s", hosts, block)
	}
	if room := bits - block.Bits(); room < 9 && count > 1<<room {
		return nil, fmt.Errorf("%s does not hold %d such networks", block, count)
	}
	first := new(big.Int).SetBytes(block.Addr().AsSlice())
	step := new(big.Int).Lsh(big.NewInt(1), uint(hosts))
	out := []any{}
	for range count {
		address, _ := netip.AddrFromSlice(first.FillBytes(make([]byte, block.Addr().BitLen()/8)))
		out = append(out, netip.PrefixFrom(address, bits).String())
		if first.Add(first, step); first.BitLen() > block.Addr().BitLen() {
			break // that was the last one
		}
	}
	return out, nil
}

// mostLoops limits what loops expand to.
const mostLoops = 10_000

// expandLoops replaces "Fn::ForEach::Name" under Resources by what it stands for. Loops over
// unknown lists stay.
func (t *Template) expandLoops(section *yaml.Node) error {
	made := 0
	var expand func(pairs []*yaml.Node, depth int) ([]*yaml.Node, error)
	expand = func(pairs []*yaml.Node, depth int) ([]*yaml.Node, error) {
		var out []*yaml.Node
		for i := 0; i+1 < len(pairs); i += 2 {
			key, value := pairs[i], followed(pairs[i+1])
			if !strings.HasPrefix(key.Value, "Fn::ForEach::") || value.Kind != yaml.SequenceNode || len(value.Content) != 3 || depth > 5 {
				out = append(out, key, pairs[i+1])
				continue
			}
			v, err := t.known(value.Content[1])
			items, ok := v.([]any)
			if err != nil || !ok {
				out = append(out, key, pairs[i+1])
				continue
			}
			for _, item := range items {
				var body []*yaml.Node
				for _, node := range followed(value.Content[2]).Content {
					if made++; made > mostLoops {
						return nil, fmt.Errorf("line %d: its loops expand to more than %d resources", key.Line, mostLoops)
					}
					body = append(body, replaced(node, value.Content[0].Value, fmt.Sprint(item), 0))
				}
				inner, err := expand(body, depth+1)
				if err != nil {
					return nil, err
				}
				out = append(out, inner...)
			}
		}
		return out, nil
	}
	if section.Kind != yaml.MappingNode {
		return fmt.Errorf("line %d: Resources is not a mapping", section.Line)
	}
	var err error
	section.Content, err = expand(section.Content, 0)
	return err
}

// replaced returns a copy of a node in which a loop's variable has a value.
func replaced(node *yaml.Node, name, value string, depth int) *yaml.Node {
	out := *node
	plain := strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' {
			return r
		}
		return -1
	}, value)
	if depth > mostDepth {
		return &out
	}
	if node.Kind == yaml.ScalarNode {
		// &{X} drops what a logical id cannot hold.
		out.Value = strings.NewReplacer("${"+name+"}", value, "&{"+name+"}", plain).Replace(node.Value)
		if node.Tag == "!Ref" && node.Value == name {
			out.Tag, out.Value = "!!str", value
		}
		return &out
	}
	if node.Kind == yaml.MappingNode && len(node.Content) == 2 && node.Content[0].Value == "Ref" && node.Content[1].Value == name {
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: value, Line: node.Line}
	}
	out.Content = make([]*yaml.Node, len(node.Content))
	for i, inner := range node.Content {
		out.Content[i] = replaced(inner, name, value, depth+1)
	}
	return &out
}
