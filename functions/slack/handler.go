package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"sgward/internal/alert"
	"sgward/internal/awscall"
	"sgward/internal/awsid"
	"sgward/internal/invocation"
	"sgward/internal/lambdaenv"
	"sgward/internal/slack"
)

// patience limits the read of the secret within the function's 60 seconds.
var patience = lambdaenv.Patience{Attempts: 3, Attempt: 4 * time.Second, Backoff: 2 * time.Second}

// handler posts messages, one at a time: its reserved concurrency is 1.
type handler struct {
	secrets   *awscall.Client
	secretARN string
	transport http.RoundTripper
	logger    *slog.Logger
	webhook   *slack.Webhook // nil until the secret was read
}

// newHandler wires the function. It makes no call.
func newHandler(lookup lambdaenv.Lookup, logger *slog.Logger, transport http.RoundTripper) (*handler, error) {
	env, err := lambdaenv.ReadRegion(lookup)
	if err != nil {
		return nil, err
	}
	arn, _ := lookup("WEBHOOK_SECRET_ARN")
	parsed, _ := awsid.ParseARN(arn)
	if secret, ok := strings.CutPrefix(parsed.Resource, "secret:"); !ok || parsed.Service != "secretsmanager" || strings.Contains(secret, ":") {
		return nil, fmt.Errorf("reading WEBHOOK_SECRET_ARN: %q: want the ARN of a secret "+
			"such as arn:aws:secretsmanager:eu-central-1:123456789012:secret:slack-AbCdEf", arn)
	}
	return &handler{secrets: env.Client(patience), secretARN: arn, transport: transport, logger: logger}, nil
}

// handle posts the messages of an event.
func (h *handler) handle(ctx context.Context, event events.SNSEvent) error {
	return invocation.EachNotification(ctx, event, h.logger, "alert not posted", func(ctx context.Context, n events.SNSEntity) error {
		if err := h.post(ctx, n.Subject, n.Message); err != nil {
			return err
		}
		h.logger.InfoContext(ctx, "alert posted", "messageId", n.MessageID)
		return nil
	})
}

// post posts one message. If Slack does not know the webhook, the secret is read anew: it
// may have been changed since.
func (h *handler) post(ctx context.Context, subject, message string) error {
	isFresh := h.webhook == nil
	if isFresh {
		if err := h.read(ctx); err != nil {
			return err
		}
	}
	m := slack.Message(alert.CardOf(subject, message))
	err := h.webhook.Post(ctx, m)
	if !errors.Is(err, slack.ErrGone) {
		return err
	}
	h.webhook = nil
	if isFresh {
		return err
	}
	if err := h.read(ctx); err != nil {
		return err
	}
	return h.webhook.Post(ctx, m)
}

// read reads the webhook's URL.
func (h *handler) read(ctx context.Context) error {
	var secret struct{ SecretString string }
	if err := h.secrets.JSON(ctx, awscall.SecretsManager, "GetSecretValue", map[string]string{"SecretId": h.secretARN}, &secret); err != nil {
		return fmt.Errorf("reading secret %s: %w", h.secretARN, err)
	}
	value := strings.TrimSpace(secret.SecretString)
	var object struct {
		URL string `json:"url"`
	}
	if json.Unmarshal([]byte(value), &object) == nil && object.URL != "" {
		value = object.URL
	}
	webhook, err := slack.NewWebhook(value, h.transport)
	if err != nil {
		return fmt.Errorf("reading secret %s: %w", h.secretARN, err)
	}
	h.webhook = webhook
	return nil
}
