package config

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

const everything = `repository: {url: "s3://b/p", lock: {mode: compliance, days: 7}, lease: 2m}
keys: {recipients: [file:r.txt, ` + classicKey + `], escrow: [file:/e.txt], host: h.key}
vaults:
  pg: {kind: postgres, url: env:CANARY, tables: [a.b, "true", "1"], schemas: [s], exclude: [x], owner: "yes: no", tier: 2,
       objectives: {rpo: 26h, rto: 30m}, audit: {table: t, file: a.log, preset: php-vault}, tags: {z: "1", a: "null"}}
  lite: {kind: sqlite, path: v.db, busy_timeout: 1500ms}
  tree: {kind: files, path: /d, exclude: ["*.tmp", "#x"], on_change: warn}
  raft: {kind: raft, address: "https://v:8200", auth: {method: kubernetes, role: r, mount: k8s}, ca_file: ca.pem, timeout: 10m}
  kv: {kind: kv, address: "https://v:8200", auth: {method: token, token: file:token}, namespace: n, mounts: [secret/]}
jobs:
  n: {vaults: [pg, lite], cron: "0 2 * * *", timezone: Europe/Berlin, jitter: 5m, catch_up: 12h, timeout: 2h, retries: 0, retention: std, verify: content}
  d: {drill: [pg]}
retention: {std: {last: 3}}
alerts: [{url: env:CANARY, on: [stale]}, {ping: file:ping}]
report: {organization: Acme, system: "Payments: all", frameworks: [soc2]}
schedule: {engine: river, url: file:dsn, queues: [a]}
cache: {dir: c}
limits: {memory: 1GiB, upload_rate: 5MB/s, compression: better}
`

func TestShownConfigurationReadsBack(t *testing.T) {
	for _, text := range []string{everything, base} {
		c := parse(t, text)
		b, err := c.Show()
		if err != nil {
			t.Fatal(err)
		}
		again, err := Parse("/conf/holdfast.yaml", b)
		if err != nil {
			t.Fatalf("%v in\n%s", err, b)
		}
		same := cmp.Options{cmpopts.IgnoreUnexported(Config{}),
			cmp.Comparer(func(a, b Secret) bool { return a.Reference() == b.Reference() && a.Field() == b.Field() }),
			cmp.Comparer(func(a, b RecipientRef) bool { return a.Reference() == b.Reference() })}
		if diff := cmp.Diff(c, again, same); diff != "" {
			t.Errorf("(-shown +read back):\n%s\nof\n%s", diff, b)
		}
	}
}

func TestShowResolvesNoSecret(t *testing.T) {
	t.Setenv("CANARY", canary)
	c := parse(t, everything+"\n")
	c.Alerts[1] = parse(t, base+"alerts: [{ping: \"https://hc.example/"+canary+"\"}]").Alerts[0]
	b, err := c.Show()
	if err != nil {
		t.Fatal(err)
	}
	j, err := c.ShowJSON()
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(b)+string(j), canary) || !strings.Contains(string(b), "env:CANARY") || !strings.Contains(string(b), redacted) {
		t.Errorf("shown:\n%s\n%s", b, j)
	}
	if !json.Valid(j) {
		t.Errorf("not JSON: %s", j)
	}
}

func TestSecretsAreListed(t *testing.T) {
	var got []string
	for _, s := range parse(t, everything).Secrets() {
		got = append(got, s.Field()+" "+s.Reference())
	}
	want := []string{"vaults.kv.auth.token file:/conf/token", "vaults.pg.url env:CANARY", "alerts.0.url env:CANARY", "alerts.1.ping file:/conf/ping", "schedule.url file:/conf/dsn"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
