package config

import (
	_ "embed"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

//go:embed testdata/hybrid-recipient.txt
var hybridLine string

var hybridKey = strings.TrimSpace(hybridLine)

// Every row is a file, made of base and more lines, and the mistakes that are told, each
// as LINE:COL: and a part of the message or hint.
func TestMistakesAreTold(t *testing.T) {
	head := "repository: {url: \"s3://bucket/prefix\"}\nkeys: {recipients: [" + classicKey + "]}\n"
	tests := []struct {
		name, text string
		want       []string
	}{
		{"unknown key", base + "retension: {}\n", []string{"5:1: unknown key \"retension\" (did you mean `retention`?)"}},
		{"unknown key below", base + "jobs:\n  n: {vaults: [desktop], retrys: 3}\n", []string{"6:26: unknown key \"retrys\" (did you mean `retries`?)"}},
		{"nothing similar", base + "cache: {zzzzzz: 3}\n", []string{"5:9: unknown key \"zzzzzz\" (known: dir)"}},
		{"duplicate", base + "jobs:\n  n: {vaults: [desktop]}\n  n: {vaults: [desktop]}\n", []string{"7:3: \"n\" is given twice, first on line 6"}},
		{"wrong type", base + "jobs: [a, b]\n", []string{"5:7: want a mapping, found a list"}},
		{"wrong list", base + "jobs: {n: {vaults: desktop}}\n", []string{"5:20: want a list, found text"}},
		{"text for number", base + "jobs: {n: {vaults: [desktop], retries: many}}\n", []string{"5:40: want a whole number, found text"}},
		{"bool for text", base + "report: {system: yes, organization: true}\n", []string{"5:37: want text, found true or false"}},
		{"leading zero", base + "retention: {r: {last: 010}}\n", []string{"5:23: \"010\" is not a plain whole number"}},
		{"too many", base + "jobs: {n: {vaults: [desktop], retries: 21}}\n", []string{"5:40: 21 is more than 20"}},
		{"negative", base + "retention: {r: {last: -1}}\n", []string{"5:23: -1 is less than 0"}},
		{"empty value", base + "report: {system: }\n", []string{"there is no value here"}},
		{"empty text", base + "report: {system: \" \"}\n", []string{"5:18: the text is empty"}},
		{"months", base + "jobs: {n: {vaults: [desktop], timeout: 2mo}}\n", []string{"5:40: \"2mo\" is not a duration: months and years"}},
		{"years", base + "jobs: {n: {vaults: [desktop], timeout: 1y}}\n", []string{"months and years differ"}},
		{"no unit", base + "jobs: {n: {vaults: [desktop], timeout: 30}}\n", []string{"5:40: \"30\" has no unit (say 30s, 30m, 30h or 30d)"}},
		{"bad size", base + "limits: {memory: 200}\n", []string{"\"200\" is not a size"}},
		{"little memory", base + "limits: {memory: 1MiB}\n", []string{"5:18: less than 64MiB"}},
		{"unknown enum", base + "limits: {compression: fast}\n", []string{"5:23: \"fast\" is not allowed here (known: fastest, default, better)"}},
		{"unknown vault", base + "jobs: {n: {vaults: [dekstop]}}\n", []string{"5:21: there is no vault \"dekstop\" (did you mean `desktop`?)"}},
		{"vault twice", base + "jobs: {n: {vaults: [desktop, desktop]}}\n", []string{"5:30: \"desktop\" is listed twice"}},
		{"both", base + "jobs: {n: {vaults: [desktop], drill: [desktop]}}\n", []string{"5:31: a job takes snapshots or drills, not both"}},
		{"unknown retention", base + "jobs: {n: {vaults: [desktop], retention: standart}}\nretention: {standard: {last: 1}}\n",
			[]string{"5:42: there is no retention policy \"standart\" (did you mean `standard`?)"}},
		{"idle job", base + "jobs: {n: {cron: \"@daily\"}}\n", []string{"5:8: this job does nothing"}},
		{"empty policy", base + "retention: {r: {}}\n", []string{"5:13: this policy keeps nothing"}},
		{"bad cron", base + "jobs: {n: {vaults: [desktop], cron: \"0 25 * * *\"}}\n", []string{"5:37: the hour \"25\" is not between 0 and 23"}},
		{"bad zone", base + "jobs: {n: {vaults: [desktop], timezone: Mars/Olympus}}\n", []string{"unknown time zone \"Mars/Olympus\""}},
		{"unknown kind", head + "vaults: {a: {kind: postgre, url: env:X}}\n", []string{"3:20: unknown kind \"postgre\" (did you mean `postgres`?)"}},
		{"no kind", head + "vaults: {a: {url: env:X}}\n", []string{"3:10: `kind` is missing (one of postgres, sqlite, files, raft, kv, auditlog)"}},
		{"other kind's key", head + "vaults: {a: {kind: sqlite, path: x, tables: [a]}}\n", []string{"3:37: unknown key \"tables\" (`tables` is a setting of kind postgres, not of sqlite)"}},
		{"missing key", head + "vaults:\n  a:\n    kind: files\n", []string{"4:3: `path` is missing"}},
		{"vault name", head + "vaults: {A: {kind: files, path: x}}\n", []string{"3:10: vault name \"A\": use 1 to 63"}},
		{"home", head + "vaults: {a: {kind: files, path: ~/x}}\n", []string{"`~` is not expanded here"}},
		{"pattern", head + "vaults: {a: {kind: files, path: x, exclude: [\"[\"]}}\n", []string{"3:46: \"[\" is not a pattern"}},
		{"auth", head + "vaults: {a: {kind: raft, address: \"https://v:1\", auth: {method: token, role: x}}}\n",
			[]string{"`token` is missing", "`role` has no use for the method token"}},
		{"secret id", head + "vaults: {a: {kind: raft, address: \"https://v:1\", auth: {method: approle, role_id: r}}}\n",
			[]string{"3:50: the method approle needs `secret_id` or `wrapped_secret_id`, and one of them alone"}},
		{"two secret ids", head + "vaults: {a: {kind: raft, address: \"https://v:1\", auth: {method: approle, role_id: r, secret_id: env:S, wrapped_secret_id: env:W}}}\n",
			[]string{"and one of them alone"}},
		{"certificate", head + "vaults: {a: {kind: raft, address: \"https://v:1\", cert_file: c, auth: {method: token, token: env:T}}}\n",
			[]string{"`cert_file` and `key_file` go together"}},
		{"more addresses", head + "vaults: {a: {kind: kv, address: \"https://v:1\", addresses: [v2], auth: {method: token, token: env:T}}}\n",
			[]string{"want an address such as https://host:8200"}},
		{"address", head + "vaults: {a: {kind: kv, address: \"v:1\", auth: {method: token, token: env:T}}}\n", []string{"want an address such as https://host:8200"}},
		{"address of the API", head + "vaults: {a: {kind: kv, address: \"https://v:1/v1/\", auth: {method: token, token: env:T}}}\n", []string{"an address ends before /v1"}},
		{"canary in the clear", head + "vaults: {a: {kind: raft, address: \"https://v:1\", auth: {method: token, token: env:T}, drill: {canaries: [{path: s/a, field: f, hash: " + canary + "}]}}}\n",
			[]string{"3:134: this is not a canary's hash (`holdfast drill --hash` makes it of standard input)"}},
		{"no vaults", head + "vaults: {}\n", []string{"3:9: there is no vault to protect"}},
		{"lock on files", "repository: {url: \"file:///r\", lock: {mode: governance, days: 3}}\nkeys: {recipients: [" + classicKey + "]}\nvaults: {a: {kind: files, path: x}}\n",
			[]string{"1:32: a file:// repository cannot lock"}},
		{"half a lock", "repository: {url: \"s3://b\", lock: {mode: governance}}\nkeys: {recipients: [" + classicKey + "]}\nvaults: {a: {kind: files, path: x}}\n", []string{"1:29: `days` is missing"}},
		{"relative file URL", "repository: {url: \"file://r/x\"}\nkeys: {recipients: [" + classicKey + "]}\nvaults: {a: {kind: files, path: x}}\n", []string{"1:19: the URL names no absolute path"}},
		{"no recipients", "repository: {url: \"s3://b\"}\nkeys: {recipients: []}\nvaults: {a: {kind: files, path: x}}\n", []string{"2:20: the list is empty"}},
		{"no keys at all", "repository: {url: \"s3://b\"}\nvaults: {a: {kind: files, path: x}}\n", []string{"1:1: `keys` is missing"}},
		{"mixed", "repository: {url: \"s3://b\"}\nkeys:\n  recipients: [" + classicKey + "]\n  escrow: [" + hybridKey + "]\nvaults: {a: {kind: files, path: x}}\n",
			[]string{"2:1: post-quantum and classic recipients are mixed: age1ql3z7hjy54pw…"}},
		{"cut recipient", "repository: {url: \"s3://b\"}\nkeys: {recipients: [age1ql3z7hjy54]}\nvaults: {a: {kind: files, path: x}}\n", []string{"2:21: this is not a whole X25519 recipient"}},
		{"nothing wrong", base, nil},
		{"bad trust", "repository: {url: \"s3://b\"}\nkeys: {recipients: [" + classicKey + "], trust: [ops-eu]}\nvaults: {a: {kind: files, path: x}}\n", []string{"this is not the public key of a signer"}},
		{"two alerts in one", base + "alerts: [{url: env:X, ping: env:Y}]\n", []string{"an alert has `url` or `ping`, not both"}},
		{"no alert", base + "alerts: [{}]\n", []string{"5:10: an alert needs `url` or `ping`"}},
		{"river", base + "schedule: {engine: river}\n", []string{"5:1: `url` is missing: the river engine"}},
		{"second document", base + "---\na: b\n", []string{"6:1: a second YAML document begins here"}},
		{"empty", "", []string{"1:1: the file is empty"}},
		{"comments alone", "# nothing\n\n", []string{"1:1: the file is empty"}},
		{"a list", "- a\n- b\n", []string{"1:1: the file holds a list instead of settings"}},
		{"tab", "repository:\n\turl: x\n", []string{"2:1: a tab stands where only spaces may"}},
		{"binary", "a: \x00\n", []string{"1:4: a byte that is not text"}},
		{"latin", "a: \xe9\n", []string{"1:4: a byte that is not text"}},
		{"tag", base + "report: {system: !!binary abc}\n", []string{"a YAML tag stands here"}},
		{"tag in a policy", base + "retention: {r: {last: !!int 3}}\nfoo: 1\n", []string{"5:23: a YAML tag stands here", "6:1: unknown key"}},
		{"alias of nothing", base + "report: {system: *nobody}\n", []string{"5:18: an alias of no anchor"}},
		{"alias of itself", base + "report: &r {system: *r}\n", []string{"an alias of no anchor"}},
		{"merge of text", base + "report: {<<: text}\n", []string{"<< wants a mapping, found text"}},
		{"all at once", base + "jobs: {n: {vaults: [x], cron: bad, timeout: 1y}}\nlimits: {memory: much}\nfoo: bar\n",
			[]string{"5:21:", "5:31:", "5:45:", "6:18:", "7:1:"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Parse("h.yaml", []byte(tt.text))
			if len(tt.want) == 0 {
				if err != nil {
					t.Fatalf("refused: %v", err)
				}
				return
			}
			var all Errors
			if !errors.As(err, &all) {
				t.Fatalf("got %v, want mistakes", err)
			}
			if len(all) != len(tt.want) {
				t.Errorf("%d mistakes instead of %d", len(all), len(tt.want))
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("got\n%s\nwant %s", err, want)
				}
			}
		})
	}
}

func TestHugeAndHostileFilesAreRefusedQuickly(t *testing.T) {
	var bomb strings.Builder
	bomb.WriteString("a0: &a0 [x]\n")
	for i := 1; i < 30; i++ {
		fmt.Fprintf(&bomb, "a%d: &a%d [%s]\n", i, i, strings.Repeat(fmt.Sprintf("*a%d, ", i-1), 9))
	}
	var merges strings.Builder
	merges.WriteString("m0: &m0 {k: 1}\n")
	for i := 1; i < 200; i++ {
		fmt.Fprintf(&merges, "m%d: &m%d {k%d: 1, <<: [*m%d, *m%d]}\n", i, i, i, i-1, i-1)
	}
	keys := strings.Builder{}
	for i := range 16_000 {
		fmt.Fprintf(&keys, "k%d: v\n", i)
	}
	excludes := strings.Repeat("x, ", 15_000)
	wide := "retention: &r {}\nreport: {frameworks: &f [" + excludes + "]}\nalerts: [" + strings.Repeat("{on: *f}, ", 2_000) + "]\n"
	for name, text := range map[string]string{
		"more than 1 MiB": base + "#" + strings.Repeat("x", 1<<20),
		"alias bomb":      bomb.String(), "merge bomb": merges.String(), "many keys": keys.String(), "wide aliases": wide,
		"deep brackets": strings.Repeat("[", 20_000), "deep braces": strings.Repeat("{a: ", 10_000),
		"deep dashes": strings.Repeat("- ", 20_000), "deep questions": strings.Repeat("? ", 20_000),
		"deep anchors": strings.Repeat("&a ", 20_000), "many tokens": "a:\n" + strings.Repeat("- b\n", 250_000),
	} {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			_, err := Parse("h.yaml", []byte(text))
			if err == nil {
				t.Error("accepted")
			}
			if deep := strings.HasPrefix(name, "deep") || name == "many tokens"; deep && !strings.Contains(fmt.Sprint(err), "nests deeper") {
				t.Errorf("the parser was let at it: %v", err)
			}
			if took := time.Since(start); took > time.Minute {
				t.Errorf("took %v", took)
			} else {
				t.Logf("took %v", took)
			}
			if n := len(strings.Split(fmt.Sprint(err), "\n")); n > maxErrors {
				t.Errorf("%d mistakes told", n)
			}
		})
	}
}
