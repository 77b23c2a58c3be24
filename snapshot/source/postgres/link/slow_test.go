package link_test

import (
	"context"
	"database/sql/driver"
	"testing"
	"time"

	"holdfast/snapshot/source/postgres/link"
)

func TestSessionAnswersWhereWritesTakeLong(t *testing.T) {
	p := postgres.Get(t)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	ours, theirs, err := link.SlowlyConnect(ctx, parse(t, p.URL("postgres")))
	if err != nil {
		t.Fatal(err)
	}
	defer theirs.Close()
	defer ours.Close(context.Background())
	answered := make(chan error, 2)
	go func() {
		_, err := ours.Query(ctx, "SELECT 1")
		answered <- err
	}()
	go func() {
		rows, err := theirs.(driver.QueryerContext).QueryContext(ctx, "SELECT 1", nil)
		if err == nil {
			err = rows.Close()
		}
		answered <- err
	}()
	for range 2 {
		select {
		case err := <-answered:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(30 * time.Second):
			t.Fatal("a session that took long to log in does not answer")
		}
	}
}
