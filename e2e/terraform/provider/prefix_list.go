package main

import (
	"context"
	"slices"

	"github.com/hashicorp/terraform-plugin-sdk/v2/diag"
	"github.com/hashicorp/terraform-plugin-sdk/v2/helper/schema"
)

func prefixList() *schema.Resource {
	read := func(_ context.Context, d *schema.ResourceData, _ any) diag.Diagnostics {
		var entries []any
		change(func(c *cloud) {
			for _, cidr := range c.Entries[d.Id()] {
				entries = append(entries, map[string]any{"cidr": cidr, "description": ""})
			}
		})
		return set(d, "entry", entries)
	}
	cidrs := func(d *schema.ResourceData) []string {
		var out []string
		for _, e := range d.Get("entry").(*schema.Set).List() {
			out = append(out, e.(map[string]any)["cidr"].(string))
		}
		slices.Sort(out)
		return out
	}
	write := func(ctx context.Context, d *schema.ResourceData, m any) diag.Diagnostics {
		if d.IsNewResource() || d.HasChange("entry") {
			change(func(c *cloud) { c.Entries[d.Id()] = cidrs(d) })
		}
		return read(ctx, d, m)
	}
	return &schema.Resource{
		Schema: map[string]*schema.Schema{
			"name": text(required), "address_family": text(replaces), "max_entries": attribute(schema.TypeInt, required),
			"entry": {
				Type: schema.TypeSet, Optional: true, Computed: true, ConfigMode: schema.SchemaConfigModeAttr,
				Elem: &schema.Resource{Schema: map[string]*schema.Schema{"cidr": text(required), "description": text(optional)}},
			},
			"arn": text(computed), "owner_id": text(computed), "version": attribute(schema.TypeInt, computed), "region": text(both),
			"tags": tags(optional), "tags_all": tags(computed),
		},
		CustomizeDiff: known, ReadContext: read, UpdateContext: write, DeleteContext: nothing,
		CreateContext: func(ctx context.Context, d *schema.ResourceData, m any) diag.Diagnostics {
			d.SetId(newID("pl"))
			d.MarkNewResource()
			region := m.(*settings).region
			bad := set(d, "owner_id", account, "version", 1, "region", region, "arn", "arn:aws:ec2:"+region+":"+account+":prefix-list/"+d.Id())
			return append(bad, write(ctx, d, m)...)
		},
	}
}

func prefixListEntry() *schema.Resource {
	return &schema.Resource{
		Schema: map[string]*schema.Schema{
			"cidr": text(replaces), "prefix_list_id": text(replaces), "description": text(replaces), "region": text(both),
		},
		CustomizeDiff: knownRegion, ReadContext: nothing, UpdateContext: nothing,
		CreateContext: func(_ context.Context, d *schema.ResourceData, m any) diag.Diagnostics {
			list, cidr := d.Get("prefix_list_id").(string), d.Get("cidr").(string)
			d.SetId(list + "," + cidr)
			change(func(c *cloud) {
				c.Entries[list] = append(c.Entries[list], cidr)
				slices.Sort(c.Entries[list])
			})
			return set(d, "region", m.(*settings).region)
		},
		DeleteContext: func(_ context.Context, d *schema.ResourceData, _ any) diag.Diagnostics {
			change(func(c *cloud) {
				list := d.Get("prefix_list_id").(string)
				c.Entries[list] = slices.DeleteFunc(c.Entries[list], func(e string) bool { return e == d.Get("cidr") })
			})
			return nil
		},
	}
}
