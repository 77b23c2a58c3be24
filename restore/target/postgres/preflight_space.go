package postgres

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"

	"github.com/dustin/go-humanize"

	"holdfast/snapshot/source/postgres/link"
)

// space compares the free space below the server's data with the size of the dump's rows, if the
// server is on this host and tells where its data is. What indexes and WAL need besides is not
// known before.
func (x *examination) space(ctx context.Context) error {
	dir, err := x.dataFolder(ctx)
	if err != nil || dir == "" {
		return err
	}
	if _, err := os.Stat(dir); err != nil {
		return nil // of another host behind this address, or not for us to see
	}
	free, err := freeSpace(dir)
	if err != nil {
		return fmt.Errorf("asking for the free space of %s: %w", dir, err)
	}
	var need uint64
	for _, t := range x.tables {
		need += uint64(max(t.bytes(), 0))
	}
	if free < need {
		x.problem("the rows need about %s and %s has %s: %w", humanize.IBytes(need), dir, humanize.IBytes(free), syscall.ENOSPC)
	}
	return nil
}

// dataFolder is where a server on this host keeps its data; empty if it is elsewhere or does not tell.
func (x *examination) dataFolder(ctx context.Context) (string, error) {
	rows, err := x.c.Query(ctx, `SELECT pg_catalog.inet_server_addr() IS NULL
		OR pg_catalog.host(pg_catalog.inet_server_addr()) IN ('127.0.0.1', '::1')`)
	if err != nil {
		return "", fmt.Errorf("asking for the server's address: %w", err)
	}
	if text(rows[0][0]) != "t" {
		return "", nil
	}
	rows, err = x.c.Query(ctx, "SELECT pg_catalog.current_setting('data_directory')")
	var denied *link.Error
	if errors.As(err, &denied) && denied.Code == "42501" {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("asking for the data folder: %w", err)
	}
	return text(rows[0][0]), nil
}
