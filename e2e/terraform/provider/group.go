package main

import (
	"context"
	"slices"

	"github.com/hashicorp/terraform-plugin-sdk/v2/diag"
	"github.com/hashicorp/terraform-plugin-sdk/v2/helper/schema"
)

func blocks() *schema.Schema {
	return &schema.Schema{
		Type: schema.TypeSet, Optional: true, Computed: true, ConfigMode: schema.SchemaConfigModeAttr,
		Elem: &schema.Resource{Schema: map[string]*schema.Schema{
			"cidr_blocks": texts(optional), "ipv6_cidr_blocks": texts(optional), "prefix_list_ids": texts(optional),
			"security_groups": {Type: schema.TypeSet, Optional: true, Elem: &schema.Schema{Type: schema.TypeString}},
			"self":            {Type: schema.TypeBool, Optional: true, Default: false},
			"protocol":        protocol(required), "from_port": attribute(schema.TypeInt, required), "to_port": attribute(schema.TypeInt, required),
			"description": text(optional),
		}},
	}
}

func protocol(kind int) *schema.Schema {
	s := text(kind)
	s.StateFunc = func(v any) string { return normal(v.(string)) }
	return s
}

func groupResource(ofVPC bool) *schema.Resource {
	s := map[string]*schema.Schema{
		"name": text(both), "name_prefix": text(both), "description": text(optional), "vpc_id": text(both),
		"arn": text(computed), "owner_id": text(computed), "region": text(both),
		"tags": tags(optional), "tags_all": tags(computed), "revoke_rules_on_delete": attribute(schema.TypeBool, optional),
		"ingress": blocks(), "egress": blocks(),
	}
	s["name"].ForceNew, s["description"].ForceNew, s["vpc_id"].ForceNew = true, true, true
	s["description"].Default = "Managed by Terraform"
	if ofVPC {
		s["name"], s["name_prefix"], s["description"] = text(computed), text(computed), text(computed)
	}
	return &schema.Resource{
		Schema: s, CustomizeDiff: known, ReadContext: readGroup,
		Importer: &schema.ResourceImporter{StateContext: schema.ImportStatePassthroughContext},
		CreateContext: func(ctx context.Context, d *schema.ResourceData, m any) diag.Diagnostics {
			d.SetId(newID("sg"))
			region := m.(*settings).region
			bad := set(d, "arn", "arn:aws:ec2:"+region+":"+account+":security-group/"+d.Id(), "owner_id", account, "region", region)
			if d.Get("name") == "" {
				bad = append(bad, set(d, "name", "terraform-"+d.Id())...)
			}
			editRules(nil, slices.Concat(blockRules(d.Id(), d.Get("ingress"), false), blockRules(d.Id(), d.Get("egress"), true)))
			return append(bad, readGroup(ctx, d, m)...)
		},
		UpdateContext: func(ctx context.Context, d *schema.ResourceData, m any) diag.Diagnostics {
			for name, egress := range map[string]bool{"ingress": false, "egress": true} {
				if d.HasChange(name) {
					before, after := d.GetChange(name)
					editRules(blockRules(d.Id(), before, egress), blockRules(d.Id(), after, egress))
				}
			}
			return readGroup(ctx, d, m)
		},
		DeleteContext: func(_ context.Context, d *schema.ResourceData, _ any) diag.Diagnostics {
			change(func(c *cloud) { c.Rules = slices.DeleteFunc(c.Rules, func(r rule) bool { return r.Group == d.Id() }) })
			return nil
		},
	}
}

func tags(kind int) *schema.Schema {
	s := attribute(schema.TypeMap, kind)
	s.Elem = &schema.Schema{Type: schema.TypeString}
	return s
}

// known makes what is known before the apply known in the plan.
func known(_ context.Context, d *schema.ResourceDiff, m any) error {
	s := m.(*settings)
	if s.region != "" && d.Id() == "" {
		if err := d.SetNew("region", s.region); err != nil {
			return err
		}
	}
	all := map[string]any{}
	for k, v := range s.defaultTags {
		all[k] = v
	}
	if !d.NewValueKnown("tags") {
		return d.SetNewComputed("tags_all")
	}
	for k, v := range d.Get("tags").(map[string]any) {
		all[k] = v
	}
	if len(all) == 0 {
		return nil
	}
	return d.SetNew("tags_all", all)
}

// readGroup shows every rule that the group holds.
func readGroup(_ context.Context, d *schema.ResourceData, m any) diag.Diagnostics {
	shown := map[bool][]any{}
	change(func(c *cloud) {
		type key struct {
			egress   bool
			protocol string
			from, to int
			remark   string
		}
		at := map[key]map[string]any{}
		for _, r := range c.Rules {
			if r.Group != d.Id() {
				continue
			}
			k := key{r.Egress, r.Protocol, r.From, r.To, r.Remark}
			b := at[k]
			if b == nil {
				b = map[string]any{
					"protocol": r.Protocol, "from_port": r.From, "to_port": r.To, "description": r.Remark, "self": false,
					"cidr_blocks": []any{}, "ipv6_cidr_blocks": []any{}, "prefix_list_ids": []any{}, "security_groups": []any{},
				}
				at[k] = b
				shown[r.Egress] = append(shown[r.Egress], b)
			}
			for name, v := range map[string]string{"cidr_blocks": r.CIDR, "ipv6_cidr_blocks": r.CIDRv6, "prefix_list_ids": r.List, "security_groups": r.Peer} {
				if v != "" {
					b[name] = append(b[name].([]any), v)
				}
			}
			if r.Self {
				b["self"] = true
			}
		}
	})
	bad := set(d, "ingress", shown[false], "egress", shown[true])
	if d.Get("arn") == "" { // imported
		region := m.(*settings).region
		bad = append(bad, set(d, "arn", "arn:aws:ec2:"+region+":"+account+":security-group/"+d.Id(), "owner_id", account, "region", region,
			"name", "by-hand", "description", "Managed by Terraform", "vpc_id", "vpc-0123456789abcdef0")...)
	}
	return bad
}

// blockRules splits blocks into rules with one peer each.
func blockRules(group string, v any, egress bool) []rule {
	var out []rule
	for _, e := range v.(*schema.Set).List() {
		b := e.(map[string]any)
		out = append(out, peers(rule{
			Group: group, Egress: egress, Protocol: normal(b["protocol"].(string)), From: b["from_port"].(int), To: b["to_port"].(int), Remark: b["description"].(string),
		}, b["cidr_blocks"].([]any), b["ipv6_cidr_blocks"].([]any), b["prefix_list_ids"].([]any), b["security_groups"].(*schema.Set).List(), b["self"].(bool))...)
	}
	return out
}

func peers(of rule, v4, v6, lists, groups []any, self bool) []rule {
	var out []rule
	for _, v := range v4 {
		r := of
		r.CIDR = v.(string)
		out = append(out, r)
	}
	for _, v := range v6 {
		r := of
		r.CIDRv6 = v.(string)
		out = append(out, r)
	}
	for _, v := range lists {
		r := of
		r.List = v.(string)
		out = append(out, r)
	}
	for _, v := range groups {
		r := of
		r.Peer = v.(string)
		out = append(out, r)
	}
	if self {
		r := of
		r.Self = true
		out = append(out, r)
	}
	return out
}

func normal(protocol string) string {
	switch protocol {
	case "6", "TCP":
		return "tcp"
	case "17", "UDP":
		return "udp"
	case "all":
		return "-1"
	}
	return protocol
}
