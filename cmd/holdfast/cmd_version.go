package main

import (
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// version is set by the linker; without it, the module's version counts.
var version string

func (a *app) cmdVersion() *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Print version, commit and Go version",
		Long:    "Prints which holdfast this is: its version, the commit it was built from and the Go version.",
		Example: "  holdfast version\n  holdfast version --json",
		Args:    wants(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error {
			b := readBuild()
			return a.print(b, func() {
				a.printf("holdfast %s", b.Version)
				if b.Commit != "" {
					a.printf(" (%.12s", b.Commit)
					if b.Modified {
						a.printf(", modified")
					}
					a.printf(")")
				}
				a.printf(" %s %s\n", b.Go, b.Platform)
			})
		},
	}
}

// A build tells where this binary comes from.
type build struct {
	Version  string `json:"version"`
	Commit   string `json:"commit,omitempty"`
	Modified bool   `json:"modified,omitempty"` // built from a tree with changes
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

// tool is what manifests and findings say they were made by.
func tool() string { return "holdfast " + readBuild().Version }

func readBuild() build {
	b := build{Version: version, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		info = new(debug.BuildInfo)
	}
	if b.Version == "" {
		b.Version = info.Main.Version
	}
	if b.Version == "" {
		b.Version = "(devel)"
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Commit = s.Value
		case "vcs.modified":
			b.Modified = s.Value == "true"
		}
	}
	return b
}
