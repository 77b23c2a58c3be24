package raft

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"holdfast/restore/target/raft/barrier"
)

// look uses the restored server: mounts, auth methods and policies by its API against the names that
// the dump itself holds, and the canaries.
func (x *run) look(ctx context.Context) (string, error) {
	mounts, err := x.mounts(ctx, "sys/mounts")
	if err != nil {
		return "", err
	}
	methods, err := x.mounts(ctx, "sys/auth")
	if err != nil {
		return "", err
	}
	policies, err := x.policies(ctx)
	if err != nil {
		return "", err
	}
	x.compareNames("mounts", ofRoot(x.proof.Mounts), served(mounts))
	x.compareNames("auth methods", ofRoot(x.proof.AuthMethods), served(methods))
	x.compareNames("policies", x.listedPolicies(), policies)
	if slices.ContainsFunc(x.proof.Mounts, func(m barrier.Mount) bool { return m.Namespace != "" }) {
		x.log.Limit("names were compared in the root namespace alone")
	}
	for _, c := range x.Canaries {
		good, detail, err := c.look(ctx, x.server, mounts)
		if err != nil {
			return "", err
		}
		x.log.Check(c.name(), good, detail)
	}
	if len(x.Canaries) == 0 {
		x.log.Limit("no canary is configured, so no secret was read as an application would")
	}
	return fmt.Sprintf("%d mounts, %d auth methods, %d policies, %d canaries", len(mounts), len(methods), len(policies), len(x.Canaries)), nil
}

func (x *run) mounts(ctx context.Context, table string) (map[string]mountInfo, error) {
	var answer struct{ Data map[string]mountInfo }
	if err := x.server.ask(ctx, http.MethodGet, table, nil, &answer); err != nil {
		return nil, err
	}
	return answer.Data, nil
}

func (x *run) policies(ctx context.Context) ([]string, error) {
	var answer struct{ Data struct{ Keys []string } }
	if err := x.server.ask(ctx, "LIST", "sys/policies/acl", nil, &answer); err != nil {
		return nil, err
	}
	return slices.DeleteFunc(answer.Data.Keys, func(name string) bool { return name == "root" }), nil
}

// compareNames checks that two lists are the same but for their order.
func (x *run) compareNames(what string, want, got []string) {
	missing, more := without(want, got), without(got, want)
	if len(missing)+len(more) == 0 {
		x.log.Check(what, true, fmt.Sprintf("%d, as in the snapshot", len(want)))
		return
	}
	var parts []string
	if len(missing) > 0 {
		parts = append(parts, "missing: "+some(missing))
	}
	if len(more) > 0 {
		parts = append(parts, "not in the snapshot: "+some(more))
	}
	x.log.Check(what, false, strings.Join(parts, "; "))
}

func without(list, other []string) []string {
	var rest []string
	for _, name := range list {
		if !slices.Contains(other, name) {
			rest = append(rest, name)
		}
	}
	return rest
}

// ofRoot are the mounts of the root namespace, each with its type.
func ofRoot(mounts []barrier.Mount) []string {
	var list []string
	for _, m := range mounts {
		if m.Namespace == "" {
			list = append(list, m.Path+" ("+m.Type+")")
		}
	}
	return list
}

func served(mounts map[string]mountInfo) []string {
	var list []string
	for _, path := range slices.Sorted(maps.Keys(mounts)) {
		list = append(list, path+" ("+mounts[path].Type+")")
	}
	return list
}

// hiddenPolicies are stored as others are, and the API does not list them.
var hiddenPolicies = []string{"response-wrapping", "control-group"}

// listedPolicies are those of the snapshot that the API should list in the root namespace.
func (x *run) listedPolicies() []string {
	var list []string
	for _, name := range x.proof.Policies {
		namespace, _, _ := strings.Cut(name, "/")
		foreign := slices.ContainsFunc(x.proof.Mounts, func(m barrier.Mount) bool { return m.Namespace != "" && m.Namespace == namespace })
		if !foreign && !slices.Contains(hiddenPolicies, name) {
			list = append(list, name)
		}
	}
	return list
}
