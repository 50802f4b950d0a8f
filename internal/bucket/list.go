package bucket

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"sgward/internal/awsid"
	"sgward/internal/logfile"
)

// Place is a bucket, with a folder or an object in it.
type Place struct{ Bucket, Path string }

const scheme = "s3://"

// IsURL reports whether a path is one of S3.
func IsURL(s string) bool { return strings.HasPrefix(s, scheme) }

// bucketForm is that of a bucket's name
// (https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html).
var bucketForm = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)

// ParseURL reads s3://BUCKET/PATH.
func ParseURL(s string) (Place, error) {
	name, folder, _ := strings.Cut(strings.TrimPrefix(s, scheme), "/")
	if !IsURL(s) || !bucketForm.MatchString(name) {
		return Place{}, fmt.Errorf("%q: want s3://BUCKET/PREFIX/, such as s3://my-trail-bucket/AWSLogs/", s)
	}
	return Place{name, folder}, nil
}

func (p Place) String() string { return scheme + p.Bucket + "/" + p.Path }

// Selection limits what is read, by the keys of CloudTrail's objects. Zero fields select
// everything.
type Selection struct {
	Accounts, Regions []string
	Since, Until      time.Time
}

const (
	// lateFor is how long after a call a file with it may be delivered: minutes as a rule
	// (https://docs.aws.amazon.com/awscloudtrail/latest/userguide/how-cloudtrail-works.html),
	// and hours after a disruption.
	lateFor = 24 * time.Hour
	// clockSlack is how far before the first call a file may claim to have been written.
	clockSlack = time.Hour
)

func (s *Selection) account(id string) bool {
	return len(s.Accounts) == 0 || slices.Contains(s.Accounts, id)
}

func (s *Selection) region(name string) bool {
	return len(s.Regions) == 0 || slices.Contains(s.Regions, name)
}

// FirstDay and LastDay are the days of the folders to read, as keys have them: 2026/11/03,
// "" for no limit. They are wider than the window: files are delivered later than the calls
// in them.
func (s *Selection) FirstDay() string {
	if s.Since.IsZero() {
		return ""
	}
	return s.Since.UTC().Add(-clockSlack).Format(dayForm)
}

// LastDay is described at FirstDay.
func (s *Selection) LastDay() string {
	if s.Until.IsZero() {
		return ""
	}
	return s.Until.UTC().Add(lateFor).Format(dayForm)
}

// dayForm is the form of the folders of a day.
const dayForm = "2006/01/02"

// fileForm is that of CloudTrail's file names
// (https://docs.aws.amazon.com/awscloudtrail/latest/userguide/get-and-view-cloudtrail-log-files.html).
var fileForm = regexp.MustCompile(`^(\d{12})_CloudTrail_([a-z0-9-]+)_(\d{8}T\d{4}Z)_\w+\.json(?:\.gz)?$`)

// file reports whether an object is read, by its name. A name that is not CloudTrail's may
// hold anything.
func (s *Selection) file(key string) bool {
	parts := fileForm.FindStringSubmatch(path.Base(key))
	if parts == nil {
		return true
	}
	at, err := time.Parse("20060102T1504Z", parts[3])
	return s.account(parts[1]) && s.region(parts[2]) &&
		(err != nil || !at.Before(s.Since.Add(-clockSlack)) && (s.Until.IsZero() || !at.After(s.Until.Add(lateFor))))
}

// key is an object to read, or a place that could not be listed.
type key struct {
	bucket, name string
	size         int64
	err          error
}

func (k key) String() string { return scheme + k.bucket + "/" + k.name }

// folder is a part of the bucket that is listed from end to end: days, as a rule.
type folder struct {
	listing

	base  string // the part of the keys before the day; "" if they have none
	exact bool   // the prefix is a key: only this object is read, whatever its name
	err   error  // it could not be found
}

// walk finds the objects to read, in the order of their keys.
type walk struct {
	ctx    context.Context
	client *Client
	*Selection
	bucket string
}

// keys yields what is to be read at a place.
func (w *walk) keys(at Place) iter.Seq[key] {
	type firstPage struct {
		folder
		page
	}
	return func(yield func(key) bool) {
		found := false
		// Most folders of a large organisation are empty regions: their first pages are
		// asked for ahead, as the order allows.
		for f := range ahead(w.ctx, listedAtOnce, w.folders(at), func(f folder) firstPage {
			if f.err != nil {
				return firstPage{folder: f}
			}
			p, err := w.client.list(w.ctx, f.listing, "")
			f.err = err
			return firstPage{f, p}
		}) {
			for {
				if f.err != nil {
					found = true // it says what is wrong
					if !yield(key{bucket: w.bucket, name: f.prefix, err: f.err}) {
						return
					}
					break
				}
				some, more := w.objects(f.folder, f.page, yield)
				found = found || some
				if !more {
					return
				}
				if !f.IsTruncated || w.ends(f.folder, f.page) {
					break
				}
				f.page, f.err = w.client.list(w.ctx, f.listing, f.NextContinuationToken)
			}
		}
		if !found && w.ctx.Err() == nil {
			yield(key{bucket: at.Bucket, name: at.Path, err: errNothing})
		}
	}
}

// errNothing is for a place without anything to read.
var errNothing = errors.New("holds nothing to read: want log files of the chosen accounts, regions and days, or other files whose names end in .json, .jsonl or .ndjson, with or without .gz")

// objects yields those of a page that are wanted.
func (w *walk) objects(f folder, p page, yield func(key) bool) (some, more bool) {
	for _, o := range p.Contents {
		if f.exact && o.Key == f.prefix {
			return true, yield(key{bucket: w.bucket, name: o.Key, size: o.Size})
		}
		if f.exact || o.Size == 0 || logfile.OtherThanHistory(path.Base(o.Key)) != "" || !w.file(o.Key) || f.after != "" && o.Key <= f.after {
			continue
		}
		some = true
		if !yield(key{bucket: w.bucket, name: o.Key, size: o.Size}) {
			return some, false
		}
	}
	return some, true
}

// ends reports whether no key after a page is of a wanted day.
func (w *walk) ends(f folder, p page) bool {
	last := w.LastDay()
	if f.base == "" || last == "" || len(p.Contents) == 0 {
		return false
	}
	day, ok := strings.CutPrefix(p.Contents[len(p.Contents)-1].Key, f.base)
	return ok && len(day) >= len(dayForm) && day[:len(dayForm)] > last
}

// folders yields the folders to list below a place. Only the folders of accounts and
// regions are looked at one by one; a file that is named is a folder of one.
func (w *walk) folders(at Place) iter.Seq[folder] {
	return func(yield func(folder) bool) {
		if at.Path == "" || strings.HasSuffix(at.Path, "/") {
			w.visit(at.Path, yield)
			return
		}
		p, err := w.client.list(w.ctx, listing{bucket: w.bucket, prefix: at.Path, delimiter: "/"}, "")
		if err != nil {
			yield(folder{listing: listing{bucket: w.bucket, prefix: at.Path}, err: err})
			return
		}
		for _, o := range p.Contents {
			if o.Key == at.Path && !yield(folder{listing: listing{bucket: w.bucket, prefix: at.Path}, exact: true}) {
				return
			}
		}
		for _, c := range p.CommonPrefixes {
			if c.Prefix == at.Path+"/" {
				w.visit(c.Prefix, yield)
			}
		}
	}
}

const trailFolder = "CloudTrail"

// visit yields the folders to list below a prefix that is empty or ends in a slash. The
// layout is [PREFIX/]AWSLogs/[ORGANISATION/]ACCOUNT/CloudTrail/REGION/YYYY/MM/DD/.
func (w *walk) visit(prefix string, yield func(folder) bool) (more bool) {
	parts := strings.Split(strings.TrimSuffix(prefix, "/"), "/")
	for i := 1; i < len(parts); i++ {
		if parts[i] != trailFolder || !awsid.IsAccount(parts[i-1]) {
			continue
		}
		if i+1 == len(parts) {
			return w.children(prefix, yield, func(region string) bool {
				return !w.region(region) || yield(w.days(prefix+region+"/", prefix+region+"/"))
			})
		}
		return yield(w.days(prefix, strings.Join(parts[:i+2], "/")+"/"))
	}
	last := parts[len(parts)-1]
	ofLogs := last == "AWSLogs" || len(parts) > 1 && strings.HasPrefix(last, "o-") && parts[len(parts)-2] == "AWSLogs"
	switch {
	case ofLogs:
		return w.children(prefix, yield, func(child string) bool {
			switch {
			case awsid.IsAccount(child):
				return !w.account(child) || w.visit(prefix+child+"/"+trailFolder+"/", yield)
			case strings.HasPrefix(child, "o-"):
				return w.visit(prefix+child+"/", yield)
			}
			return true // other services' logs
		})
	case len(parts) > 1 && awsid.IsAccount(last) && (parts[len(parts)-2] == "AWSLogs" || strings.HasPrefix(parts[len(parts)-2], "o-")):
		return w.visit(prefix+trailFolder+"/", yield)
	}
	// Anything: its files, and then what is below.
	return yield(folder{listing: listing{bucket: w.bucket, prefix: prefix, delimiter: "/"}}) &&
		w.children(prefix, yield, func(child string) bool { return w.visit(prefix+child+"/", yield) })
}

// days is the folder of a region, or a part of it, from the first wanted day on.
func (w *walk) days(prefix, base string) folder {
	f := folder{listing: listing{bucket: w.bucket, prefix: prefix}, base: base}
	if first := w.FirstDay(); first != "" && base+first > prefix {
		f.after = base + first
	}
	return f
}

// children calls see for each folder in a prefix until it returns false.
func (w *walk) children(prefix string, yield func(folder) bool, see func(name string) bool) bool {
	token := ""
	for {
		p, err := w.client.list(w.ctx, listing{bucket: w.bucket, prefix: prefix, delimiter: "/"}, token)
		if err != nil {
			return yield(folder{listing: listing{bucket: w.bucket, prefix: prefix}, err: err})
		}
		for _, c := range p.CommonPrefixes {
			if !see(strings.TrimSuffix(strings.TrimPrefix(c.Prefix, prefix), "/")) {
				return false
			}
		}
		if !p.IsTruncated {
			return true
		}
		token = p.NextContinuationToken
	}
}
