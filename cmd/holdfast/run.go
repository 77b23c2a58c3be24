package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"holdfast/cmd/holdfast/config"
)

// defaultMemory is what the process tries to stay under unless GOMEMLIMIT says otherwise.
const defaultMemory = 200 << 20

// run executes one command line and returns its exit code. It may be called several times.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) (code int) {
	limitMemory(defaultMemory)
	a := newApp(stdin, stdout, stderr)
	defer func() {
		if p := recover(); p != nil {
			code = a.fail(&panicError{value: p, stack: debug.Stack()})
		}
	}()
	root := a.command()
	root.SetArgs(args)
	// Flags that cannot be parsed end the parsing, but how the error is told depends on one.
	a.json = hasFlag(args, "--json")
	err := root.ExecuteContext(ctx)
	if err == nil {
		err = a.flush()
	}
	if err != nil {
		if ctx.Err() != nil {
			// An interrupted command often ends with what the interruption broke.
			err = &interrupted{err}
		}
		return a.fail(err)
	}
	return exitDone
}

// limitMemory sets what the process tries to stay under, unless GOMEMLIMIT does. Most of the
// heap is buffers that are used again, so collecting twice as often as Go does by default
// costs no measurable time and saves a fifth of the memory: GOGC decides if it is set.
func limitMemory(bytes int64) {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(bytes)
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(50)
	}
}

// hasFlag tells whether flag stands among args, before a "--".
func hasFlag(args []string, flag string) bool {
	for _, arg := range args {
		if arg == "--" {
			return false
		}
		if arg == flag || arg == flag+"=true" {
			return true
		}
	}
	return false
}

// command builds the tree of commands.
func (a *app) command() *cobra.Command {
	root := &cobra.Command{
		Use:   "holdfast",
		Short: "Back up secrets vaults so that a restore is proven",
		Long: `Holdfast takes snapshots of secrets vaults, encrypts them with age so that this host
cannot read them, stores them in S3 or a folder, verifies them and rehearses their
restore. This version handles vaults of the kinds ` + kinds() + `.

Exit codes: 0 done, 1 failed, 2 usage or configuration, 3 damage found, 4 another
run holds the lease, 5 objective missed, 6 refused for safety, 130 interrupted.`,
		Example: `  holdfast key generate -o identity.txt
  holdfast config check
  holdfast snapshot --all`,
		Args:              noSuchCommand,
		RunE:              func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		SilenceErrors:     true,
		SilenceUsage:      true,
		PersistentPreRunE: func(*cobra.Command, []string) error { return a.start() },
	}
	root.SetIn(a.stdin)
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	root.CompletionOptions.DisableDefaultCmd = true
	root.SetFlagErrorFunc(flagError)
	a.globalFlags(root.PersistentFlags())
	root.AddCommand(a.cmdInit(), a.cmdDemo(), a.cmdSnapshot(), a.cmdList(), a.cmdShow(), a.cmdDiff(), a.cmdCat(),
		a.cmdRestore(), a.cmdVerify(), a.cmdDrill(), a.cmdStatus(), a.cmdDoctor(), a.cmdKey(), a.cmdConfig(), a.cmdCompletion(), a.cmdVersion())
	return root
}

func (a *app) globalFlags(f *pflag.FlagSet) {
	name := os.Getenv("HOLDFAST_CONFIG")
	if name == "" {
		name = "holdfast.yaml"
	}
	f.StringVar(&a.configFile, "config", name, "configuration `FILE` ($HOLDFAST_CONFIG)")
	f.BoolVar(&a.json, "json", false, "print one JSON document instead of text")
	f.BoolVarP(&a.quiet, "quiet", "q", false, "print results, warnings and errors only")
	f.BoolVarP(&a.verbose, "verbose", "v", false, "print every step")
	f.BoolVar(&a.noProgress, "no-progress", false, "show no progress")
}

// usage is a mistake in how a command was called.
type usage struct {
	message, hint string
	cause         error // may be nil
}

func (u *usage) Error() string { return u.message }

// Unwrap returns what was found wrong.
func (u *usage) Unwrap() error { return u.cause }

// Hint says what to do instead.
func (u *usage) Hint() string { return u.hint }

// misuse makes err a mistake in how a command was called.
func misuse(err error) error { return &usage{message: err.Error(), hint: hintOf(err), cause: err} }

// noSuchCommand refuses arguments of a command that has only subcommands.
func noSuchCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	u := &usage{message: fmt.Sprintf("unknown command %q for %q", args[0], cmd.CommandPath()), hint: "see " + cmd.CommandPath() + " --help"}
	var known []string
	for _, c := range cmd.Commands() {
		known = append(known, c.Name())
	}
	if near := config.Nearest(args[0], known); near != "" {
		u.hint = "did you mean `" + near + "`?"
	}
	return u
}

// needsSubcommand is what a command does that has only subcommands.
func needsSubcommand(cmd *cobra.Command, _ []string) error {
	var known []string
	for _, c := range cmd.Commands() {
		known = append(known, c.Name())
	}
	return &usage{message: cmd.CommandPath() + " needs a subcommand", hint: "one of " + strings.Join(known, ", ")}
}

// wants makes a command refuse any other arguments than check allows, as a usage error.
func wants(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := check(cmd, args); err != nil {
			return &usage{message: err.Error(), hint: "usage: " + cmd.UseLine()}
		}
		return nil
	}
}

// flagError tells of a flag that does not exist or cannot be read.
func flagError(cmd *cobra.Command, err error) error {
	u := &usage{message: err.Error(), hint: "see " + cmd.CommandPath() + " --help"}
	unknown := (*pflag.NotExistError)(nil)
	if !errors.As(err, &unknown) {
		return u
	}
	var known []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) { known = append(known, f.Name) })
	if near := config.Nearest(unknown.GetSpecifiedName(), known); near != "" {
		u.hint = "did you mean `--" + near + "`?"
	}
	return u
}

// kinds names every kind of vault, as a sentence does.
func kinds() string {
	all := config.Kinds()
	last := len(all) - 1
	return strings.Join(all[:last], ", ") + " and " + all[last]
}
