package raft

import (
	"context"
	"time"
)

// cleanupTime is what putting things back may take once everything else is over.
const cleanupTime = 10 * time.Second

// afterwards is a context for cleaning up, which outlives ctx.
func afterwards(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), cleanupTime)
}
