package main

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/testscript"

	"holdfast/fixtures"
	"holdfast/fixtures/vaultkv"
	kvtarget "holdfast/restore/target/kv"
	rafttarget "holdfast/restore/target/raft"
	"holdfast/snapshot/source/kv"
	"holdfast/snapshot/source/raft"
)

// TestScriptsOverVault runs each script with real Vault servers of its own and a repository in a
// real S3 server. $VAULT is the server's program.
func TestScriptsOverVault(t *testing.T) {
	s3, program := fixtures.S3(t), fixtures.Binary(t, "vault")
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script/vault",
		RequireExplicitExec: true,
		Setup: func(e *testscript.Env) error {
			e.Setenv("VAULT", program)
			e.Values[servers{}] = map[string]*clusterUnderTest{}
			return inBucket(e, s3)
		},
		Cmds: withClusters(withUser(commands(), s3)),
	})
}

// servers is the key of a script's servers, by name.
type servers struct{}

type clusterUnderTest struct {
	*fixtures.VaultServer
	sample *vaultkv.Sample
}

// withClusters adds words about servers:
//
//	cluster NAME SHARES THRESHOLD   starts one; $NAME_ADDR is its URL, NAME.shares has as many unseal shares as are
//	                                needed, NAME.few one less, NAME.root its root token
//	fill NAME SECRETS               makes the sample
//	change NAME PERCENT             rotates secrets of the sample
//	samekv A B                      wants every secret of A in B, as it is
//	token NAME FILE POLICY          writes a token that has a policy alone; POLICY is raft, raft-restore, kv, kv-restore or HCL
//	approle NAME FILE POLICY        writes a secret id; $NAME_ROLE_ID is the role's
//	api NAME METHOD PATH [JSON]     asks the server as root; the answer goes to the file answer.json
//	auditdevice NAME FILE           has the server write an audit log
//	pick-file VARIABLE FILE         sets a variable to what a file holds
//	canary NAME FILE                writes the value of the sample's canary, and the field that has it to FILE.field
//	seal NAME, unseal NAME, adopt NAME OTHER (after a restore of OTHER's snapshot: its keys and token)
func withClusters(cmds map[string]func(*testscript.TestScript, bool, []string)) map[string]func(*testscript.TestScript, bool, []string) {
	word := func(usage string, least, most int, do func(ts *testscript.TestScript, args []string)) func(*testscript.TestScript, bool, []string) {
		return func(ts *testscript.TestScript, neg bool, got []string) {
			if neg || len(got) < least || len(got) > most {
				ts.Fatalf("usage: %s", usage)
			}
			do(ts, got)
		}
	}
	cmds["cluster"] = word("cluster NAME SHARES THRESHOLD", 3, 3, startCluster)
	cmds["fill"] = word("fill NAME SECRETS", 2, 2, func(ts *testscript.TestScript, args []string) {
		c := clusterCalled(ts, args[0])
		sample, err := vaultkv.Generate(c.VaultServer, vaultkv.Options{Secrets: number(ts, args[1]), Seed: 1})
		ts.Check(err)
		c.sample = sample
	})
	cmds["change"] = word("change NAME PERCENT", 2, 2, func(ts *testscript.TestScript, args []string) {
		percent, err := strconv.ParseFloat(args[1], 64)
		ts.Check(err)
		_, err = clusterCalled(ts, args[0]).sample.Change(percent / 100)
		ts.Check(err)
	})
	cmds["samekv"] = word("samekv A B", 2, 2, func(ts *testscript.TestScript, args []string) {
		want, err := vaultkv.ReadAll(clusterCalled(ts, args[0]).VaultServer)
		ts.Check(err)
		got, err := vaultkv.ReadAll(clusterCalled(ts, args[1]).VaultServer)
		ts.Check(err)
		if diff := cmp.Diff(want, got); diff != "" || len(want) == 0 {
			ts.Fatalf("%d and %d secrets, which differ:\n%s", len(want), len(got), diff)
		}
	})
	cmds["token"] = word("token NAME FILE POLICY", 3, 3, func(ts *testscript.TestScript, args []string) {
		c := clusterCalled(ts, args[0])
		policy, err := c.policy(args[2])
		ts.Check(err)
		answer, err := c.Try("POST", "auth/token/create", map[string]any{"policies": []string{policy}, "no_default_policy": true, "ttl": "1h"})
		ts.Check(err)
		auth, _ := answer["auth"].(map[string]any)
		token, _ := auth["client_token"].(string)
		secretFile(ts, args[1], token)
	})
	cmds["approle"] = word("approle NAME FILE POLICY", 3, 3, func(ts *testscript.TestScript, args []string) {
		c := clusterCalled(ts, args[0])
		policy, err := c.policy(args[2])
		ts.Check(err)
		if _, err := c.Try("POST", "sys/auth/approle", map[string]any{"type": "approle"}); err != nil && !strings.Contains(err.Error(), "already in use") {
			ts.Check(err)
		}
		role := "auth/approle/role/" + policy
		_, err = c.Try("POST", role, map[string]any{"token_policies": []string{policy}, "token_no_default_policy": true, "token_ttl": "10m"})
		ts.Check(err)
		id, err := c.Try("GET", role+"/role-id", nil)
		ts.Check(err)
		secret, err := c.Try("POST", role+"/secret-id", map[string]any{})
		ts.Check(err)
		ts.Setenv(strings.ToUpper(args[0])+"_ROLE_ID", data(id, "role_id"))
		secretFile(ts, args[1], data(secret, "secret_id"))
	})
	cmds["api"] = word("api NAME METHOD PATH [JSON]", 3, 4, func(ts *testscript.TestScript, args []string) {
		var body any
		if len(args) == 4 {
			ts.Check(json.Unmarshal([]byte(args[3]), &body))
		}
		answer, err := clusterCalled(ts, args[0]).Try(args[1], args[2], body)
		ts.Check(err)
		b, err := json.Marshal(answer)
		ts.Check(err)
		ts.Check(os.WriteFile(ts.MkAbs("answer.json"), b, 0o600))
	})
	cmds["auditdevice"] = word("auditdevice NAME FILE", 2, 2, func(ts *testscript.TestScript, args []string) {
		_, err := clusterCalled(ts, args[0]).Try("PUT", "sys/audit/file", map[string]any{"type": "file", "options": map[string]any{"file_path": ts.MkAbs(args[1])}})
		ts.Check(err)
	})
	cmds["pick-file"] = word("pick-file VARIABLE FILE", 2, 2, func(ts *testscript.TestScript, args []string) {
		ts.Setenv(args[0], strings.TrimSpace(ts.ReadFile(args[1])))
	})
	cmds["canary"] = word("canary NAME FILE", 2, 2, func(ts *testscript.TestScript, args []string) {
		_, field, value := clusterCalled(ts, args[0]).sample.Canary()
		secretFile(ts, args[1], value)
		ts.Check(os.WriteFile(ts.MkAbs(args[1]+".field"), []byte(field), 0o600))
	})
	cmds["seal"] = word("seal NAME", 1, 1, func(ts *testscript.TestScript, args []string) {
		_, err := clusterCalled(ts, args[0]).Try("PUT", "sys/seal", nil)
		ts.Check(err)
	})
	cmds["unseal"] = word("unseal NAME", 1, 1, func(ts *testscript.TestScript, args []string) {
		c := clusterCalled(ts, args[0])
		for _, key := range c.Keys[:c.Threshold] {
			_, err := c.Try("PUT", "sys/unseal", map[string]any{"key": hex.EncodeToString(key)})
			ts.Check(err)
		}
	})
	cmds["adopt"] = word("adopt NAME OTHER", 2, 2, func(ts *testscript.TestScript, args []string) {
		c, o := clusterCalled(ts, args[0]), clusterCalled(ts, args[1])
		c.Keys, c.Threshold, c.RootToken = o.Keys, o.Threshold, o.RootToken
	})
	return cmds
}

func startCluster(ts *testscript.TestScript, args []string) {
	name := args[0]
	s, err := fixtures.StartVault(fixtures.VaultOptions{Shares: number(ts, args[1]), Threshold: number(ts, args[2])})
	ts.Check(err)
	ts.Defer(func() { ts.Check(s.Remove()) })
	ts.Value(servers{}).(map[string]*clusterUnderTest)[name] = &clusterUnderTest{VaultServer: s}
	ts.Setenv(strings.ToUpper(name)+"_ADDR", s.Address)
	var lines []string
	for _, key := range s.Keys {
		lines = append(lines, hex.EncodeToString(key))
	}
	secretFile(ts, name+".shares", strings.Join(lines[:s.Threshold], "\n"))
	secretFile(ts, name+".few", strings.Join(append(lines[:s.Threshold-1:s.Threshold-1], lines[0]), "\n")) // one is there two times
	secretFile(ts, name+".root", s.RootToken)
}

func clusterCalled(ts *testscript.TestScript, name string) *clusterUnderTest {
	c := ts.Value(servers{}).(map[string]*clusterUnderTest)[name]
	if c == nil {
		ts.Fatalf("there is no cluster %s", name)
	}
	return c
}

// policy makes a policy of the server and returns its name.
func (c *clusterUnderTest) policy(text string) (string, error) {
	switch text {
	case "raft":
		text = raft.Policy
	case "raft-restore":
		text = rafttarget.Policy
	case "kv", "kv-restore":
		mounts := c.sample.Mounts
		per := map[bool]map[int]string{false: {1: kv.PolicyV1, 2: kv.PolicyV2}, true: {1: kvtarget.PolicyV1, 2: kvtarget.PolicyV2}}[text == "kv-restore"]
		all := kv.Policy
		if text == "kv-restore" {
			all = kvtarget.Policy
		}
		for _, m := range mounts {
			all += strings.ReplaceAll(per[m.Version], "MOUNT", m.Path)
		}
		text = all
	}
	name := fmt.Sprintf("script-%x", len(text))
	_, err := c.Try("PUT", "sys/policies/acl/"+name, map[string]any{"policy": text})
	return name, err
}

// secretFile writes what no output may hold.
func secretFile(ts *testscript.TestScript, name, text string) {
	if text == "" {
		ts.Check(errors.New("there is nothing to write to " + name))
	}
	ts.Check(os.WriteFile(ts.MkAbs(name), []byte(text+"\n"), 0o600))
	list := ts.Value(secrets{}).(*[]string)
	*list = append(*list, strings.Fields(text)...)
}

func data(answer map[string]any, field string) string {
	d, _ := answer["data"].(map[string]any)
	s, _ := d[field].(string)
	return s
}
