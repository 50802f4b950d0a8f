package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
)

const (
	// checkRules is the number of rules in a plan of about 50 MB, and checkGroups that of
	// their groups.
	checkRules  = 36_000
	checkGroups = 360
)

// check compares judging a Terraform plan with merely reading it.
func (b *bench) check(ctx context.Context) error {
	command, err := filepath.Abs(filepath.Join("build", "sgward"))
	if err != nil {
		return fmt.Errorf("resolving the command: %w", err)
	}
	folder, err := os.MkdirTemp("", "sgward-bench-")
	if err != nil {
		return fmt.Errorf("making a folder for the plan: %w", err)
	}
	defer func() { _ = os.RemoveAll(folder) }() // an error does not matter
	plan := filepath.Join(folder, "plan.json")
	if err := writePlan(plan); err != nil {
		return err
	}
	length, err := fileSize(plan)
	if err != nil {
		return err
	}
	judge := []string{command, "check", "--format", "json", plan}
	readers := []*reader{
		{name: "python3 json.load", argv: []string{cmp.Or(b.python, "python3"), "-c", "import json, sys; print(len(json.load(open(sys.argv[1]))['resource_changes']))", plan}, want: strconv.Itoa(checkRules + checkGroups)},
		{name: "sgward check", argv: judge, findings: checkGroups},
		{name: "the same on one CPU", argv: judge, env: []string{"GOMAXPROCS=1"}, findings: checkGroups},
	}
	runs, err := b.readInTurn(ctx, readers)
	if err != nil {
		return err
	}
	heading(b.out, "CHECK: a plan of %s with %d rules, %d runs each in turn, %d before to warm up", megabytes(length), checkRules, runs, warmUp)
	var times, peaks []*series
	for _, r := range readers {
		r.took.name, r.peak.name = r.name, r.name+", peak memory"
		times, peaks = append(times, &r.took), append(peaks, &r.peak)
	}
	table(b.out, milliseconds, times...)
	table(b.out, megabytes, peaks...)
	ratio(b.out, "check / json.load", times[1], times[0], target{bound: 1, unit: "x"})
	return nil
}

// writePlan writes a plan in the shape of Terraform's, in which every group gets one rule
// that is open to the world.
func writePlan(path string) error {
	file, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("making the plan: %w", err)
	}
	out := bufio.NewWriterSize(file, 1<<20)
	var values, changes []any
	type object = map[string]any
	add := func(kind, name string, key any, after, unknown object) {
		address := fmt.Sprintf("%s.%s[%v]", kind, name, key)
		if text, ok := key.(string); ok {
			address = fmt.Sprintf("%s.%s[%q]", kind, name, text)
		}
		of := object{"address": address, "mode": "managed", "type": kind, "name": name, "index": key, "provider_name": "registry.terraform.io/hashicorp/aws"}
		change, value := object{}, object{"schema_version": 2, "values": after, "sensitive_values": object{}}
		for k, v := range of {
			change[k], value[k] = v, v
		}
		change["change"] = object{"actions": []string{"create"}, "before": nil, "after": after, "after_unknown": unknown, "before_sensitive": false, "after_sensitive": object{"cidr_blocks": []bool{false, false}}}
		changes, values = append(changes, change), append(values, value)
	}
	const each = checkRules / checkGroups
	for g := range checkGroups {
		add("aws_security_group", "g", strconv.Itoa(g), object{"description": "Managed by Terraform", "name": fmt.Sprintf("g%d", g), "region": "eu-central-1", "tags": nil, "timeouts": nil, "vpc_id": "vpc-0123456789abcdef0"},
			object{"arn": true, "egress": true, "id": true, "ingress": true, "owner_id": true, "tags_all": true})
		for i := range each {
			cidrs := []string{fmt.Sprintf("10.%d.0.0/16", i), fmt.Sprintf("192.168.%d.0/24", i)}
			if i == 0 {
				cidrs = []string{"0.0.0.0/0", "10.0.0.0/16"}
			}
			add("aws_security_group_rule", fmt.Sprintf("r%d", i), strconv.Itoa(g),
				object{"cidr_blocks": cidrs, "description": fmt.Sprintf("rule %d of the application", i), "from_port": 3306 + i, "ipv6_cidr_blocks": nil, "prefix_list_ids": nil, "protocol": "tcp", "region": "eu-central-1", "self": false, "timeouts": nil, "to_port": 3306 + i, "type": "ingress"},
				object{"cidr_blocks": []bool{false, false}, "id": true, "security_group_id": true, "security_group_rule_id": true, "source_security_group_id": true})
		}
	}
	blocks := []any{object{"address": "aws_security_group.g", "mode": "managed", "type": "aws_security_group", "name": "g", "provider_config_key": "aws", "expressions": object{}}}
	for i := range each {
		name := fmt.Sprintf("r%d", i)
		blocks = append(blocks, object{"address": "aws_security_group_rule." + name, "mode": "managed", "type": "aws_security_group_rule", "name": name, "provider_config_key": "aws",
			"expressions": object{"cidr_blocks": object{}, "security_group_id": object{"references": []string{"aws_security_group.g", "each.key"}}}})
	}
	plan := object{
		"format_version": "1.2", "terraform_version": "1.11.4", "planned_values": object{"root_module": object{"resources": values}}, "resource_changes": changes,
		"configuration": object{"provider_config": object{"aws": object{"name": "aws", "full_name": "registry.terraform.io/hashicorp/aws"}}, "root_module": object{"resources": blocks}},
	}
	return errors.Join(json.NewEncoder(out).Encode(plan), out.Flush(), file.Close())
}
