package ec2api

import (
	"cmp"
	"slices"
	"strings"
)

// tagSpecification reads the tags that a create call gives to its resources.
func (c *call) tagSpecification(resourceType string) ([]xmlTag, error) {
	var out []xmlTag
	for _, spec := range c.list("TagSpecification") {
		if kind := spec.str("ResourceType"); kind != resourceType {
			return nil, fail("InvalidParameterValue", "'%s' is not a valid taggable resource type for this operation.", kind)
		}
		for _, t := range spec.list("Tag") {
			tag := xmlTag{Key: t.str("Key"), Value: t.str("Value")}
			if err := checkTag(tag); err != nil {
				return nil, err
			}
			out = putTag(out, tag)
		}
	}
	return out, nil
}

func checkTag(t xmlTag) error {
	switch {
	case t.Key == "":
		return missing("Tag.Key")
	case strings.HasPrefix(strings.ToLower(t.Key), "aws:"):
		return fail("InvalidParameterValue", "Tag keys starting with 'aws:' are reserved for internal use")
	case len([]rune(t.Key)) > 128:
		return fail("InvalidParameterValue", "Tag key exceeds the maximum length of 128 characters")
	case len([]rune(t.Value)) > 256:
		return fail("InvalidParameterValue", "Tag value exceeds the maximum length of 256 characters")
	default:
		return nil
	}
}

// putTag returns a new list with the tag set, in the order of the keys. The old
// list is left as it is, since answers and snapshots may hold it.
func putTag(tags []xmlTag, t xmlTag) []xmlTag {
	out := slices.Clone(tags)
	i, found := slices.BinarySearchFunc(out, t.Key, func(have xmlTag, key string) int { return cmp.Compare(have.Key, key) })
	if found {
		out[i] = t
		return out
	}
	return slices.Insert(out, i, t)
}

// tagged holds the tags of one resource.
type tagged struct {
	id, kind string
	get      func() []xmlTag
	set      func([]xmlTag)
}

// taggable finds a resource by its id.
func (r *region) taggable(id string) (tagged, error) {
	kind, _, _ := strings.Cut(id, "-")
	switch kind {
	case "sg":
		if g := r.groups[id]; g != nil {
			return tagged{id, "security-group", func() []xmlTag { return g.tags }, func(t []xmlTag) { g.tags = t }}, nil
		}
		return tagged{}, fail("InvalidGroup.NotFound", "The security group '%s' does not exist", id)
	case "sgr":
		if r.rules[id] != nil {
			return tagged{id, "security-group-rule", func() []xmlTag { return r.rules[id].tags }, func(t []xmlTag) { r.retag(id, t) }}, nil
		}
		return tagged{}, unknownRule(id)
	case "vpc":
		if v := r.vpc(id); v != nil {
			return tagged{id, "vpc", func() []xmlTag { return v.tags }, func(t []xmlTag) { v.tags = t }}, nil
		}
		return tagged{}, fail("InvalidVpcID.NotFound", "The vpc ID '%s' does not exist", id)
	case "pl":
		if l := r.lists[id]; l != nil {
			return tagged{id, "prefix-list", func() []xmlTag { return l.tags }, func(t []xmlTag) { l.tags = t }}, nil
		}
		return tagged{}, fail("InvalidPrefixListID.NotFound", "The prefix list ID '%s' does not exist", id)
	default:
		return tagged{}, fail("InvalidID", "The ID '%s' is not valid", id)
	}
}

func (r *region) retag(id string, tags []xmlTag) {
	old := r.rules[id]
	edited := *old
	edited.tags = tags
	old.group.replaceRules(map[*rule]*rule{old: &edited})
}

// tagTargets are the resources of a tag call; one unknown rejects all.
func (c *call) tagTargets() ([]tagged, error) {
	ids := c.strings("ResourceId")
	if len(ids) == 0 {
		return nil, missing("resourceIdSet")
	}
	var out []tagged
	for _, id := range ids {
		t, err := c.region.taggable(id)
		if err != nil {
			return nil, err
		}
		out = append(out, t)
	}
	return out, c.dryRun()
}

func createTags(c *call) (response, error) {
	if len(c.list("Tag")) == 0 {
		return nil, missing("tagSet")
	}
	var tags []xmlTag
	for _, t := range c.list("Tag") {
		tag := xmlTag{Key: t.str("Key"), Value: t.str("Value")}
		if err := checkTag(tag); err != nil {
			return nil, err
		}
		tags = append(tags, tag)
	}
	targets, err := c.tagTargets()
	if err != nil {
		return nil, err
	}
	for _, target := range targets {
		all := target.get()
		for _, t := range tags {
			all = putTag(all, t)
		}
		c.beforeTagging(target)
		target.set(all)
	}
	return c.tagReply()
}

// deleteTags removes the named tags, where a value is sent only with that value;
// without any tag named it removes all.
func deleteTags(c *call) (response, error) {
	targets, err := c.tagTargets()
	if err != nil {
		return nil, err
	}
	unwanted := c.list("Tag")
	for _, target := range targets {
		c.beforeTagging(target)
		target.set(slices.DeleteFunc(slices.Clone(target.get()), func(have xmlTag) bool {
			return len(unwanted) == 0 || slices.ContainsFunc(unwanted, func(p *params) bool {
				return p.str("Key") == have.Key && (!p.has("Value") || p.str("Value") == have.Value)
			})
		}))
	}
	return c.tagReply()
}

func (c *call) beforeTagging(t tagged) {
	if r := c.region.rules[t.id]; r != nil {
		c.srv.beforeChange(r.group, c.now)
	}
}

func (c *call) tagReply() (response, error) {
	c.elements = object{{"requestId", c.requestID}, {"_return", true}}
	return &returnReply{Return: true}, nil
}

func describeTags(c *call) (response, error) {
	filters, err := c.filters("key", "value", "resource-id", "resource-type", "tag:*")
	if err != nil {
		return nil, err
	}
	limit, after, err := c.window(5, 1000)
	if err != nil {
		return nil, err
	}
	if err := c.dryRun(); err != nil {
		return nil, err
	}
	var all []xmlResourceTag
	for _, t := range c.taggedResources(filters) {
		for _, tag := range t.get() {
			attrs := map[string]string{"key": tag.Key, "value": tag.Value, "resource-id": t.id, "resource-type": t.kind}
			if matches(filters, []xmlTag{tag}, func(name string) string { return attrs[name] }) {
				all = append(all, xmlResourceTag{ResourceID: t.id, ResourceType: t.kind, Key: tag.Key, Value: tag.Value})
			}
		}
	}
	// Tags have no order of creation; the cursor counts them.
	from := min(int(after.major), len(all))
	out := &tagsReply{}
	all = all[from:]
	if limit > 0 && len(all) > limit {
		all = all[:limit]
		out.NextToken = c.token(cursor{major: uint64(from + limit)})
	}
	out.Tags = listOf(all)
	return out, nil
}

// taggedResources are those of a plain resource-id filter, or all.
func (c *call) taggedResources(filters []filter) []tagged {
	ids, plain := exact(filters, "resource-id")
	if !plain {
		ids = nil
		for _, v := range c.region.vpcs {
			ids = append(ids, v.id)
		}
		for _, l := range c.region.listOrder {
			ids = append(ids, l.id)
		}
		for _, g := range c.region.groupOrder {
			ids = append(ids, g.id)
			for _, r := range g.rules {
				ids = append(ids, r.id)
			}
		}
	}
	var out []tagged
	for _, id := range ids {
		if t, err := c.region.taggable(id); err == nil {
			out = append(out, t)
		}
	}
	return out
}

func tagPlainList(tags []xmlTag) []object {
	out := make([]object, len(tags))
	for i, t := range tags {
		out[i] = object{{"key", t.Key}, {"value", t.Value}}
	}
	return out
}

func tagItems(tags []xmlTag) object { return items(tagPlainList(tags)) }
