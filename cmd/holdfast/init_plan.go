package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"holdfast/cmd/holdfast/config"
	"holdfast/snapshot"
	"holdfast/snapshot/store"
)

// An initPlan is everything init writes, made before anything is written.
type initPlan struct {
	config   string
	dir      string
	files    []initFile
	host     *snapshot.HostKey
	trust    snapshot.Trust
	warnings []string
	notes    []string
	identity string // path, if one was made
}

type initFile struct{ path, text string }

func planInit(configFile string, o initOptions) (*initPlan, error) {
	p := &initPlan{config: configFile, dir: filepath.Dir(configFile)}
	var err error
	if p.host, err = newHostKey(); err != nil {
		return nil, err
	}
	if p.trust, err = snapshot.NewTrust(append(o.trust, p.host.Signer.Verifier)...); err != nil {
		return nil, misuse(err)
	}
	specs, err := p.specs(o.vaults)
	if err != nil {
		return nil, err
	}
	p.add("host.key", p.host.Text())
	recipients, known := o.recipients, o.recipients
	if len(recipients) == 0 {
		public, err := p.addIdentity(o.classic)
		if err != nil {
			return nil, err
		}
		recipients, known = []string{"file:recipients.txt"}, []string{public}
	}
	options := config.TemplateOptions{Repository: o.repository, Recipients: known, Escrow: o.escrow,
		Trust: append([]string{p.host.Signer.Verifier}, o.trust...), Vaults: specs}
	if err := checkRecipients(configFile, options); err != nil {
		return nil, err
	}
	options.Recipients = recipients
	text, err := config.Template(options)
	if err != nil {
		return nil, misuse(withoutPlace(err))
	}
	p.files = append(p.files, initFile{configFile, string(text)})
	if len(o.escrow) == 0 {
		p.warnings = append(p.warnings, "no escrow recipient: if the identity is lost, so is every snapshot; make a key to keep offline and put its recipient under keys.escrow before the first snapshot")
	}
	return p, nil
}

// withoutPlace turns a mistake in the configuration that flags would make into one of the flags:
// nobody could look up the line of a file that is not written.
func withoutPlace(err error) error {
	var mistakes config.Errors
	if !errors.As(err, &mistakes) || len(mistakes) == 0 {
		return err
	}
	return &usage{message: "making a configuration of these flags: " + mistakes[0].Message, hint: mistakes[0].Hint}
}

func (p *initPlan) add(name, text string) {
	p.files = append(p.files, initFile{filepath.Join(p.dir, name), text})
}

func (p *initPlan) specs(vaults []string) ([]config.VaultSpec, error) {
	var specs []config.VaultSpec
	for _, v := range vaults {
		name, url, ok := strings.Cut(v, "=")
		if !ok {
			return nil, misuse(errors.New("--vault: use NAME=URL"))
		}
		spec, err := config.ParseVaultURL(name, url)
		if err != nil {
			return nil, misuse(err)
		}
		if spec.Note != "" {
			p.notes = append(p.notes, spec.Note)
		}
		specs = append(specs, spec)
	}
	return specs, nil
}

func (p *initPlan) addIdentity(classic bool) (recipient string, err error) {
	secret, public, err := newIdentity(classic)
	if err != nil {
		return "", err
	}
	p.identity = filepath.Join(p.dir, "identity.txt")
	p.add("identity.txt", "# Opens every snapshot of this repository. Keep it away from the host that takes them.\n"+secret+"\n")
	p.add("recipients.txt", "# Snapshots are encrypted to these public keys, one a line.\n"+public+"\n")
	return public, nil
}

// checkRecipients makes sure that all recipients can be read and that age takes them together.
func checkRecipients(configFile string, o config.TemplateOptions) error {
	text, err := config.Template(o)
	if err != nil {
		return misuse(withoutPlace(err))
	}
	cfg, err := config.Parse(configFile, text)
	if err != nil {
		return misuse(withoutPlace(err))
	}
	if _, err = cfg.Recipients(); err != nil {
		return err
	}
	return nil
}

// tryStore makes sure before anything is written that the store works and holds no repository
// of strangers, and that no file is in the way.
func (p *initPlan) tryStore(ctx context.Context, o initOptions) (store.Store, error) {
	for _, f := range p.files {
		if _, err := os.Lstat(f.path); err == nil {
			return nil, advise(fmt.Errorf("writing %s: %w: it is there already", f.path, errRefused), "move it away; --config in another folder starts afresh there")
		}
	}
	s, warnings, err := openForInit(ctx, o.repository)
	if err != nil {
		return nil, err
	}
	p.warnings = append(warnings, p.warnings...)
	if _, err := snapshot.Open(ctx, s, p.trust); err != nil && !errors.Is(err, snapshot.ErrNoRepository) {
		return nil, fmt.Errorf("%s: %w", o.repository, err)
	}
	return s, nil
}

func (p *initPlan) write() error {
	if err := os.MkdirAll(p.dir, 0o700); err != nil {
		return fmt.Errorf("making the folder of %s: %w", p.config, err)
	}
	for i, f := range p.files {
		if err := writeNew(f.path, []byte(f.text)); err != nil {
			p.files = p.files[:i]
			p.unwrite()
			return err
		}
	}
	return nil
}

// unwrite removes what write wrote: keys of a repository that was never made open nothing.
func (p *initPlan) unwrite() {
	for _, f := range p.files {
		os.Remove(f.path)
	}
}

func (p *initPlan) result(o initOptions, r *snapshot.Repository) initiated {
	res := initiated{Repository: o.repository, ID: r.ID, Config: p.config, HostKey: filepath.Join(p.dir, "host.key"),
		Verifier: p.host.Signer.Verifier, Identity: p.identity, Warnings: append([]string{}, p.warnings...)}
	res.Next = append(res.Next, p.notes...)
	if p.identity != "" {
		res.Recipients = filepath.Join(p.dir, "recipients.txt")
		res.Next = append(res.Next, "move "+p.identity+" to where restores are done, with a second copy offline, and delete it here")
	}
	if len(o.vaults) == 0 {
		res.Next = append(res.Next, "put your vaults into "+p.config)
	}
	res.Next = append(res.Next, "holdfast doctor", "holdfast snapshot --all")
	return res
}
