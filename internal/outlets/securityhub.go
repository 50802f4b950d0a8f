package outlets

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/aws/smithy-go"

	"sgward/internal/awscall"
	"sgward/internal/finding"
	"sgward/internal/text"
)

// Limits of BatchImportFindings
// (https://docs.aws.amazon.com/securityhub/latest/partnerguide/guidelines-batchimportfindings.html).
const (
	maxImport      = 100
	maxImportBytes = 6_000_000
)

// Hub is Security Hub of an account and region.
type Hub struct {
	Client  *awscall.Client
	Account Account
}

// passingImportErrors are the codes of BatchImportFindings that a repeat can end.
var passingImportErrors = []string{"InternalFailure", "InternalException", "ConcurrentUpdateError", "ThrottlingException", "LimitExceededException"}

// errHubOff says what InvalidAccess means here.
var errHubOff = errors.New("enable Security Hub CSPM in this account and region, or deploy with SecurityHub: \"off\"")

// Import creates or updates the findings of an alert; at is when the alert was sent. Security
// Hub ignores what is older than what it has.
func (h *Hub) Import(ctx context.Context, a *finding.Alert, at time.Time) error {
	size := func(raw json.RawMessage) int { return len(raw) }
	var encoded []json.RawMessage
	for _, f := range latest(h.Account.Findings(a, at)) {
		raw, err := text.EncodeJSON(f)
		if err != nil {
			return fmt.Errorf("encoding finding %s for Security Hub: %w", f.ID, err)
		}
		encoded = append(encoded, raw)
	}
	if err := deliver(ctx, text.Batches(encoded, maxImport, maxImportBytes, size), passingImportErrors, h.put); err != nil {
		return fmt.Errorf("importing findings into Security Hub: %w", explained(err))
	}
	return nil
}

// latest returns the findings without those that a later one of the same Id overtakes. An
// alert of old events may tell of one opening twice.
func latest(list []ASFF) []ASFF {
	last := map[string]int{}
	for i, f := range list {
		last[f.ID] = i
	}
	var out []ASFF
	for i, f := range list {
		if last[f.ID] == i {
			out = append(out, f)
		}
	}
	return out
}

// put makes one call. Its answer names the findings that were not taken by their Ids.
func (h *Hub) put(ctx context.Context, batch []json.RawMessage) ([]refusal, error) {
	var answer struct {
		FailedCount    int
		FailedFindings []struct {
			ID                      string `json:"Id"`
			ErrorCode, ErrorMessage string
		}
	}
	body, err := text.EncodeJSON(map[string]any{"Findings": batch})
	if err != nil {
		return nil, err
	}
	header := http.Header{"Content-Type": {"application/json"}}
	if err := h.Client.REST(ctx, awscall.SecurityHub, "BatchImportFindings", http.MethodPost, "/findings/import", header, body, &answer); err != nil {
		return nil, err //nolint:wrapcheck // it names the call
	}
	index := map[string]int{}
	for i, raw := range batch {
		var f struct {
			ID string `json:"Id"`
		}
		if err := json.Unmarshal(raw, &f); err != nil {
			return nil, fmt.Errorf("reading a finding: %w", err)
		}
		index[f.ID] = i
	}
	var out []refusal
	for _, f := range answer.FailedFindings {
		i, ok := index[f.ID]
		if !ok {
			i = -1 // which cannot be sent again
		}
		out = append(out, refusal{i, f.ErrorCode, f.ID + ": " + f.ErrorMessage})
	}
	if len(out) != answer.FailedCount {
		return nil, fmt.Errorf("BatchImportFindings counts %d failed findings and names %d", answer.FailedCount, len(out))
	}
	return out, nil
}

// explained adds to an error what to do about it, where that is known.
func explained(err error) error {
	var whole smithy.APIError
	var part *refusal
	if errors.As(err, &whole) && whole.ErrorCode() == "InvalidAccessException" || errors.As(err, &part) && part.code == "InvalidAccess" {
		return fmt.Errorf("%w: %w", errHubOff, err)
	}
	return err
}
