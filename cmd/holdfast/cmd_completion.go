package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

func (a *app) cmdCompletion() *cobra.Command {
	return &cobra.Command{
		Use:   "completion bash|zsh|fish",
		Short: "Print a completion script for a shell",
		Long: `Prints a script that teaches a shell to complete holdfast's commands and flags.
Have the shell read it when it starts.`,
		Example: `  holdfast completion bash > /etc/bash_completion.d/holdfast
  holdfast completion zsh > "${fpath[1]}/_holdfast"
  holdfast completion fish > ~/.config/fish/completions/holdfast.fish`,
		ValidArgs: []string{"bash", "zsh", "fish"},
		Args:      wants(cobra.MatchAll(cobra.ExactArgs(1), cobra.OnlyValidArgs)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := completion(cmd.Root(), args[0], a); err != nil {
				return fmt.Errorf("writing completion: %w", err)
			}
			return nil
		},
	}
}

func completion(root *cobra.Command, shell string, a *app) error {
	switch shell {
	case "bash":
		return root.GenBashCompletionV2(a.stdout, true)
	case "zsh":
		return root.GenZshCompletion(a.stdout)
	default:
		return root.GenFishCompletion(a.stdout, true)
	}
}
