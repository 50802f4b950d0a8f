package main

import (
	"bytes"
	"cmp"
	"debug/buildinfo"
	"encoding/base64"
	"encoding/hex"
	"maps"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	cdx "github.com/CycloneDX/cyclonedx-go"
)

// writeBills writes a bill of materials for each program, in CycloneDX. The builds of one program for several platforms share one.
func (r *release) writeBills(programs map[string][]string) error {
	for _, name := range slices.Sorted(maps.Keys(programs)) {
		bill, err := billOf(name, r.version, r.date, programs[name])
		if err != nil {
			return err
		}
		if err := r.write(r.name(name+".cdx.json"), bill); err != nil {
			return err
		}
	}
	return nil
}

// billOf names the modules that the builds of a program link, as Go recorded them there.
func billOf(name, version string, date time.Time, builds []string) ([]byte, error) {
	linked := map[string]cdx.Component{}
	for _, build := range builds {
		info, err := buildinfo.ReadFile(build)
		if err != nil {
			return nil, err
		}
		std := module("std", strings.TrimPrefix(info.GoVersion, "go"), "")
		linked[std.PackageURL] = std
		for _, m := range info.Deps {
			c := module(replaced(m))
			linked[c.PackageURL] = c
		}
	}
	components := slices.SortedFunc(maps.Values(linked), func(a, b cdx.Component) int { return strings.Compare(a.PackageURL, b.PackageURL) })
	bom := cdx.NewBOM()
	bom.Metadata = &cdx.Metadata{
		Timestamp: date.UTC().Format(time.RFC3339),
		Component: &cdx.Component{
			BOMRef: "sgward", Type: cdx.ComponentTypeApplication, Name: "sgward-" + name, Version: version,
			Licenses: &cdx.Licenses{{License: &cdx.License{ID: "Apache-2.0"}}},
		},
	}
	bom.Components = &components
	refs := make([]string, len(components))
	for i, c := range components {
		refs[i] = c.BOMRef
	}
	bom.Dependencies = &[]cdx.Dependency{{Ref: "sgward", Dependencies: &refs}}
	var out bytes.Buffer
	encoder := cdx.NewBOMEncoder(&out, cdx.BOMFileFormatJSON).SetPretty(true).SetEscapeHTML(false)
	if err := encoder.Encode(bom); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

func replaced(m *debug.Module) (path, version, sum string) {
	m = cmp.Or(m.Replace, m)
	return m.Path, m.Version, m.Sum
}

// module is a Go module as a component. Its sum is that of go.sum: SHA-256 over the list of its files, in base64
// (https://go.dev/ref/mod#go-sum-files).
func module(path, version, sum string) cdx.Component {
	url := "pkg:golang/" + path + "@" + version
	c := cdx.Component{BOMRef: url, Type: cdx.ComponentTypeLibrary, Name: path, Version: version, PackageURL: url}
	if digest, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(sum, "h1:")); err == nil && len(digest) > 0 {
		c.Hashes = &[]cdx.Hash{{Algorithm: cdx.HashAlgoSHA256, Value: hex.EncodeToString(digest)}}
	}
	return c
}
