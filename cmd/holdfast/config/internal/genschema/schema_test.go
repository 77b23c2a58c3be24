package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"holdfast/cmd/holdfast/config"
)

func TestCommittedSchemaIsCurrent(t *testing.T) {
	want, err := generate("../..")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(config.Schema())); diff != "" {
		t.Errorf("schema.json is stale, run go generate ./cmd/holdfast/config (-want +got):\n%s", diff)
	}
}
