package cli

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"sgward/internal/bucket"
	"sgward/internal/cloudtrail"
	"sgward/internal/ec2rules"
	"sgward/internal/eventhistory"
	"sgward/internal/logfile"
	"sgward/internal/replay"
	"sgward/internal/text"
)

// historySources are the places that hold the history to replay.
type historySources struct {
	paths   []string // files, folders, standard input
	buckets []bucket.Place
	account bool   // the event history of the account
	table   string // of Athena, whose query is run; "" if there is none
}

// sources sorts the arguments and refuses flags that none of them needs.
func (f *replayFlags) sources(args []string) (historySources, error) {
	from := historySources{account: f.accountHistory, table: f.table}
	for _, arg := range slices.Compact(slices.Sorted(slices.Values(args))) {
		if !bucket.IsURL(arg) {
			from.paths = append(from.paths, arg)
			continue
		}
		at, err := bucket.ParseURL(arg)
		if err != nil {
			return from, usageError("%w", err)
		}
		from.buckets = append(from.buckets, at)
	}
	switch live := from.live(); {
	case !live && len(from.paths) == 0:
		return from, usageError("want --account-history, s3://BUCKET/PREFIX/, --athena TABLE, the paths of CloudTrail log files or folders, or - for standard input")
	case !live && (f.profile != "" || f.region != "" || f.endpoint != ""):
		return from, usageError("files are judged without AWS: --profile, --region and --endpoint-url are for --account-history, s3:// and --run. --regions chooses calls")
	}
	return from, nil
}

// live reports whether some are of AWS.
func (s historySources) live() bool { return len(s.buckets) > 0 || s.account || s.table != "" }

// names are for people, as the report shows them.
func (s historySources) names() []string {
	out := namedSources(s.paths)
	for _, at := range s.buckets {
		out = append(out, at.String())
	}
	if s.account {
		out = append(out, "the account's event history")
	}
	if s.table != "" {
		out = append(out, "the table "+s.table+" in Athena")
	}
	return out
}

// foundSources are the sources of a replay.
type foundSources struct {
	local logfile.Found
	all   iter.Seq[logfile.Source] // local, and those of AWS, which are listed while they are read
	// live is set if some are of AWS: their number is not known until they are read.
	live   bool
	listed atomic.Int64 // objects of buckets
}

// find finds the files, and prepares to read from AWS.
func (f *replayFlags) find(ctx context.Context, in Invocation, from historySources, o *replay.Options) (*foundSources, error) {
	found := &foundSources{live: from.live()}
	if len(from.paths) > 0 {
		found.local = findSources(in, f.quiet, from.paths)
	}
	lists := []iter.Seq[logfile.Source]{slices.Values(found.local.Sources)}
	found.all = func(yield func(logfile.Source) bool) {
		for _, list := range lists {
			for s := range list {
				if !yield(s) {
					return
				}
			}
		}
	}
	if !found.live {
		return found, nil
	}
	if f.region == "" && len(f.regions) > 0 {
		f.region = f.regions[0] // the region that is asked first for a bucket, and for the list of regions
	}
	config, err := f.config(ctx)
	if err != nil {
		return nil, err
	}
	if len(from.buckets) > 0 {
		reader := bucket.Reader{
			Client: bucket.NewClient(config), Explain: awsErrorText, Listed: &found.listed,
			Selection: selection(*o),
		}
		for _, at := range from.buckets {
			lists = append(lists, reader.Sources(ctx, at))
		}
	}
	if from.table != "" {
		at, err := f.runQuery(ctx, in, config, *o)
		if err != nil {
			return nil, err
		}
		result := bucket.Reader{Client: bucket.NewClient(config), Explain: awsErrorText, Listed: &found.listed}
		lists = append(lists, result.Sources(ctx, at))
	}
	if from.account {
		history, err := f.eventHistory(ctx, config, o)
		if err != nil {
			return nil, err
		}
		lists = append(lists, history.Sources(ctx))
	}
	return found, nil
}

// eventHistory is that of the account in the chosen regions, or in all that it has enabled.
func (f *replayFlags) eventHistory(ctx context.Context, config aws.Config, o *replay.Options) (*eventhistory.Reader, error) {
	regions := o.Regions
	if len(regions) == 0 {
		var err error
		if regions, err = ec2rules.Regions(ctx, ec2.NewFromConfig(config)); err != nil {
			return nil, fmt.Errorf("%w; name the regions with --regions", err)
		}
	}
	r := &eventhistory.Reader{
		Trails: map[string]eventhistory.Trail{}, Names: cloudtrail.Names(cloudtrail.GroupCalls()...), Since: o.Since, Explain: awsErrorText,
	}
	for _, region := range regions {
		of := config.Copy()
		of.Region = region
		r.Trails[region] = eventhistory.NewPatient(of)
	}
	return r, nil
}

// howFar returns a function that describes the progress of reading a history.
func (s *foundSources) howFar(p *replay.Progress, since time.Time) func() string {
	total := int64(0)
	for _, source := range s.local.Sources {
		if source.Size < 0 || s.live {
			total = 0
			break
		}
		total += source.Size
	}
	return func() string {
		read, files := p.Bytes.Load(), p.Files.Load()
		line := fmt.Sprintf("%d of %s, ", files, text.Plural(len(s.local.Sources), "file"))
		switch listed := s.listed.Load(); {
		case listed > 0:
			line = fmt.Sprintf("%d of %d files found so far, ", files, int(listed)+len(s.local.Sources))
		case s.live:
			line = text.Plural(int(files), "file") + ", "
		}
		if total > 0 {
			line += fmt.Sprintf("%s of %s", text.Bytes(read), text.Bytes(total))
		} else {
			line += text.Bytes(read)
		}
		line += ", " + text.Plural(int(p.Openings.Load()), "opening") + " to judge"
		spent := time.Since(since)
		switch {
		case total > 0 && read > 0 && read < total && spent > 2*time.Second:
			line += ", " + text.Span(spent.Seconds()*float64(total-read)/float64(read)) + " left"
		case s.live && spent > 2*time.Second:
			line += fmt.Sprintf(", %.0f files a second", float64(files)/spent.Seconds())
		}
		return line
	}
}
