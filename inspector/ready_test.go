package inspector

import (
	"context"
	"errors"
	"net/http"
	"testing"

	"github.com/rollcallhq/rollcall/inspector/api"
)

func TestAServerThatCannotDoItsPartIsNotReadyAndSaysWhy(t *testing.T) {
	var why error
	f := newFixture(t, func(d *Deps, _ *Config) { d.Ready = func(context.Context) error { return why } })
	read[api.Health](f, "/readyz")
	why = errors.New("no streams are to be judged here yet")
	wantProblem(t, f.ask("GET", "/readyz", ""), http.StatusServiceUnavailable, why.Error())
	read[api.Health](f, "/healthz")
}
