package main

import (
	"fmt"
	"os"

	"filippo.io/age"
	"filippo.io/age/plugin"
)

// pluginMain is age-plugin-probe, a plugin such as those of hardware keys: its recipient and
// identity are an X25519 key's in another dress. With --new-key it prints both.
func pluginMain() {
	if len(os.Args) == 2 && os.Args[1] == "--new-key" {
		id, err := age.GenerateX25519Identity()
		if err != nil {
			panic(err)
		}
		fmt.Printf("# recipient: %s\n%s\n", plugin.EncodeRecipient("probe", []byte(id.Recipient().String())),
			plugin.EncodeIdentity("probe", []byte(id.String())))
		return
	}
	p, err := plugin.New("probe")
	if err != nil {
		panic(err)
	}
	p.HandleRecipient(func(data []byte) (age.Recipient, error) { return age.ParseX25519Recipient(string(data)) })
	p.HandleIdentity(func(data []byte) (age.Identity, error) { return age.ParseX25519Identity(string(data)) })
	p.RegisterFlags(nil)
	os.Exit(p.Main())
}
