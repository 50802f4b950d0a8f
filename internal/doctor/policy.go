package doctor

import (
	"archive/zip"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"strings"

	"sgward/internal/policyyaml"

	"sgward/internal/awscall"
	"sgward/internal/policy"
	"sgward/internal/policy/document"
	"sgward/internal/policyfile"
)

// checkPolicy compares the policy files that the functions hold: they are read from the
// functions' own archives.
func (x *examination) checkPolicy(ctx context.Context) []Line {
	var out []Line
	digests := map[string][]string{} // the functions of each digest
	var order []string
	for _, id := range x.judges() {
		if x.functions[id].err != nil {
			continue // checkFunctions says so
		}
		held, err := x.policyOf(ctx, id)
		if errors.Is(err, errOtherForm) || errors.Is(err, errNoForm) {
			out = append(out, failure(deploy, "%s: %v", id, err))
			continue
		}
		if err != nil {
			out = append(out, unknown(err, "which policy %s holds", id))
			continue
		}
		digest := held.Digest()
		if digests[digest] == nil {
			order = append(order, digest)
		}
		digests[digest] = append(digests[digest], id)
	}
	switch {
	case len(order) > 1:
		var parts []string
		for _, digest := range order {
			parts = append(parts, short(digest)+" in "+strings.Join(digests[digest], ", "))
		}
		return append(out, failure(deploy, "the functions hold different policies: %s", strings.Join(parts, "; ")))
	case len(order) == 0:
		if len(out) == 0 {
			out = append(out, unknown(x.functions[detectFunction].err, "which policy the functions hold"))
		}
		return out
	case x.Policy != nil && x.Policy.Digest() != order[0]:
		return append(out, warning(deploy, "the functions hold %s, and %s is %s", short(order[0]), x.Policy.File(), short(x.Policy.Digest())))
	}
	same := ""
	if x.Policy != nil {
		same = ", which is " + x.Policy.File()
	}
	return append(out, ok("%s hold %s%s", strings.Join(digests[order[0]], ", "), short(order[0]), same))
}

// short is the beginning of a digest.
func short(digest string) string { return digest[:min(len(digest), len("sha256:")+12)] }

// layerFolder is where Lambda puts the files of layers.
const layerFolder = "/opt/"

// policyOf returns the policy that a function reads at its start.
func (x *examination) policyOf(ctx context.Context, id string) (*policy.Policy, error) {
	f := x.functions[id]
	file := cmp.Or(f.Configuration.Environment.Variables[policyfile.Variable], "policy.yaml")
	inLayer, ok := strings.CutPrefix(file, layerFolder)
	if !ok {
		return x.policyIn(ctx, f.Code.Location, strings.TrimPrefix(file, "/var/task/"))
	}
	for _, layer := range f.Configuration.Layers {
		var version struct{ Content struct{ Location string } }
		err := x.aws.REST(ctx, awscall.Service{ID: awscall.Lambda.ID, Host: awscall.Lambda.Host, Version: "2018-10-31"}, "GetLayerVersion", http.MethodGet,
			"/layers?find=LayerVersion&Arn="+url.QueryEscape(layer.ARN), nil, nil, &version)
		if err != nil {
			return nil, err
		}
		held, err := x.policyIn(ctx, version.Content.Location, inLayer)
		if !errors.Is(err, errNoFile) {
			return held, err
		}
	}
	return nil, fmt.Errorf("%s is in none of its layers", file)
}

// errNoForm says that a function, or its layer, was made for an earlier release, or by hand.
var errNoForm = errors.New("there is none: functions of this release do not start without it; in a layer \"sgward policy package\" makes it")

// errOtherForm says that a function's compiled policy differs from the policy file beside it.
var errOtherForm = errors.New("it differs from the one that \"sgward policy package\" of this release makes of the policy beside it")

// errNoFile says that an archive lacks a file.
var errNoFile = errors.New("the archive has no such file")

// maxPolicy is more than any policy file has.
const maxPolicy = 8 << 20

// policyIn returns the policy in the archive at a presigned address.
func (x *examination) policyIn(ctx context.Context, location, name string) (*policy.Policy, error) {
	if location == "" {
		return nil, errors.New("Lambda names no archive") //nolint:staticcheck // a name
	}
	a := &archive{ctx: ctx, client: x.AWS.HTTPClient, url: location}
	if err := a.open(); err != nil {
		return nil, err
	}
	files, err := zip.NewReader(a, a.size)
	if err != nil {
		return nil, fmt.Errorf("reading the function's archive: %w", err)
	}
	data, err := contentOf(files, name)
	if err != nil {
		return nil, err
	}
	d := policyyaml.Document(path.Base(name), data)
	p, err := policy.Compile(d)
	if err != nil {
		return nil, fmt.Errorf("the function's %s is unsound for this release of sgward: %w", name, err)
	}
	want, err := d.JSON()
	if err != nil {
		return nil, err
	}
	held, err := contentOf(files, document.JSONName(name))
	switch {
	case errors.Is(err, errNoFile):
		return nil, fmt.Errorf("%s: %w", document.JSONName(name), errNoForm)
	case err != nil:
		return nil, err
	case !bytes.Equal(held, want):
		return nil, fmt.Errorf("%s: %w", document.JSONName(name), errOtherForm)
	}
	return p, nil
}

// contentOf returns a file of an archive.
func contentOf(files *zip.Reader, name string) ([]byte, error) {
	for _, f := range files.File {
		if path.Clean(f.Name) != path.Clean(name) {
			continue
		}
		r, err := f.Open()
		if err != nil {
			return nil, fmt.Errorf("reading the function's archive: %w", err)
		}
		data, err := io.ReadAll(io.LimitReader(r, maxPolicy))
		if err = errors.Join(err, r.Close()); err != nil {
			return nil, fmt.Errorf("reading the function's archive: %w", err)
		}
		return data, nil
	}
	return nil, fmt.Errorf("%s: %w", name, errNoFile)
}

// archive reads a zip archive over HTTP: its end first, and other ranges on demand. Most of an
// archive is the binary, which is not read.
type archive struct {
	ctx    context.Context //nolint:containedctx // io.ReaderAt has no place for it
	client interface {
		Do(*http.Request) (*http.Response, error)
	}
	url  string
	size int64
	tail []byte // the last bytes
}

// tailBytes usually holds the policy, and the archive's directory.
const tailBytes = 128 << 10

// maxArchive is the largest archive that is read whole, where the server knows no ranges.
const maxArchive = 64 << 20

func (a *archive) open() error {
	data, total, err := a.get("bytes=-" + strconv.Itoa(tailBytes))
	if err != nil {
		return err
	}
	a.tail, a.size = data, total
	return nil
}

// ReadAt implements io.ReaderAt.
func (a *archive) ReadAt(p []byte, off int64) (int, error) {
	if start := a.size - int64(len(a.tail)); off >= start {
		n := copy(p, a.tail[min(off-start, int64(len(a.tail))):])
		if n < len(p) {
			return n, io.EOF
		}
		return n, nil
	}
	data, _, err := a.get(fmt.Sprintf("bytes=%d-%d", off, off+int64(len(p))-1))
	if err != nil {
		return 0, err
	}
	n := copy(p, data)
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// get returns a range, and the size of the whole.
func (a *archive) get(span string) ([]byte, int64, error) {
	request, err := http.NewRequestWithContext(a.ctx, http.MethodGet, a.url, nil)
	if err != nil {
		return nil, 0, errors.New("reading the function's archive: its address is unsound")
	}
	request.Header.Set("Range", span)
	response, err := a.client.Do(request)
	if err != nil {
		var at *url.Error
		if errors.As(err, &at) {
			err = at.Err // the address holds a signature
		}
		return nil, 0, fmt.Errorf("reading the function's archive: %w", err)
	}
	defer func() { _ = response.Body.Close() }() // it was only read
	if response.StatusCode != http.StatusOK && response.StatusCode != http.StatusPartialContent {
		return nil, 0, fmt.Errorf("reading the function's archive: the server answers %s", response.Status)
	}
	data, err := io.ReadAll(io.LimitReader(response.Body, maxArchive))
	if err != nil {
		return nil, 0, fmt.Errorf("reading the function's archive: %w", err)
	}
	if response.StatusCode == http.StatusOK { // the whole
		a.tail, a.size = data, int64(len(data))
		var from, to int64
		if n, _ := fmt.Sscanf(span, "bytes=%d-%d", &from, &to); n == 2 {
			data = bytes.Clone(data[min(from, a.size):min(to+1, a.size)])
		}
		return data, a.size, nil
	}
	_, size, _ := strings.Cut(response.Header.Get("Content-Range"), "/")
	total, err := strconv.ParseInt(size, 10, 64)
	if err != nil {
		return nil, 0, fmt.Errorf("reading the function's archive: the server's Content-Range is %q", response.Header.Get("Content-Range"))
	}
	return data, total, nil
}
