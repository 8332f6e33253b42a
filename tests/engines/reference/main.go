// Reads image references as Docker does: a JSON string a line on standard input, a JSON document a line on standard
// output, with what distribution/reference makes of it, or why it is refused.
package main

import (
	"bufio"
	// Digests of algorithms that nobody has linked are refused; Docker has these.
	_ "crypto/sha256"
	_ "crypto/sha512"
	"encoding/json"
	"log"
	"os"

	"github.com/distribution/reference"
)

type answer struct {
	Refused string `json:"refused,omitempty"`
	Domain  string `json:"domain"`
	Path    string `json:"path"`
	Tag     string `json:"tag"`
	Digest  string `json:"digest"`
	// In full, and as people write it.
	Full     string `json:"full"`
	Familiar string `json:"familiar"`
	// In full with `latest` where nothing else says which; and the same without the tag beside a digest.
	TagNameOnly string `json:"tagNameOnly"`
	Docker      string `json:"docker"`
	// Whether engines take it for the id of an image.
	Identifier bool `json:"identifier"`
}

func read(text string) (answer, error) {
	var answer answer
	if any, err := reference.ParseAnyReference(text); err == nil {
		_, named := any.(reference.Named)
		answer.Identifier = !named
	}
	named, err := reference.ParseNormalizedNamed(text)
	if err != nil {
		answer.Refused = err.Error()
		return answer, nil
	}
	answer.Domain, answer.Path = reference.Domain(named), reference.Path(named)
	if tagged, ok := named.(reference.Tagged); ok {
		answer.Tag = tagged.Tag()
	}
	if digested, ok := named.(reference.Digested); ok {
		answer.Digest = digested.Digest().String()
	}
	answer.Full, answer.Familiar = named.String(), reference.FamiliarString(named)
	answer.TagNameOnly = reference.TagNameOnly(named).String()
	docker, err := reference.ParseDockerRef(text)
	if err != nil {
		return answer, err
	}
	answer.Docker = docker.String()
	return answer, nil
}

func main() {
	log.SetFlags(0)
	input, output := bufio.NewScanner(os.Stdin), bufio.NewWriter(os.Stdout)
	input.Buffer(nil, 1<<20)
	out := json.NewEncoder(output)
	for input.Scan() {
		var text string
		if err := json.Unmarshal(input.Bytes(), &text); err != nil {
			log.Fatalf("not a JSON string: %v", err)
		}
		answer, err := read(text)
		if err != nil {
			log.Fatalf("%q: %v", text, err)
		}
		if err := out.Encode(answer); err != nil {
			log.Fatal(err)
		}
	}
	if err := input.Err(); err != nil {
		log.Fatal(err)
	}
	if err := output.Flush(); err != nil {
		log.Fatal(err)
	}
}
