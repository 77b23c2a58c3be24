package s3

import (
	"context"
	"net"
	"net/http"
	"time"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
)

// httpClient returns a client that keeps enough connections for parallel packs, goes
// through the proxy that the environment names, and gives up on connections that stall.
func httpClient(o Options) *awshttp.BuildableClient {
	dialer := &net.Dialer{Timeout: min(o.Stall, 30*time.Second), KeepAlive: 30 * time.Second}
	return awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) {
		t.MaxIdleConns, t.MaxIdleConnsPerHost = 128, 64
		t.WriteBufferSize, t.ReadBufferSize = 64<<10, 64<<10
		t.TLSHandshakeTimeout = min(o.Stall, 30*time.Second)
		t.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
			c, err := dialer.DialContext(ctx, network, address)
			if err != nil {
				return nil, err
			}
			return &stallConn{Conn: c, limit: o.Stall}, nil
		}
	})
}

// A stallConn fails once nothing has moved either way for its limit. A deadline for the
// whole request would have to know how long a big body takes on a slow line.
type stallConn struct {
	net.Conn
	limit time.Duration
}

func (c *stallConn) Read(p []byte) (int, error) {
	if err := c.push(); err != nil {
		return 0, err
	}
	return c.Conn.Read(p)
}

// Write pushes the deadline of the Read that waits for the answer too.
func (c *stallConn) Write(p []byte) (int, error) {
	const piece = 64 << 10
	for n := 0; ; {
		if err := c.push(); err != nil {
			return n, err
		}
		m, err := c.Conn.Write(p[n:min(n+piece, len(p))])
		if n += m; err != nil || n == len(p) {
			return n, err
		}
	}
}

func (c *stallConn) push() error { return c.SetDeadline(time.Now().Add(c.limit)) }
