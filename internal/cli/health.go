package cli

// health asks whether a server is there; containers and load balancers run it.
type health struct {
	Live bool `help:"Ask only whether the process lives, not whether the store answers it."`
}

// Run asks the server; what is not good is no answer.
func (h health) Run(s *session) error {
	path := "/readyz"
	if h.Live {
		path = "/healthz"
	}
	var told map[string]string
	beside := *s.ask // these are not of the API
	beside.root = ""
	if err := beside.get(s.ctx, path, nil, &told); err != nil {
		return err
	}
	if s.asJSON {
		return s.printJSON(told)
	}
	return s.say("%s", told["status"])
}
