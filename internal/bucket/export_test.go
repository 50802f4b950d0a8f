package bucket

import "time"

// SetStalled sets how long a connection may be silent.
func (c *Client) SetStalled(d time.Duration) { c.stalled = d }

// SetUnanswered sets how long a first answer is waited for.
func (c *Client) SetUnanswered(d time.Duration) { c.unanswered = d }
