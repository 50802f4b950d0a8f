package slack

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/slack-go/slack"

	"sgward/internal/pause"
	"sgward/internal/text"
)

const (
	// reserve is the part of an invocation that is left when it gives up waiting.
	reserve = 2 * time.Second
	// firstPause doubles with each try after an error of Slack's servers.
	firstPause = time.Second
	maxAnswer  = 200 // bytes of Slack's answer in an error
)

// ErrGone says that Slack does not know the webhook any more: it was removed, or its
// channel archived.
var ErrGone = errors.New("slack no longer takes messages for this webhook: make a new one and put its URL into the secret")

// Webhook is an incoming webhook. Its URL is a secret: no error holds it.
type Webhook struct {
	url  string
	http *http.Client
	// sleep waits; tests shorten it.
	sleep func(context.Context, time.Duration) error
}

// NewWebhook checks a URL. It follows no redirects, which could lead the message elsewhere.
func NewWebhook(address string, transport http.RoundTripper) (*Webhook, error) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil {
		return nil, errors.New("reading the webhook's URL: want an https address such as https://hooks.slack.com/services/T000/B000/XXX")
	}
	return &Webhook{url: address, sleep: pause.For, http: &http.Client{
		Transport: transport, Timeout: 10 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// Post posts a message. While there is time left in ctx it waits as long as Slack asks for
// (429) and tries again after errors of its servers. A message whose blocks Slack refuses
// is posted as plain text. The error wraps ErrGone if the webhook is gone.
func (w *Webhook) Post(ctx context.Context, m *slack.WebhookMessage) error {
	pause, isPlain := firstPause, false
	for {
		status, answer, wait, err := w.try(ctx, m)
		switch {
		case err == nil && status == http.StatusOK:
			return nil
		case status == http.StatusNotFound, status == http.StatusForbidden, status == http.StatusGone:
			return fmt.Errorf("posting to slack: %d %s: %w", status, answer, ErrGone)
		case status == http.StatusBadRequest && !isPlain:
			m, isPlain = plain(m), true
			continue
		case err == nil && status != http.StatusTooManyRequests && status < 500:
			return fmt.Errorf("posting to slack: %d %s", status, answer)
		}
		if wait == 0 {
			wait, pause = pause, 2*pause
		}
		if err == nil {
			err = fmt.Errorf("%d %s", status, answer)
		}
		if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) < wait+reserve {
			return fmt.Errorf("posting to slack: %w; no time is left to wait for %s", err, wait)
		}
		if err := w.sleep(ctx, wait); err != nil {
			return fmt.Errorf("posting to slack: %w", err)
		}
	}
}

// try posts once. wait is how long Slack asks to wait, 0 if it does not say.
func (w *Webhook) try(ctx context.Context, m *slack.WebhookMessage) (status int, answer string, wait time.Duration, err error) {
	body, err := json.Marshal(m)
	if err != nil {
		return 0, "", 0, fmt.Errorf("encoding: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.url, bytes.NewReader(body))
	if err != nil {
		return 0, "", 0, errors.New("the webhook's URL cannot be requested")
	}
	req.Header.Set("Content-Type", "application/json")
	out, err := w.http.Do(req)
	if err != nil {
		return 0, "", 0, w.hide(err)
	}
	defer func() { _ = out.Body.Close() }()
	read, err := io.ReadAll(io.LimitReader(out.Body, maxAnswer))
	if err != nil && out.StatusCode == http.StatusOK {
		err = nil // the status is all that counts
	}
	if seconds, e := strconv.Atoi(out.Header.Get("Retry-After")); e == nil && seconds > 0 {
		wait = time.Duration(seconds) * time.Second
	}
	return out.StatusCode, w.redact(text.Shown(string(read), maxAnswer)), wait, w.hide(err)
}

// hide returns an error without the URL, which those of net/http hold.
func (w *Webhook) hide(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	if err == nil {
		return nil
	}
	if shown := w.redact(err.Error()); shown != err.Error() {
		return errors.New(shown)
	}
	return err
}

// redact takes the URL and its secret path out of a text.
func (w *Webhook) redact(s string) string {
	s = strings.ReplaceAll(s, w.url, "[webhook]")
	u, err := url.Parse(w.url)
	if err != nil {
		return s
	}
	for _, part := range append([]string{u.RequestURI(), u.Path}, strings.Split(u.Path, "/")...) {
		if len(part) >= 8 && part != "services" && part != "workflows" && part != "triggers" {
			s = strings.ReplaceAll(s, part, "[webhook]")
		}
	}
	return s
}
