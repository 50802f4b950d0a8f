package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"sgward/internal/awscall"
	"sgward/internal/awsid"
	"sgward/internal/finding"
	"sgward/internal/invocation"
	"sgward/internal/lambdaenv"
	"sgward/internal/outlets"
)

// patience limits one call within the function's 60 seconds.
var patience = lambdaenv.Patience{Attempts: 3, Attempt: 5 * time.Second, Backoff: 2 * time.Second}

var (
	errNothing = errors.New("reading EVENT_BUS_ARN and SECURITY_HUB: want the ARN of a bus, or on, or both")
	errVersion = errors.New("the alert is of another version of sgward")
)

// handler passes alerts on. It is safe for concurrent use.
type handler struct {
	region   string
	busARN   string          // "" is none
	bus, hub *awscall.Client // nil is none
	logger   *slog.Logger
	now      func() time.Time
}

// newHandler wires the function. It makes no call.
func newHandler(lookup lambdaenv.Lookup, logger *slog.Logger) (*handler, error) {
	env, err := lambdaenv.ReadRegion(lookup)
	if err != nil {
		return nil, err
	}
	h := &handler{region: env.Region, logger: logger, now: time.Now}
	if h.busARN, _ = lookup("EVENT_BUS_ARN"); h.busARN != "" {
		bus, _ := awsid.ParseARN(h.busARN)
		if bus.Service != "events" || !strings.HasPrefix(bus.Resource, "event-bus/") || strings.Contains(bus.Resource, ":") {
			return nil, fmt.Errorf("reading EVENT_BUS_ARN: %q: want the ARN of a bus such as arn:aws:events:eu-central-1:123456789012:event-bus/security", h.busARN)
		}
		if bus.Region != env.Region {
			return nil, fmt.Errorf("reading EVENT_BUS_ARN: %q: the bus is in %s and this function in %s: want a bus of %[3]s, "+
				"whose rules can lead on to other regions", h.busARN, bus.Region, env.Region)
		}
		h.bus = env.Client(patience)
	}
	switch on, _ := lookup("SECURITY_HUB"); on {
	case "on":
		h.hub = env.Client(patience)
	case "", "off":
	default:
		return nil, fmt.Errorf("reading SECURITY_HUB: %q: want on or off", on)
	}
	if h.bus == nil && h.hub == nil {
		return nil, errNothing
	}
	return h, nil
}

// handle passes on the messages of an event.
func (h *handler) handle(ctx context.Context, event events.SNSEvent) error {
	account, err := h.account(ctx)
	if err != nil {
		return err
	}
	return invocation.EachNotification(ctx, event, h.logger, "alert not passed on", func(ctx context.Context, n events.SNSEntity) error {
		return h.pass(ctx, account, n)
	})
}

// account is the function's own.
func (h *handler) account(ctx context.Context) (outlets.Account, error) {
	account, err := outlets.NewAccount(lambdaenv.Account(ctx), h.region)
	if err != nil {
		return account, fmt.Errorf("reading this function's ARN: %w", err)
	}
	return account, nil
}

// pass passes one message on.
func (h *handler) pass(ctx context.Context, account outlets.Account, message events.SNSEntity) error {
	a, err := finding.ReadAlert([]byte(message.Message))
	var other *finding.VersionError
	switch {
	case errors.Is(err, finding.ErrNoAlert):
		h.logger.InfoContext(ctx, "message left alone", "messageId", message.MessageID, "why", "it is not an alert of sgward")
		return nil
	case errors.As(err, &other): // its retries end in the dead-letter queue, where a newer function can take it
		return fmt.Errorf("reading alert: schemaVersion %.20q, and this function knows %q: %w", other.Version, finding.SchemaVersion, errVersion)
	case err != nil:
		return fmt.Errorf("reading alert: %w", err)
	case !account.Holds(a):
		h.logger.InfoContext(ctx, "message left alone", "messageId", message.MessageID, "why", "it is of another account or region",
			"accountId", a.Event.AccountID, "region", a.Event.Region)
		return nil
	}
	at := message.Timestamp
	if at.IsZero() { // a person invokes the function
		at = h.now()
	}
	var failures []error
	if h.bus != nil {
		bus := outlets.Bus{Client: h.bus, ARN: h.busARN, Account: account}
		failures = append(failures, bus.Put(ctx, a, at))
	}
	if h.hub != nil {
		hub := outlets.Hub{Client: h.hub, Account: account}
		failures = append(failures, hub.Import(ctx, a, at))
	}
	if err := errors.Join(failures...); err != nil {
		return err
	}
	h.logger.InfoContext(ctx, "alert passed on", "messageId", message.MessageID, "alertId", a.ID, "findings", len(a.Findings))
	if a.FindingsOmitted > 0 {
		h.logger.WarnContext(ctx, "findings omitted", "alertId", a.ID, "findings", a.FindingsOmitted,
			"why", "the alert had no room for them: the log of the function that sent it names them")
	}
	return nil
}
