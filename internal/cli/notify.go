package cli

import (
	"slices"
	"time"

	"github.com/alecthomas/kong"
)

// Notify is what stands under notify: in the configuration file: who is told of incidents.
type Notify struct {
	Page      string     `yaml:"page"` // address of the page, for links
	Receivers []Receiver `yaml:"receivers"`
	Limits    Limits     `yaml:"limits"`

	Hold    time.Duration `yaml:"hold"`    // how long an incident must stand before anybody is called
	Calm    time.Duration `yaml:"calm"`    // how long it must be over before that is told
	Unacked time.Duration `yaml:"unacked"` // after how long one that nobody took notice of is told again
	Worse   int           `yaml:"worse"`   // how many times as many events as told are told again
}

// Receiver is one who is told of incidents.
type Receiver struct {
	Name           string `yaml:"name" json:"name"`
	Type           string `yaml:"type" json:"type"` // webhook, alertmanager, slack, pagerduty or heartbeat
	URL            string `yaml:"url" json:"-"`
	SecretFile     string `yaml:"secretFile" json:"-"`
	SecretVariable string `yaml:"secretVariable" json:"-"`
	CAFile         string `yaml:"caFile" json:"-"`
	AllowPrivate   bool   `yaml:"allowPrivate" json:"-"`
}

// Limits are over what the receivers are told of Rollcall's own health; 0 takes the default.
type Limits struct {
	IngestLag    uint `yaml:"ingestLag"`    // records of rollcall.reports that wait to be stored; 100 000
	ReconcileAge uint `yaml:"reconcileAge"` // seconds since every stream was last looked at; 60
	Quarantined  uint `yaml:"quarantined"`  // records put aside within five minutes; 10
}

type notify struct {
	Test notifyTest `cmd:"" help:"Send a test to the receivers of a configuration file and say what came back."`
}

type notifyTest struct {
	Receiver string `arg:"" optional:"" help:"Only this receiver."`
	Config   string `required:"" env:"ROLLCALL_CONFIG" type:"path" help:"Configuration file of the server." placeholder:"FILE"`
}

// tried is how a test went.
type tried struct {
	Receiver
	Good   bool   `json:"good"`
	Answer string `json:"answer"`
}

// Run sends a test; the answer is bad when a receiver did not take it.
func (c *notifyTest) Run(s *session) error {
	file, err := readConfig(c.Config, s.known)
	if err != nil {
		return wrongUse("%w", err)
	}
	receivers := file.notify.Receivers
	if c.Receiver != "" {
		receivers = slices.DeleteFunc(slices.Clone(receivers), func(r Receiver) bool { return r.Name != c.Receiver })
	}
	if len(receivers) == 0 && c.Receiver != "" {
		return wrongUse("%s has no receiver %q under notify", c.Config, c.Receiver)
	}
	if len(receivers) == 0 {
		return wrongUse("%s has no receivers under notify", c.Config)
	}
	var all []tried
	for _, r := range receivers {
		answer, err := s.env.NotifyTest(s.ctx, r)
		if err != nil {
			answer = err.Error()
		}
		all = append(all, tried{r, err == nil, answer})
	}
	if err := s.printTried(all); err != nil {
		return err
	}
	return badWhen(slices.ContainsFunc(all, func(t tried) bool { return !t.Good }))
}

func (s *session) printTried(all []tried) error {
	if s.asJSON {
		return s.printJSON(struct {
			Items []tried `json:"items"`
		}{all})
	}
	t := newTable("RECEIVER", "TYPE", "TOOK IT", "WHAT CAME BACK")
	for _, one := range all {
		took := "no"
		if one.Good {
			took = "yes"
		}
		t.add(one.Name, one.Type, took, one.Answer)
	}
	return t.print(s.env.Stdout)
}

// flagsOf names the flags of a command that the configuration file can hold.
func flagsOf(app *kong.Application, command string) []string {
	var names []string
	for _, child := range app.Children {
		if child.Name != command {
			continue
		}
		for _, flag := range child.Flags {
			if flag.Name != "config" {
				names = append(names, flag.Name)
			}
		}
	}
	return names
}
