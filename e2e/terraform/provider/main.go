// Command terraform-provider-aws is a stand-in for the aws provider: its schemas of the
// resources that sgward check reads, as far as plans show them, over a file in place of
// AWS. With it a real Terraform or OpenTofu makes the plans of the fixtures; see
// ../README.md. The schemas follow
// https://registry.terraform.io/providers/hashicorp/aws/latest/docs.
package main

import (
	"context"

	"github.com/hashicorp/terraform-plugin-sdk/v2/diag"
	"github.com/hashicorp/terraform-plugin-sdk/v2/helper/schema"
	"github.com/hashicorp/terraform-plugin-sdk/v2/plugin"
)

const account = "123456789012"

// settings are those of a provider block.
type settings struct {
	region      string
	defaultTags map[string]any
}

func main() {
	plugin.Serve(&plugin.ServeOpts{ProviderAddr: "registry.terraform.io/hashicorp/aws", ProviderFunc: provider})
}

func provider() *schema.Provider {
	return &schema.Provider{
		Schema: map[string]*schema.Schema{
			"region":              text(optional),
			"allowed_account_ids": {Type: schema.TypeSet, Optional: true, Elem: &schema.Schema{Type: schema.TypeString}},
			"default_tags": {Type: schema.TypeList, Optional: true, MaxItems: 1, Elem: &schema.Resource{Schema: map[string]*schema.Schema{
				"tags": {Type: schema.TypeMap, Optional: true, Elem: &schema.Schema{Type: schema.TypeString}},
			}}},
			"assume_role": {Type: schema.TypeList, Optional: true, MaxItems: 1, Elem: &schema.Resource{Schema: map[string]*schema.Schema{
				"role_arn": text(optional),
			}}},
		},
		ResourcesMap: map[string]*schema.Resource{
			"aws_security_group":                  groupResource(false),
			"aws_default_security_group":          groupResource(true),
			"aws_security_group_rule":             classicRule(),
			"aws_vpc_security_group_ingress_rule": singleRule(false),
			"aws_vpc_security_group_egress_rule":  singleRule(true),
			"aws_ec2_managed_prefix_list":         prefixList(),
			"aws_ec2_managed_prefix_list_entry":   prefixListEntry(),
			"aws_vpc":                             object("vpc", map[string]*schema.Schema{"cidr_block": text(optional)}),
			"aws_eip":                             object("eipalloc", map[string]*schema.Schema{"public_ip": text(computed), "domain": text(optional)}),
		},
		DataSourcesMap: map[string]*schema.Resource{
			"aws_caller_identity": {
				Schema: map[string]*schema.Schema{"account_id": text(computed), "arn": text(computed)},
				ReadContext: func(_ context.Context, d *schema.ResourceData, _ any) diag.Diagnostics {
					d.SetId(account)
					return set(d, "account_id", account, "arn", "arn:aws:iam::"+account+":role/deploy")
				},
			},
			"aws_prefix_list": {
				Schema: map[string]*schema.Schema{"name": text(optional), "cidr_blocks": texts(computed)},
				ReadContext: func(_ context.Context, d *schema.ResourceData, _ any) diag.Diagnostics {
					d.SetId("pl-6ea54007")
					return set(d, "cidr_blocks", []string{"52.94.78.0/24"})
				},
			},
			"aws_ec2_managed_prefix_list": {
				Schema: map[string]*schema.Schema{
					"name": text(optional), "owner_id": text(computed),
					"entries": {Type: schema.TypeSet, Computed: true, Elem: &schema.Resource{Schema: map[string]*schema.Schema{"cidr": text(computed), "description": text(computed)}}},
				},
				ReadContext: func(_ context.Context, d *schema.ResourceData, _ any) diag.Diagnostics {
					d.SetId("pl-0fedcba9876543210")
					return set(d, "owner_id", account, "entries", []any{map[string]any{"cidr": "52.94.76.0/24", "description": "office"}})
				},
			},
			"aws_security_group": {
				Schema: map[string]*schema.Schema{"name": text(optional), "arn": text(computed), "vpc_id": text(computed)},
				ReadContext: func(_ context.Context, d *schema.ResourceData, _ any) diag.Diagnostics {
					d.SetId("sg-0aaaaaaaaaaaaaaaa")
					return set(d, "arn", "arn:aws:ec2:eu-central-1:"+account+":security-group/sg-0aaaaaaaaaaaaaaaa", "vpc_id", "vpc-0123456789abcdef0")
				},
			},
		},
		ConfigureContextFunc: func(_ context.Context, d *schema.ResourceData) (any, diag.Diagnostics) {
			s := &settings{region: d.Get("region").(string), defaultTags: map[string]any{}}
			if list := d.Get("default_tags").([]any); len(list) > 0 && list[0] != nil {
				s.defaultTags = list[0].(map[string]any)["tags"].(map[string]any)
			}
			return s, nil
		},
	}
}

// The kinds of attributes.
const (
	optional = iota
	required
	computed
	both     // optional and computed
	replaces // optional, and a change replaces the resource
)

func text(kind int) *schema.Schema { return attribute(schema.TypeString, kind) }

func texts(kind int) *schema.Schema {
	s := attribute(schema.TypeList, kind)
	s.Elem = &schema.Schema{Type: schema.TypeString}
	return s
}

func attribute(of schema.ValueType, kind int) *schema.Schema {
	s := &schema.Schema{Type: of}
	switch kind {
	case optional:
		s.Optional = true
	case required:
		s.Required = true
	case computed:
		s.Computed = true
	case both:
		s.Optional, s.Computed = true, true
	case replaces:
		s.Optional, s.ForceNew = true, true
	}
	return s
}

// set sets attributes, given as name and value.
func set(d *schema.ResourceData, pairs ...any) diag.Diagnostics {
	for i := 0; i < len(pairs); i += 2 {
		if err := d.Set(pairs[i].(string), pairs[i+1]); err != nil {
			return diag.FromErr(err)
		}
	}
	return nil
}

// object is a resource of no interest, of which others use computed attributes.
func object(prefix string, attributes map[string]*schema.Schema) *schema.Resource {
	return &schema.Resource{
		Schema: attributes,
		CreateContext: func(_ context.Context, d *schema.ResourceData, _ any) diag.Diagnostics {
			d.SetId(newID(prefix))
			if _, ok := attributes["public_ip"]; ok {
				return set(d, "public_ip", "52.94.76.77")
			}
			return nil
		},
		ReadContext: nothing, UpdateContext: nothing, DeleteContext: nothing,
	}
}

func nothing(context.Context, *schema.ResourceData, any) diag.Diagnostics { return nil }
