package ec2api

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/xml"
	"errors"
	"maps"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"sgward/localaws/awswire"
)

const (
	// DefaultAccount owns the resources of callers without an identity.
	DefaultAccount = "123456789012"
	// DefaultRegion is used for requests that carry no credential scope.
	DefaultRegion = "us-east-1"

	// maxRequestBytes is far above EC2's limit.
	maxRequestBytes = 8 << 20
	apiNamespace    = "http://ec2.amazonaws.com/doc/2016-11-15/"
)

// Server is the stand-in: an http.Handler for the EC2 Query protocol. Make it
// with New; the zero value does not work. All methods may be called from many
// goroutines at once.
type Server struct {
	seed       string
	account    string
	now        func() time.Time
	emit       func(ctx context.Context, event []byte)
	identities map[string]Identity
	regionList []string
	actions    map[string]action

	mu         sync.Mutex // guards all below
	regions    map[place]*region
	lists      uint64 // how many were made
	faults     faults
	calls      Calls
	readLag    time.Duration
	ruleQuota  int
	pending    [][]byte // events not yet handed over, in the order of the changes
	delivering bool
}

// place names one account's region. Shared prefix lists are all of its state that
// another account sees.
type place struct{ account, region string }

// action is one member of the API.
type action struct {
	run func(*call) (response, error)
	// record turns a request into CloudTrail's requestParameters. It is nil for
	// reads, which leave no event.
	record func(*params) object
}

// Option sets up a Server.
type Option func(*Server)

// WithSeed makes every id a function of the seed and of the order of the calls,
// for output that can be compared with a file. Without it ids are random.
func WithSeed(seed string) Option { return func(s *Server) { s.seed = seed } }

// WithClock replaces time.Now. It dates events, and it drives rate limits and
// the read lag.
func WithClock(now func() time.Time) Option { return func(s *Server) { s.now = now } }

// WithAccount sets the account of callers whose identity names none; the default
// is DefaultAccount.
func WithAccount(id string) Option { return func(s *Server) { s.account = id } }

// WithIdentity says who calls with an access key. Keys not named belong to an
// IAM user "demo" of the server's account.
func WithIdentity(accessKey string, id Identity) Option {
	return func(s *Server) { s.identities[accessKey] = id }
}

// WithRegions sets what DescribeRegions lists. Every region works whether listed
// or not.
func WithRegions(names ...string) Option {
	return func(s *Server) { s.regionList = slices.Clone(names) }
}

// WithEvents sets the receiver of the CloudTrail records. Each call that would
// be a management write event, failed ones included, gives one event in the
// form in which EventBridge delivers it.
//
// Events are handed over one at a time, in the order of the changes, after the
// change and with no lock held, normally before the caller has its answer. A
// call made while another event is being handed over does not wait: its event
// follows from that other call's goroutine. So the receiver may call the API,
// and should pass the event on rather than work on it. The context carries the
// request's values but does not end with it.
func WithEvents(receive func(ctx context.Context, event []byte)) Option {
	return func(s *Server) { s.emit = receive }
}

// New makes a stand-in with a default VPC in every region and nothing else.
func New(options ...Option) *Server {
	s := &Server{
		seed:       rand.Text(),
		account:    DefaultAccount,
		now:        time.Now,
		identities: make(map[string]Identity),
		regions:    make(map[place]*region),
		faults:     newFaults(),
		calls:      make(Calls),
		ruleQuota:  defaultRuleQuota,
	}
	for _, option := range options {
		option(s)
	}
	s.actions = apiActions()
	return s
}

func apiActions() map[string]action {
	return map[string]action{
		"DescribeRegions":             {run: describeRegions},
		"DescribeVpcs":                {run: describeVpcs},
		"DescribeSecurityGroups":      {run: describeSecurityGroups},
		"DescribeSecurityGroupRules":  {run: describeSecurityGroupRules},
		"DescribeNetworkInterfaces":   {run: describeNetworkInterfaces},
		"DescribeTags":                {run: describeTags},
		"DescribeManagedPrefixLists":  {run: describeManagedPrefixLists},
		"GetManagedPrefixListEntries": {run: getManagedPrefixListEntries},

		"GetManagedPrefixListAssociations": {run: getManagedPrefixListAssociations},

		"CreateVpc":                     {run: createVpc, record: recordCreateVpc},
		"CreateSecurityGroup":           {run: createSecurityGroup, record: recordCreateSecurityGroup},
		"DeleteSecurityGroup":           {run: deleteSecurityGroup, record: recordDeleteSecurityGroup},
		"AuthorizeSecurityGroupIngress": {run: authorizeIngress, record: recordRuleCall},
		"AuthorizeSecurityGroupEgress":  {run: authorizeEgress, record: recordRuleCall},
		"RevokeSecurityGroupIngress":    {run: revokeIngress, record: recordRuleCall},
		"RevokeSecurityGroupEgress":     {run: revokeEgress, record: recordRuleCall},
		"CreateTags":                    {run: createTags, record: recordTagCall},
		"DeleteTags":                    {run: deleteTags, record: recordTagCall},

		"ModifySecurityGroupRules":                   wrapped("ModifySecurityGroupRules", modifySecurityGroupRules),
		"UpdateSecurityGroupRuleDescriptionsIngress": wrapped("UpdateSecurityGroupRuleDescriptionsIngress", updateDescriptionsIngress),
		"UpdateSecurityGroupRuleDescriptionsEgress":  wrapped("UpdateSecurityGroupRuleDescriptionsEgress", updateDescriptionsEgress),
		"CreateManagedPrefixList":                    wrapped("CreateManagedPrefixList", createManagedPrefixList),
		"ModifyManagedPrefixList":                    wrapped("ModifyManagedPrefixList", modifyManagedPrefixList),
		"RestoreManagedPrefixListVersion":            wrapped("RestoreManagedPrefixListVersion", restoreManagedPrefixListVersion),
	}
}

// call is one request on its way through the server.
type call struct {
	*params
	srv       *Server
	region    *region
	action    string
	requestID string
	accessKey string
	identity  Identity
	now       time.Time
	// visible is the moment as of which a read sees the rules of groups.
	visible   time.Time
	sourceIP  string
	userAgent string
	// elements is CloudTrail's responseElements, set by writes that succeed.
	elements object
}

func (c *call) dryRun() error {
	if c.flag("DryRun") {
		return dryRunError()
	}
	return nil
}

// ServeHTTP answers one API call.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxRequestBytes)
	if err := r.ParseForm(); err != nil {
		s.write(w, fail("MalformedQueryString", "The query string contains a syntax error").status(),
			encodeError(fail("MalformedQueryString", "The query string contains a syntax error"), s.digest(32, "malformed")))
		return
	}
	c := &call{params: parseParams(r.Form), srv: s, action: r.Form.Get("Action"), userAgent: r.UserAgent()}
	regionName := ""
	c.accessKey, regionName = credentialScope(r)
	c.identity = s.identityOf(c.accessKey)
	c.sourceIP = c.identity.sourceIP(r)

	act, known := s.actions[c.action]
	fault := s.admit(c, place{c.identity.Account, regionName}, known)
	if fault.Delay > 0 {
		select {
		case <-time.After(fault.Delay):
		case <-r.Context().Done():
			return // the caller gave up before EC2 looked at the call
		}
	}
	denial := s.denial(c, fault, regionName, known)

	s.mu.Lock()
	c.now = s.now()
	c.visible = c.now.Add(-s.readLagOf(r.Context()))
	c.region = s.regionAt(place{c.identity.Account, regionName})
	c.requestID = s.newUUID(c.region, requestKind(act))
	answer, err := s.run(c, act, known, denial)
	if act.record != nil && s.emit != nil {
		s.pending = append(s.pending, s.event(c, act.record(c.params), err))
	}
	s.mu.Unlock()

	s.deliver(context.WithoutCancel(r.Context()))
	if fault.HangUp {
		panic(http.ErrAbortHandler)
	}
	if err != nil {
		s.write(w, err.status(), encodeError(err, c.requestID))
		return
	}
	s.write(w, http.StatusOK, encode(answer, c))
}

// requestKind numbers reads and writes separately: polling must not change the ids of
// changes.
func requestKind(a action) string {
	if a.record != nil {
		return "write"
	}
	return "read"
}

func (s *Server) run(c *call, act action, known bool, denial *apiError) (response, *apiError) {
	if !known {
		if c.action == "" {
			return nil, fail("MissingAction", "The request must contain the parameter Action")
		}
		names := slices.Sorted(maps.Keys(s.actions))
		return nil, fail("InvalidAction", "The action %s is not valid for this web service. This stand-in knows: %s.",
			c.action, strings.Join(names, ", "))
	}
	if denial != nil {
		return nil, denial
	}
	answer, err := act.run(c)
	if err != nil {
		var known *apiError
		if errors.As(err, &known) {
			return nil, known
		}
		return nil, fail("InternalError", "%s", err)
	}
	return answer, nil
}

// deliver delivers pending events unless another goroutine is doing so, which then takes
// the rest along. A receiver that calls the API therefore never waits for itself.
func (s *Server) deliver(ctx context.Context) {
	for {
		event, ok := s.takePending()
		if !ok {
			return
		}
		s.handOver(ctx, event)
	}
}

// takePending takes the oldest pending event and, with it, the right to deliver.
func (s *Server) takePending() ([]byte, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.delivering || len(s.pending) == 0 {
		return nil, false
	}
	event := s.pending[0]
	s.pending = s.pending[1:]
	s.delivering = true
	return event, true
}

// handOver releases the right to deliver even if the receiver panics.
func (s *Server) handOver(ctx context.Context, event []byte) {
	defer func() {
		s.mu.Lock()
		s.delivering = false
		s.mu.Unlock()
	}()
	s.emit(ctx, event)
}

// write sends an answer in one piece and with its length: in two, a client
// behind delayed acknowledgements would wait some 40 ms for the second.
func (s *Server) write(w http.ResponseWriter, status int, body []byte) {
	h := w.Header()
	h.Set("Content-Type", "text/xml;charset=UTF-8")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	h.Set("Server", "AmazonEC2")
	w.WriteHeader(status)
	// The only error is that the caller is gone.
	_, _ = w.Write(body)
}

// credentialScope reads the access key and the region of a signature.
func credentialScope(r *http.Request) (accessKey, region string) {
	key, region, _ := awswire.Credential(r)
	return key, cmp.Or(region, DefaultRegion)
}

func remoteHost(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

func encode(answer response, c *call) []byte {
	answer.stamp(c.requestID)
	var b bytes.Buffer
	b.WriteString(xml.Header)
	root := xml.StartElement{Name: xml.Name{Space: apiNamespace, Local: c.action + "Response"}}
	// Every response type is made of strings, numbers and lists of them, which
	// always encode.
	if err := xml.NewEncoder(&b).EncodeElement(answer, root); err != nil {
		return encodeError(fail("InternalError", "encoding the answer: %s", err), c.requestID)
	}
	return b.Bytes()
}
