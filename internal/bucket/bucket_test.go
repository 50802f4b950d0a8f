package bucket_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/bucket"
	"sgward/localaws/s3api"
)

const (
	trail   = "trail"
	account = "123456789012"
	other   = "111122223333"
)

// client returns a client of the stand-in.
func client(t testing.TB, s *s3api.Server) *bucket.Client {
	t.Helper()
	web := httptest.NewServer(s)
	t.Cleanup(web.Close)
	return clientOf(web.URL)
}

func clientOf(url string) *bucket.Client {
	return bucket.NewClient(aws.Config{
		Region: "us-east-1", BaseEndpoint: &url, HTTPClient: awshttp.NewBuildableClient(),
		Credentials: credentials.NewStaticCredentialsProvider("test", "test", ""),
	})
}

// read reads all sources: their names after the bucket's, and what is in them or why they cannot be opened.
func read(t *testing.T, r bucket.Reader, path string) (names, texts []string) {
	t.Helper()
	for s := range r.Sources(t.Context(), bucket.Place{Bucket: trail, Path: path}) {
		names = append(names, strings.TrimPrefix(s.Name, "s3://"+trail+"/"))
		in, err := s.Open(t.Context())
		if err != nil {
			texts = append(texts, err.Error())
			continue
		}
		data, err := io.ReadAll(in)
		require.NoError(t, err)
		require.NoError(t, in.Close())
		assert.Equal(t, s.Size, int64(len(data)))
		texts = append(texts, string(data))
	}
	return names, texts
}

// logKey is the key of a log file of an account as CloudTrail names it.
func logKey(root, account, region string, at time.Time, n int) string {
	return fmt.Sprintf("%sAWSLogs/%s/CloudTrail/%s/%s/%s_CloudTrail_%s_%s_%016d.json.gz",
		root, account, region, at.Format("2006/01/02"), account, region, at.Format("20060102T1504Z"), n)
}

func day(s string) time.Time {
	at, err := time.Parse(time.DateOnly, s)
	if err != nil {
		panic(err)
	}
	return at
}

// trailBucket has forty days of two accounts in two regions, four files a day, and what else lies in such a bucket.
func trailBucket() *s3api.Server {
	s := &s3api.Server{PageSize: 7}
	for _, a := range []string{account, other} {
		for _, region := range []string{"eu-central-1", "us-east-1"} {
			for d := range 40 {
				for n := range 4 {
					key := logKey("", a, region, day("2026-09-20").AddDate(0, 0, d).Add(time.Duration(n)*6*time.Hour), n)
					s.Put(trail, key, []byte(key))
				}
			}
		}
		s.Put(trail, "AWSLogs/"+a+"/CloudTrail-Digest/eu-central-1/2026/10/01/"+a+"_CloudTrail-Digest_eu-central-1_trail_20261001T0000Z.json.gz", []byte("digest"))
		s.Put(trail, "AWSLogs/"+a+"/Config/eu-central-1/2026/10/1/ConfigHistory/x.json.gz", []byte("config"))
	}
	return s
}

func TestKeysArePrunedBeforeAnythingIsRead(t *testing.T) {
	s := trailBucket()
	listed := &atomic.Int64{}
	r := bucket.Reader{Client: client(t, s), Listed: listed, Selection: bucket.Selection{
		Accounts: []string{account}, Regions: []string{"eu-central-1"}, Since: day("2026-10-10"), Until: day("2026-10-12"),
	}}
	names, texts := read(t, r, "")
	require.NotEmpty(t, names)
	assert.Equal(t, names, texts, "each has its own content")
	assert.Equal(t, logKey("", account, "eu-central-1", day("2026-10-10"), 0), names[0])
	assert.Equal(t, logKey("", account, "eu-central-1", day("2026-10-13"), 0), names[len(names)-1], "a file may arrive a day late")
	assert.Len(t, names, 3*4+1)
	assert.EqualValues(t, len(names), listed.Load())
	assert.True(t, slices.IsSorted(names))
	listings, gets := 0, 0
	for _, c := range s.Calls() {
		if c.Key != "" {
			gets++
			continue
		}
		listings++
		prefix := c.Query.Get("prefix")
		assert.NotContains(t, prefix, other, "no key of an account that is not wanted is asked for")
		assert.NotContains(t, prefix, "us-east-1")
		assert.NotContains(t, prefix, "Digest")
		if strings.Contains(prefix, "eu-central-1") {
			assert.Contains(t, c.Query.Get("start-after")+c.Query.Get("continuation-token"), "/2026/10/")
		}
	}
	assert.Equal(t, len(names), gets)
	assert.LessOrEqual(t, listings, 10, "of the days before and after only the rest of a page is listed")
}

func TestEveryPlaceInATrailsBucketCanBeNamed(t *testing.T) {
	at := day("2026-10-01")
	for _, root := range []string{"", "a prefix/of=mine+1/", "o-a1b2c3d4e5/"} {
		s := &s3api.Server{}
		var all []string
		for _, a := range []string{other, account} {
			for _, region := range []string{"eu-central-1", "us-east-1"} {
				key := logKey(strings.TrimSuffix(root, "o-a1b2c3d4e5/"), a, region, at, 1)
				if root == "o-a1b2c3d4e5/" { // the trail of an organisation
					key = strings.Replace(key, "AWSLogs/", "AWSLogs/o-a1b2c3d4e5/", 1)
				}
				s.Put(trail, key, []byte(key))
				all = append(all, key)
			}
		}
		c := client(t, s)
		file := all[2]
		parts := strings.SplitAfter(file, "/")
		for n := range parts {
			path := strings.Join(parts[:n], "")
			var want []string
			for _, key := range all {
				if strings.HasPrefix(key, path) {
					want = append(want, key)
				}
			}
			names, texts := read(t, bucket.Reader{Client: c}, path)
			assert.Equal(t, want, names, path)
			assert.Equal(t, want, texts, path)
			if path != "" {
				names, _ = read(t, bucket.Reader{Client: c}, strings.TrimSuffix(path, "/"))
				assert.Equal(t, want, names, "without the slash: %s", path)
			}
		}
		names, _ := read(t, bucket.Reader{Client: c}, file)
		assert.Equal(t, []string{file}, names)
		names, _ = read(t, bucket.Reader{Client: c, Selection: bucket.Selection{Accounts: []string{account}, Regions: []string{"us-east-1"}}}, "")
		assert.Equal(t, all[3:], names)
	}
}

func TestOtherFilesAreReadWhereverTheyLie(t *testing.T) {
	s := &s3api.Server{PageSize: 2}
	for _, key := range []string{"x/events.json", "x/b/c/more.ndjson.gz", "x/b/notes.txt", "x/b/d.jsonl", "y.json", "x/empty.json", "x/b/"} {
		s.Put(trail, key, []byte(strings.TrimSuffix(key, "x/empty.json")))
	}
	names, _ := read(t, bucket.Reader{Client: client(t, s), Selection: bucket.Selection{Accounts: []string{account}, Since: day("2026-10-01")}}, "x/")
	assert.Equal(t, []string{"x/events.json", "x/b/d.jsonl", "x/b/c/more.ndjson.gz"}, names, "a folder's files, then what is below")
	names, texts := read(t, bucket.Reader{Client: client(t, s)}, "x/b/notes.txt")
	assert.Equal(t, []string{"x/b/notes.txt"}, names, "a file that is named itself may have any name")
	assert.Equal(t, names, texts)
}

func TestPlaceWithoutFilesIsAProblem(t *testing.T) {
	s := trailBucket()
	for _, path := range []string{"AWSLogs/" + account + "/CloudTrail/ap-south-1/", "AWSL", "nothing/", "AWSLogs/" + account + "/Config"} {
		r := bucket.Reader{Client: client(t, s), Selection: bucket.Selection{Since: day("2027-01-01")}}
		names, texts := read(t, r, path)
		if path == "AWSLogs/"+account+"/Config" {
			assert.Len(t, names, 1, "it was named")
			continue
		}
		assert.Equal(t, []string{path}, names)
		require.Len(t, texts, 1)
		assert.Contains(t, texts[0], "holds nothing to read")
	}
	names, texts := read(t, bucket.Reader{Client: client(t, &s3api.Server{})}, "AWSLogs/")
	assert.Equal(t, []string{"AWSLogs/"}, names)
	require.Len(t, texts, 1)
	assert.Contains(t, texts[0], "cannot be read: ")
	assert.Contains(t, texts[0], "NoSuchBucket")
}

// A throttled call is made again, and a lost connection is taken up where it broke.
func TestThrottlingAndLostConnectionsAreResumed(t *testing.T) {
	const size = 3 << 20
	content := bytes.Repeat([]byte("0123456789abcdef"), size/16)
	large := bytes.Repeat([]byte("large 0123456789"), 9<<20/16) // it is not read ahead
	var throttled, lost, resumed atomic.Int64
	s := &s3api.Server{}
	s.Put(trail, "logs/a.json", content)
	s.Put(trail, "logs/b.json", large)
	s.Fault = func(w http.ResponseWriter, c s3api.Call) bool {
		if throttled.Add(1)%3 == 1 {
			s3api.WriteError(w, http.StatusServiceUnavailable, "SlowDown", "Please reduce your request rate.")
			return true
		}
		if c.Key == "" {
			return false
		}
		if c.Range != "" {
			resumed.Add(1)
		}
		if lost.Add(1)%4 == 0 {
			return false
		}
		data := content
		if c.Key == "logs/b.json" {
			data = large
		}
		from := 0
		if c.Range != "" {
			_, err := fmt.Sscanf(c.Range, "bytes=%d-", &from)
			assert.NoError(t, err)
			w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, len(data)-1, len(data)))
		}
		w.Header().Set("ETag", fmt.Sprintf("\"%x\"", len(data)))
		w.Header().Set("Content-Length", fmt.Sprint(len(data)-from))
		if from > 0 {
			w.WriteHeader(http.StatusPartialContent)
		}
		_, _ = w.Write(data[from:min(from+1<<20, len(data))]) // and then the connection ends
		panic(http.ErrAbortHandler)
	}
	names, texts := read(t, bucket.Reader{Client: client(t, s)}, "logs/")
	require.Equal(t, []string{"logs/a.json", "logs/b.json"}, names)
	for i, want := range [][]byte{content, large} {
		whole := texts[i] == string(want)
		assert.True(t, whole, "it is whole") // the texts are too long to print
	}
	assert.Positive(t, resumed.Load())
}

// What has never answered is out of reach: it is given up soon, while what has answered once is waited for.
func TestS3OutOfReachIsGivenUpSoon(t *testing.T) {
	refused := httptest.NewServer(nil)
	refused.Close()
	deaf, err := net.Listen("tcp", "127.0.0.1:0") // it accepts, and says nothing
	require.NoError(t, err)
	t.Cleanup(func() { _ = deaf.Close() })
	for name, url := range map[string]string{"refused": refused.URL, "silent": "http://" + deaf.Addr().String()} {
		t.Run(name, func(t *testing.T) {
			c := clientOf(url)
			c.SetUnanswered(500 * time.Millisecond)
			began := time.Now()
			_, texts := read(t, bucket.Reader{Client: c}, "logs/")
			assert.Less(t, time.Since(began), 2*time.Second)
			require.NotEmpty(t, texts)
			assert.Contains(t, texts[0], strings.TrimPrefix(url, "http://"), "it says what does not answer")
		})
	}
}

// source is a source of the SDK's configuration, such as the environment.
type source struct {
	s3   string
	fips aws.FIPSEndpointState
}

func (s source) GetServiceBaseEndpoint(_ context.Context, id string) (string, bool, error) {
	return s.s3, s.s3 != "" && id == "S3", nil
}
func (s source) GetUseFIPSEndpoint(context.Context) (aws.FIPSEndpointState, bool, error) {
	return s.fips, s.fips != 0, nil
}

func TestTheEndpointOfS3BeatsThatOfAllServices(t *testing.T) {
	own := httptest.NewServer(trailBucket())
	t.Cleanup(own.Close)
	all := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(all.Close)
	c := bucket.NewClient(aws.Config{
		Region: "us-east-1", BaseEndpoint: &all.URL, HTTPClient: awshttp.NewBuildableClient(), ConfigSources: []any{source{s3: own.URL}},
		Credentials: credentials.NewStaticCredentialsProvider("test", "test", ""),
	})
	names, _ := read(t, bucket.Reader{Client: c, Selection: bucket.Selection{Accounts: []string{other}, Regions: []string{"us-east-1"}}}, "AWSLogs/")
	assert.Len(t, names, 160)
}

// hosts answers nothing and notes who is asked.
type hosts struct{ asked []string }

func (h *hosts) Do(r *http.Request) (*http.Response, error) {
	h.asked = append(h.asked, r.URL.Host)
	return nil, errors.New("asked")
}

func TestTheEndpointsWithValidatedCryptographyAreTaken(t *testing.T) {
	h := &hosts{}
	c := bucket.NewClient(aws.Config{
		Region: "us-gov-west-1", HTTPClient: h, ConfigSources: []any{source{fips: aws.FIPSEndpointStateEnabled}},
		Credentials: credentials.NewStaticCredentialsProvider("test", "test", ""),
	})
	c.SetUnanswered(0)
	_, _ = read(t, bucket.Reader{Client: c}, "AWSLogs/")
	require.NotEmpty(t, h.asked)
	assert.Equal(t, "trail.s3-fips.us-gov-west-1.amazonaws.com", h.asked[0])
}

func TestBucketOfAnotherRegionIsAskedThere(t *testing.T) {
	s := trailBucket()
	s.Region = "eu-west-1"
	c := client(t, s)
	names, texts := read(t, bucket.Reader{Client: c, Selection: bucket.Selection{Accounts: []string{other}, Regions: []string{"us-east-1"}}}, "AWSLogs/")
	assert.Len(t, names, 160)
	assert.Equal(t, names, texts)
}

func TestObjectsThatCannotBeReadAreNamedAndEndIfAllAre(t *testing.T) {
	s := trailBucket()
	s.Fault = func(w http.ResponseWriter, c s3api.Call) bool {
		if strings.Contains(c.Key, "_us-east-1_") || strings.HasSuffix(c.Key, "0000Z_0000000000000000.json.gz") {
			s3api.WriteError(w, http.StatusForbidden, "AccessDenied", "Access Denied")
			return true
		}
		return false
	}
	r := bucket.Reader{Client: client(t, s), Selection: bucket.Selection{Regions: []string{"eu-central-1"}}, Explain: func(error) string { return "told" }}
	_, texts := read(t, r, "AWSLogs/"+account+"/")
	failed := slices.DeleteFunc(slices.Clone(texts), func(s string) bool { return s != "cannot be read: told" })
	assert.Len(t, failed, 40)
	assert.Len(t, texts, 160)
	r.Regions, r.Explain = []string{"us-east-1"}, nil
	names, texts := read(t, r, "AWSLogs/"+account+"/")
	require.Len(t, texts, 21)
	assert.Contains(t, texts[0], "AccessDenied")
	assert.Equal(t, "AWSLogs/"+account+"/", names[20])
	assert.Contains(t, texts[20], "none of the first 20 objects can be read")
}

func TestSourcesEndWithTheirContextAndWithTheirReader(t *testing.T) {
	s := trailBucket()
	r := bucket.Reader{Client: client(t, s)}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	n := 0
	for range r.Sources(ctx, bucket.Place{Bucket: trail, Path: "AWSLogs/"}) {
		if n++; n == 3 {
			cancel()
		}
	}
	assert.Equal(t, 3, n)
	for range r.Sources(t.Context(), bucket.Place{Bucket: trail, Path: "AWSLogs/"}) {
		break
	}
}

func TestURLs(t *testing.T) {
	for url, want := range map[string]bucket.Place{
		"s3://my-bucket":            {Bucket: "my-bucket"},
		"s3://my-bucket/":           {Bucket: "my-bucket"},
		"s3://my.bucket/AWSLogs/x/": {Bucket: "my.bucket", Path: "AWSLogs/x/"},
	} {
		got, err := bucket.ParseURL(url)
		require.NoError(t, err)
		assert.Equal(t, want, got)
	}
	for _, bad := range []string{"s3://", "s3:///AWSLogs", "s3://My_Bucket/x", "s3://arn:aws:s3:::b/x", "https://b.s3.amazonaws.com"} {
		_, err := bucket.ParseURL(bad)
		assert.ErrorContains(t, err, "want s3://BUCKET/PREFIX/", bad)
	}
}

func TestObjectThatIsReplacedMeanwhileIsNotMixed(t *testing.T) {
	s := &s3api.Server{}
	first := bytes.Repeat([]byte("first "), 10_000)
	s.Put(trail, "logs/a.json", first)
	s.Fault = func(w http.ResponseWriter, c s3api.Call) bool {
		if c.Key == "" || c.Range != "" {
			return false
		}
		s.Put(trail, "logs/a.json", bytes.Repeat([]byte("second "), 10_000))
		w.Header().Set("ETag", fmt.Sprintf("\"%x\"", len(first)))
		w.Header().Set("Content-Length", fmt.Sprint(len(first)))
		_, _ = w.Write(first[:30_000]) // and then the connection ends
		panic(http.ErrAbortHandler)
	}
	_, texts := read(t, bucket.Reader{Client: client(t, s)}, "logs/")
	require.Len(t, texts, 1)
	assert.Contains(t, texts[0], "PreconditionFailed")
}

// A call that is never answered, and an answer that stops, are given up and made again.
func TestSilentConnectionsAreGivenUp(t *testing.T) {
	s := &s3api.Server{}
	content := strings.Repeat("0123456789", 10_000)
	s.Put(trail, "logs/a.json", []byte(content))
	var listings, gets atomic.Int64
	done := make(chan struct{})
	s.Fault = func(w http.ResponseWriter, c s3api.Call) bool {
		silent := c.Key == "" && listings.Add(1) == 1 || c.Key != "" && gets.Add(1) <= 2
		if !silent {
			return false
		}
		if gets.Load() == 2 { // the second of the object breaks off in the middle
			w.Header().Set("ETag", fmt.Sprintf("\"%x\"", len(content)))
			w.Header().Set("Content-Length", fmt.Sprint(len(content)))
			_, _ = io.WriteString(w, content[:40_000])
			_ = http.NewResponseController(w).Flush()
		}
		select {
		case <-done:
		case <-time.After(10 * time.Second):
		}
		return true
	}
	web := httptest.NewServer(s)
	t.Cleanup(web.Close)
	t.Cleanup(func() { close(done) }) // before the server waits for its calls
	c := clientOf(web.URL)
	c.SetStalled(200 * time.Millisecond)
	names, texts := read(t, bucket.Reader{Client: c}, "logs/")
	assert.Equal(t, []string{"logs/a.json"}, names)
	whole := texts[0] == content
	assert.True(t, whole, "it is whole")
	assert.EqualValues(t, 3, gets.Load())
}
