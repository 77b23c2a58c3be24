package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"holdfast/cmd/holdfast/config"
)

func (a *app) cmdConfig() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "config",
		Short:   "Check and show the configuration",
		Long:    "Checks the configuration file, shows what it comes to, and prints the schema that editors use to complete and check it.",
		Example: "  holdfast config check\n  holdfast config show --json\n  holdfast config schema > holdfast.schema.json",
		Args:    noSuchCommand,
		RunE:    needsSubcommand,
	}
	cmd.AddCommand(a.cmdConfigCheck(), a.cmdConfigShow(), a.cmdConfigSchema())
	return cmd
}

func (a *app) cmdConfigCheck() *cobra.Command {
	return &cobra.Command{
		Use:   "check",
		Short: "Find the mistakes in the configuration",
		Long: `Reads the configuration and the recipient files it names, and tells every mistake with
its line and column. Secrets that cannot be had here are warned of: a vault that a
run does not touch does not need them. Nothing is contacted.`,
		Example: "  holdfast config check\n  holdfast config check --config /etc/holdfast/holdfast.yaml --json",
		Args:    wants(cobra.NoArgs),
		RunE:    func(*cobra.Command, []string) error { return a.checkConfig() },
	}
}

// checkResult is what `config check` prints with --json.
type checkResult struct {
	File       string        `json:"file"`
	Recipients int           `json:"recipients"`
	Escrow     int           `json:"escrow"`
	Vaults     []checkVault  `json:"vaults"`
	Jobs       []string      `json:"jobs"`
	Warnings   []checkNotice `json:"warnings"`
}

type checkVault struct {
	Name string          `json:"name"`
	Kind string          `json:"kind"`
	RPO  config.Duration `json:"rpo"`
	RTO  config.Duration `json:"rto"`
}

type checkNotice struct {
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
}

func (a *app) checkConfig() error {
	c, err := a.load()
	if err != nil {
		return err
	}
	result := checkResult{File: c.File(), Jobs: c.JobNames(), Vaults: []checkVault{}, Warnings: []checkNotice{}}
	if err := result.countRecipients(c); err != nil {
		return err
	}
	for _, name := range c.VaultNames() {
		v := c.Vaults[name]
		result.Vaults = append(result.Vaults, checkVault{name, v.Kind, v.Objectives.RPO, v.Objectives.RTO})
		if err := result.checkPlacement(c, v); err != nil {
			return err
		}
	}
	for _, w := range append(c.Warnings(), c.Unsupported()...) {
		result.Warnings = append(result.Warnings, checkNotice{fmt.Sprintf("%s:%d:%d: %s", w.File, w.Line, w.Column, w.Message), w.Hint})
	}
	for _, s := range c.Secrets() {
		if _, err := s.Resolve(); err != nil {
			_, hint := judge(err)
			result.Warnings = append(result.Warnings, checkNotice{err.Error(), hint})
		}
	}
	return a.print(result, func() { a.tellCheck(result) })
}

// countRecipients reads the recipient files. On a host without a host key they may be missing:
// restoring and verifying take the configuration and an identity, and nothing else.
func (r *checkResult) countRecipients(c *config.Config) error {
	recipients, err := c.Recipients()
	if err != nil && needless(c, err) {
		r.Warnings = append(r.Warnings, checkNotice{err.Error(), needlessHint})
		return nil
	}
	if err != nil {
		return recipientMistake(err)
	}
	escrow, err := c.Escrow()
	if err != nil {
		return recipientMistake(err)
	}
	r.Recipients, r.Escrow = len(recipients), len(escrow)
	return nil
}

// needless tells that what err misses is needed to take snapshots only, which this host cannot:
// it has no host key.
func needless(c *config.Config, err error) bool {
	if !errors.Is(err, fs.ErrNotExist) {
		return false
	}
	_, err = os.Stat(string(c.Keys.Host))
	return errors.Is(err, fs.ErrNotExist)
}

const needlessHint = "without a host key this host restores and verifies, which needs no recipients; to take snapshots here, bring that file and run `holdfast init`"

// recipientMistake makes a recipient file that cannot be used a mistake in the configuration.
func recipientMistake(err error) error {
	if errors.Is(err, config.ErrMixedRecipients) {
		return err
	}
	return &usage{message: err.Error(), hint: "one recipient a line: age1pq1…, age1…, ssh-ed25519 … or a plugin's"}
}

func (a *app) tellCheck(r checkResult) {
	for _, w := range r.Warnings {
		a.warn(w.Message, w.Hint)
	}
	rows := make([][]string, len(r.Vaults))
	for i, v := range r.Vaults {
		rows[i] = []string{v.Name, v.Kind, objective(v.RPO), objective(v.RTO)}
	}
	a.table([]string{"vault", "kind", "rpo", "rto"}, rows, 2, 3)
	a.printf("\n%s has no mistakes: %s, %s, %s, %s, %s.\n", r.File, count(len(r.Vaults), "vault"), count(len(r.Jobs), "job"),
		count(r.Recipients, "recipient"), count(r.Escrow, "escrow recipient"), count(len(r.Warnings), "warning"))
}

func objective(d config.Duration) string {
	if d == 0 {
		return "none"
	}
	return d.String()
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func (a *app) cmdConfigShow() *cobra.Command {
	return &cobra.Command{
		Use:   "show",
		Short: "Print the configuration as it takes effect",
		Long: `Prints the configuration with all defaults filled in and relative paths resolved.
Secrets are shown as the references that the file has, never as what they stand for.`,
		Example: "  holdfast config show\n  holdfast config show --json | jq .vaults",
		Args:    wants(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error {
			c, err := a.load()
			if err != nil {
				return err
			}
			show := c.Show
			if a.json {
				show = c.ShowJSON
			}
			b, err := show()
			if err != nil {
				return err
			}
			a.document(b)
			return nil
		},
	}
}

func (a *app) cmdConfigSchema() *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of the configuration",
		Long: `Prints the JSON Schema (draft 2020-12) of the configuration file. Editors with YAML
support use it to complete, explain and check the keys.`,
		Example: `  holdfast config schema > holdfast.schema.json
  # first line of holdfast.yaml:
  # yaml-language-server: $schema=holdfast.schema.json`,
		Args: wants(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error {
			a.document(config.Schema())
			return nil
		},
	}
}
