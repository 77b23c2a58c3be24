// Command genschema writes schema.json from the types of the package config, their struct
// tags and their comments. It runs in the folder of that package:
//
//	go generate ./cmd/holdfast/config
package main

import (
	"log"
	"os"
)

func main() {
	b, err := generate(".")
	if err != nil {
		log.Fatalf("generating schema: %v", err)
	}
	if err := os.WriteFile("schema.json", b, 0o644); err != nil {
		log.Fatalf("generating schema: %v", err)
	}
}
