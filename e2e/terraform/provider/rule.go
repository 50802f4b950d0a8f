package main

import (
	"context"
	"strings"

	"github.com/hashicorp/terraform-plugin-sdk/v2/diag"
	"github.com/hashicorp/terraform-plugin-sdk/v2/helper/schema"
)

func classicRule() *schema.Resource {
	s := map[string]*schema.Schema{
		"type": text(replaces), "security_group_id": text(replaces), "protocol": protocol(replaces),
		"from_port": attribute(schema.TypeInt, replaces), "to_port": attribute(schema.TypeInt, replaces),
		"cidr_blocks": texts(replaces), "ipv6_cidr_blocks": texts(replaces), "prefix_list_ids": texts(replaces),
		"self": attribute(schema.TypeBool, replaces), "source_security_group_id": text(both),
		"description": text(optional), "security_group_rule_id": text(computed), "region": text(both),
	}
	s["self"].Default = false
	s["source_security_group_id"].ForceNew = true
	rules := func(d *schema.ResourceData) []rule {
		var groups []any
		if id := d.Get("source_security_group_id").(string); id != "" {
			groups = []any{id}
		}
		return peers(rule{
			Group: d.Get("security_group_id").(string), Egress: d.Get("type") == "egress", Protocol: d.Get("protocol").(string),
			From: d.Get("from_port").(int), To: d.Get("to_port").(int), Remark: d.Get("description").(string),
		}, d.Get("cidr_blocks").([]any), d.Get("ipv6_cidr_blocks").([]any), d.Get("prefix_list_ids").([]any), groups, d.Get("self").(bool))
	}
	return &schema.Resource{
		Schema: s, ReadContext: nothing, UpdateContext: nothing, CustomizeDiff: knownRegion,
		CreateContext: func(_ context.Context, d *schema.ResourceData, m any) diag.Diagnostics {
			d.SetId(strings.Replace(newID("sgrule"), "sgrule-0", "sgrule-", 1))
			editRules(nil, rules(d))
			return set(d, "region", m.(*settings).region, "security_group_rule_id", newID("sgr"))
		},
		DeleteContext: func(_ context.Context, d *schema.ResourceData, _ any) diag.Diagnostics {
			editRules(rules(d), nil)
			return nil
		},
	}
}

func knownRegion(_ context.Context, d *schema.ResourceDiff, m any) error {
	if s := m.(*settings); s.region != "" && d.Id() == "" {
		return d.SetNew("region", s.region)
	}
	return nil
}

func singleRule(egress bool) *schema.Resource {
	s := map[string]*schema.Schema{
		"security_group_id": text(replaces), "ip_protocol": text(required),
		"from_port": attribute(schema.TypeInt, optional), "to_port": attribute(schema.TypeInt, optional),
		"cidr_ipv4": text(optional), "cidr_ipv6": text(optional), "prefix_list_id": text(optional), "referenced_security_group_id": text(optional),
		"description": text(optional), "security_group_rule_id": text(computed), "arn": text(computed), "region": text(both),
		"tags": tags(optional), "tags_all": tags(computed),
	}
	read := func(d *schema.ResourceData, get func(string) any) rule {
		from, to := get("from_port").(int), get("to_port").(int)
		if get("ip_protocol") == "-1" {
			from, to = 0, 0
		}
		return rule{
			Group: d.Get("security_group_id").(string), Egress: egress, Protocol: normal(get("ip_protocol").(string)), From: from, To: to,
			CIDR: get("cidr_ipv4").(string), CIDRv6: get("cidr_ipv6").(string), List: get("prefix_list_id").(string),
			Peer: get("referenced_security_group_id").(string), Remark: get("description").(string),
		}
	}
	return &schema.Resource{
		Schema: s, ReadContext: nothing, CustomizeDiff: known,
		CreateContext: func(_ context.Context, d *schema.ResourceData, m any) diag.Diagnostics {
			d.SetId(newID("sgr"))
			r := read(d, d.Get)
			r.ID = d.Id()
			editRules(nil, []rule{r})
			region := m.(*settings).region
			return set(d, "security_group_rule_id", d.Id(), "region", region, "arn", "arn:aws:ec2:"+region+":"+account+":security-group-rule/"+d.Id())
		},
		UpdateContext: func(_ context.Context, d *schema.ResourceData, _ any) diag.Diagnostics {
			before := read(d, func(name string) any { old, _ := d.GetChange(name); return old })
			editRules([]rule{before}, []rule{read(d, d.Get)})
			return nil
		},
		DeleteContext: func(_ context.Context, d *schema.ResourceData, _ any) diag.Diagnostics {
			editRules([]rule{read(d, d.Get)}, nil)
			return nil
		},
	}
}
