package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"sgward/internal/alert"
	"sgward/internal/awscall"
	"sgward/internal/finding"
	"sgward/internal/lambdaenv"
)

// goneSuffix follows the event id of the alert that only machines get.
const goneSuffix = "/gone"

// readOutlets reads OUTLETS_FUNCTION, the name of the function that passes alerts on to
// machines; nil if it is not set.
func readOutlets(lookup lambdaenv.Lookup, env lambdaenv.Environment) func(context.Context, finding.Alert) error {
	name, _ := lookup("OUTLETS_FUNCTION")
	if name == "" {
		return nil
	}
	client := env.Client(patience)
	return func(ctx context.Context, a finding.Alert) error {
		event := a.Event
		event.EventID += goneSuffix
		a.ID = alert.ID(event)
		message, err := json.Marshal(alert.Complete(env.Named(ctx, a)))
		if err != nil {
			return fmt.Errorf("encoding alert %s: %w", a.ID, err)
		}
		// As SNS would send it, but only the outlets function receives it; people read the digest.
		body, err := json.Marshal(events.SNSEvent{Records: []events.SNSEventRecord{{
			EventVersion: "1.0", EventSource: "aws:sns",
			SNS: events.SNSEntity{Type: "Notification", MessageID: a.ID, Timestamp: time.Now().UTC(), Message: string(message)},
		}}})
		if err != nil {
			return fmt.Errorf("encoding the event of alert %s: %w", a.ID, err)
		}
		header := http.Header{"X-Amz-Invocation-Type": {"Event"}}
		return client.REST(ctx, awscall.Lambda, "Invoke", http.MethodPost, "/functions/"+url.PathEscape(name)+"/invocations", header, body, nil)
	}
}
