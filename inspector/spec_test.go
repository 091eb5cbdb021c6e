package inspector

import (
	"bytes"
	"flag"
	"os"
	"regexp"
	"slices"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files anew")

const goldenSpec = "testdata/openapi.yaml"

func TestTheOpenAPIDocumentIsTheGoldenFile(t *testing.T) {
	f := newFixture(t)
	got := f.ask("GET", "/openapi.yaml", "").Body.Bytes()
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(goldenSpec, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(goldenSpec)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(want, got) {
		t.Errorf("the API has changed: look at the difference and run go test ./inspector -run OpenAPI -update")
	}
	if !bytes.Contains(got, []byte("openapi: 3.1")) {
		t.Error("not OpenAPI 3.1")
	}
}

func TestEveryRouteIsInTheOpenAPIDocumentAndTheOtherWayRound(t *testing.T) {
	f := newFixture(t)
	parameter := regexp.MustCompile(`:(\w+)`)
	var routes, described []string
	for _, r := range f.engine.Routes() {
		routes = append(routes, r.Method+" "+parameter.ReplaceAllString(r.Path, "{$1}"))
	}
	for path, item := range f.api.OpenAPI().Paths {
		for method, there := range map[string]bool{"GET": item.Get != nil, "POST": item.Post != nil, "PUT": item.Put != nil, "DELETE": item.Delete != nil} {
			if there {
				described = append(described, method+" "+path)
			}
		}
	}
	slices.Sort(routes)
	slices.Sort(described)
	if !slices.Equal(routes, described) {
		t.Errorf("routes:    %v\ndescribed: %v", routes, described)
	}
}
