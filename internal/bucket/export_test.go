package bucket

import "time"

// SetStalled sets how long a connection may be silent.
func (c *Client) SetStalled(d time.Duration) { c.stalled = d }
