package config

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"text/template"
)

// TemplateOptions fill in the first holdfast.yaml of a host.
type TemplateOptions struct {
	Repository string      // URL of the repository
	Recipients []string    // recipients or file:PATH
	Escrow     []string    // the same
	Host       string      // the host's key file; host.key by default
	Trust      []string    // public keys of other hosts
	Vaults     []VaultSpec // an example is put in if there are none
}

// Template writes a commented configuration. What it returns passes Parse.
func Template(o TemplateOptions) ([]byte, error) {
	if o.Host == "" {
		o.Host = "host.key"
	}
	for i, v := range o.Vaults {
		for _, w := range o.Vaults[:i] {
			if v.Name == w.Name {
				return nil, fmt.Errorf("writing configuration: vault %s is named twice", v.Name)
			}
		}
	}
	var b bytes.Buffer
	if err := page.Execute(&b, o); err != nil {
		return nil, fmt.Errorf("writing configuration: %w", err)
	}
	if _, err := Parse("holdfast.yaml", b.Bytes()); err != nil {
		return nil, fmt.Errorf("writing configuration: %w", err)
	}
	return b.Bytes(), nil
}

//go:embed holdfast.yaml.tmpl
var pageText string

var page = template.Must(template.New("holdfast.yaml").Funcs(template.FuncMap{"q": yamlText, "isFile": func(url string) bool {
	return strings.HasPrefix(url, "file:")
}}).Parse(pageText))

// bareWord is text that YAML takes as text without quotes: a name, a path, a URL, a reference.
// Of plain names, yamlWord are those that mean something else to some reader of YAML.
var (
	bareWord = regexp.MustCompile(`^([A-Za-z][A-Za-z0-9]*|/[A-Za-z0-9]+)([/:._+-]+[A-Za-z0-9]+)*$`)
	yamlWord = regexp.MustCompile(`(?i)^(true|false|null|yes|no|on|off|y|n)$`)
)

// yamlText writes s as one YAML scalar: bare where nothing can go wrong, else as JSON text,
// which is YAML too.
func yamlText(s string) (string, error) {
	if bareWord.MatchString(s) && !yamlWord.MatchString(s) {
		return s, nil
	}
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(s)
	return strings.TrimSpace(b.String()), err
}
