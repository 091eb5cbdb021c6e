package deploy_test

import (
	"bytes"
	"cmp"
	"context"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"

	"github.com/rollcallhq/rollcall/internal/cli"
	"github.com/rollcallhq/rollcall/internal/testenv"
)

func TestMain(m *testing.M) {
	code := testenv.Main(m)
	_ = os.RemoveAll(built.dir)
	os.Exit(code)
}

// root is the repository's, seen from this package.
const root = "../.."

func read(t *testing.T, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, path))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// project is what docker-compose.yml says in an environment without variables.
func project(t *testing.T) *types.Project {
	t.Helper()
	dir, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	p, err := loader.LoadWithContext(t.Context(), types.ConfigDetails{
		WorkingDir:  dir,
		ConfigFiles: []types.ConfigFile{{Filename: filepath.Join(dir, "docker-compose.yml")}},
		Environment: types.Mapping{},
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// services are the names of the services, of which rollcall's are those that are built here.
func services(p *types.Project) (all, ours []string) {
	for name, s := range p.Services {
		all = append(all, name)
		if s.Build != nil {
			ours = append(ours, name)
		}
	}
	slices.Sort(all)
	slices.Sort(ours)
	return all, ours
}

func TestTheProjectHasAFixedNameAndTheServicesOfTheGuide(t *testing.T) {
	p := project(t)
	if !regexp.MustCompile(`(?m)^name: rollcall$`).Match(read(t, "docker-compose.yml")) || p.Name != "rollcall" {
		t.Errorf("the project is called %q", p.Name)
	}
	all, ours := services(p)
	if want := []string{"clickhouse", "grafana", "ingest", "inspector", "kafka", "prometheus", "reconcile"}; !slices.Equal(all, want) {
		t.Errorf("services %q, want %q", all, want)
	}
	if want := []string{"ingest", "inspector", "reconcile"}; !slices.Equal(ours, want) {
		t.Errorf("built here are %q, want %q", ours, want)
	}
}

// pinned is a tag that begins with a version of at least two numbers.
var pinned = regexp.MustCompile(`^[a-z0-9./-]+:v?\d+\.\d+(\.\d+)?(-[a-z]+)*$`)

// root may be nobody's user: 0 or its name, also as one with a group.
var superuser = regexp.MustCompile(`^(|0|root)(:.*)?$`)

func TestEveryServiceIsPinnedUnprivilegedHealthCheckedAndRestarted(t *testing.T) {
	for name, s := range project(t).Services {
		t.Run(name, func(t *testing.T) {
			if s.Build == nil && !pinned.MatchString(s.Image) || s.Build != nil && s.Image != "rollcall:local" {
				t.Errorf("image %q is not pinned", s.Image)
			}
			if superuser.MatchString(s.User) {
				t.Errorf("it runs as %q", s.User)
			}
			if !slices.Contains(s.SecurityOpt, "no-new-privileges:true") || !slices.Contains(s.CapDrop, "ALL") || s.Privileged || len(s.CapAdd) > 0 {
				t.Errorf("privileges: security_opt %q, cap_drop %q, cap_add %q", s.SecurityOpt, s.CapDrop, s.CapAdd)
			}
			if s.Restart != "unless-stopped" {
				t.Errorf("restart is %q", s.Restart)
			}
			if h := s.HealthCheck; h == nil || h.Disable || len(h.Test) < 2 || h.Interval == nil || h.Timeout == nil || h.Retries == nil || h.StartPeriod == nil {
				t.Errorf("health check %+v", h)
			}
		})
	}
}

func TestWhatWaitsForAServiceWaitsForItsHealth(t *testing.T) {
	p := project(t)
	for name, s := range p.Services {
		for on, how := range s.DependsOn {
			if how.Condition != types.ServiceConditionHealthy || !how.Required {
				t.Errorf("%s waits for %s with condition %q", name, on, how.Condition)
			}
		}
	}
	_, ours := services(p)
	for _, name := range ours {
		for _, on := range []string{"clickhouse", "kafka"} {
			if _, waits := p.Services[name].DependsOn[on]; !waits {
				t.Errorf("%s does not wait for %s", name, on)
			}
		}
		if _, waits := p.Services[name].DependsOn["ingest"]; !waits && name != "ingest" {
			t.Errorf("%s does not wait for ingest, which brings the schema up to date", name)
		}
	}
}

func TestOnlyTheInspectorIsReachedFromOtherHosts(t *testing.T) {
	for name, s := range project(t).Services {
		for _, port := range s.Ports {
			if near := port.HostIP == "127.0.0.1"; near == (name == "inspector") {
				t.Errorf("%s publishes %d on %q", name, port.Target, cmp.Or(port.HostIP, "all addresses"))
			}
		}
		if s.NetworkMode != "" {
			t.Errorf("%s is on the network %q", name, s.NetworkMode)
		}
	}
}

// suspicious is the name of a variable that may hold a secret.
var suspicious = regexp.MustCompile(`(?i)password|secret|token|credential|jaas`)

func TestSecretsAreMountedAsFilesAndInNoVariableOrArgument(t *testing.T) {
	p := project(t)
	used := map[string]bool{}
	for name, s := range p.Services {
		for _, secret := range s.Secrets {
			used[secret.Source] = true
			if _, there := p.Secrets[secret.Source]; !there {
				t.Errorf("%s wants the secret %s, which there is not", name, secret.Source)
			}
		}
		for variable, value := range s.Environment {
			if suspicious.MatchString(variable) && !strings.HasSuffix(variable, "FILE") {
				t.Errorf("%s has the variable %s", name, variable)
			}
			if strings.HasSuffix(variable, "__FILE") && !slices.ContainsFunc(s.Secrets, mountedAt(*value)) {
				t.Errorf("%s: %s=%s is no secret of the service", name, variable, *value)
			}
		}
		for _, arg := range s.Command {
			if suspicious.MatchString(arg) {
				t.Errorf("%s has the argument %s", name, arg)
			}
		}
	}
	for name, secret := range p.Secrets {
		if !used[name] {
			t.Errorf("nobody uses the secret %s", name)
		}
		if rel, err := filepath.Rel(p.WorkingDir, secret.File); err != nil || !strings.HasPrefix(rel, "secrets/") {
			t.Errorf("secret %s is the file %q, not one in secrets/", name, secret.File)
		}
	}
	for _, ignore := range []string{".gitignore", ".dockerignore"} {
		if !regexp.MustCompile(`(?m)^/?secrets/?$`).Match(read(t, ignore)) || !regexp.MustCompile(`(?m)^/?\.env$`).Match(read(t, ignore)) {
			t.Errorf("%s lets secrets/ or .env pass", ignore)
		}
	}
}

// mountedAt says whether a secret is mounted at a path.
func mountedAt(path string) func(types.ServiceSecretConfig) bool {
	return func(s types.ServiceSecretConfig) bool { return cmp.Or(s.Target, "/run/secrets/"+s.Source) == path }
}

func TestDataIsInNamedVolumesAndWhatIsOfTheCheckoutIsReadOnly(t *testing.T) {
	p := project(t)
	kept := map[string]string{}
	for name, s := range p.Services {
		for _, v := range s.Volumes {
			switch v.Type {
			case types.VolumeTypeVolume:
				kept[name] = v.Source
				if _, there := p.Volumes[v.Source]; !there {
					t.Errorf("%s keeps data in %q, which is no named volume", name, v.Source)
				}
			case types.VolumeTypeBind:
				held(t, p, name, v)
			default:
				t.Errorf("%s mounts %s as %s", name, v.Target, v.Type)
			}
		}
	}
	for _, name := range []string{"clickhouse", "kafka", "prometheus", "grafana"} {
		if kept[name] == "" {
			t.Errorf("%s keeps its data nowhere", name)
		}
	}
	if len(p.Volumes) != len(kept) {
		t.Errorf("%d volumes for %d services", len(p.Volumes), len(kept))
	}
}

// held holds that what is mounted is read only, and there unless it is made by scripts/compose-secrets.sh.
func held(t *testing.T, p *types.Project, name string, v types.ServiceVolumeConfig) {
	t.Helper()
	if !v.ReadOnly {
		t.Errorf("%s may write to %s", name, v.Source)
	}
	rel, err := filepath.Rel(p.WorkingDir, v.Source)
	if err != nil {
		t.Error(err)
	} else if _, err := os.Stat(v.Source); err != nil && rel != "secrets/access" && rel != "secrets/keys" {
		t.Errorf("%s mounts %s, which is not there", name, rel)
	}
}

// serveArgs are the arguments of a service; where the program does not know roles they are left out.
func serveArgs(t *testing.T, s types.ServiceConfig) []string {
	t.Helper()
	args := slices.Clone([]string(s.Command))
	if i := slices.Index(args, "--role"); i >= 0 && !knowsRoles(t) {
		args = slices.Delete(args, i, i+2)
	}
	return args
}

// knowsRoles says whether "rollcall serve" has the flag --role.
func knowsRoles(t *testing.T) bool {
	var out bytes.Buffer
	if code := cli.Run(t.Context(), []string{"serve", "--help"}, cli.Env{Stdout: &out, Stderr: &out}); code != cli.Good {
		t.Fatalf("help ends with %d: %s", code, &out)
	}
	return strings.Contains(out.String(), "--role")
}

// variables are those the program reads, by its own help.
func variables(t *testing.T) map[string]bool {
	all := map[string]bool{}
	for _, command := range []string{"serve", "token", "demo"} {
		var out bytes.Buffer
		cli.Run(t.Context(), []string{command, "--help"}, cli.Env{Stdout: &out, Stderr: &out})
		for _, m := range regexp.MustCompile(`\$(ROLLCALL_[A-Z_]+)`).FindAllStringSubmatch(out.String(), -1) {
			all[m[1]] = true
		}
	}
	return all
}

func TestEveryFlagVariableAndKeyIsOneTheProgramHas(t *testing.T) {
	p := project(t)
	_, ours := services(p)
	known := variables(t)
	for _, name := range ours {
		t.Run(name, func(t *testing.T) {
			s := p.Services[name]
			for variable := range s.Environment {
				if !known[variable] {
					t.Errorf("the program reads no variable %s", variable)
				}
			}
			if want := []string{"serve", "--role", name}; len(s.Command) < 3 || !slices.Equal(s.Command[:3], want) {
				t.Errorf("its command is %q, and should begin with %q", s.Command, want)
			}
			got := parse(t, p, s)
			if got.Listen != "0.0.0.0:8080" || got.ClickhouseAddr[0] != "clickhouse:9000" || got.KafkaBrokers[0] != "kafka:9092" || got.KafkaSASL != "plain" {
				t.Errorf("it would serve with %+v", got)
			}
			for _, file := range []string{got.ClickhousePasswordFile, got.KafkaPasswordFile} {
				if !slices.ContainsFunc(s.Secrets, mountedAt(file)) {
					t.Errorf("%s is no secret of the service", file)
				}
			}
			for _, file := range []string{got.Tokens, got.TLSCert, got.TLSKey, *s.Environment["ROLLCALL_CA_FILE"]} {
				if filepath.Dir(file) != "/etc/rollcall/access" {
					t.Errorf("%s is not mounted", file)
				}
			}
		})
	}
}

// What signs must have the keys, and nobody else: who takes reports in could certify what it made up.
func TestTheRolesThatCertifyAndTheyAloneHaveTheSigningKeys(t *testing.T) {
	p := project(t)
	_, ours := services(p)
	for _, name := range ours {
		s := p.Services[name]
		at := slices.IndexFunc(s.Volumes, func(v types.ServiceVolumeConfig) bool {
			return v.Source == filepath.Join(p.WorkingDir, "secrets/keys")
		})
		keys := parse(t, p, s).Keys
		if name == "ingest" {
			if keys != "" || at >= 0 {
				t.Errorf("ingest has the keys of volume %d as %q", at, keys)
			}
			continue
		}
		if at < 0 || s.Volumes[at].Target != keys || !s.Volumes[at].ReadOnly {
			t.Errorf("%s reads its keys at %q, where secrets/keys is not mounted: %+v", name, keys, s.Volumes)
		}
	}
}

// parse reads the command and the configuration file of a service with the program's own parser.
func parse(t *testing.T, p *types.Project, s types.ServiceConfig) cli.Serve {
	t.Helper()
	args := serveArgs(t, s)
	at := slices.Index(args, "--config")
	if at < 0 {
		t.Fatalf("no --config in %q", args)
	}
	file := slices.IndexFunc(s.Volumes, func(v types.ServiceVolumeConfig) bool { return v.Target == args[at+1] })
	if file < 0 {
		t.Fatalf("%s is not mounted", args[at+1])
	}
	args[at+1] = s.Volumes[file].Source
	var given cli.Serve
	var told bytes.Buffer
	code := cli.Run(t.Context(), args, cli.Env{
		Stdout: &told, Stderr: &told,
		Serve: func(_ context.Context, s cli.Serve) error { given = s; return nil },
	})
	if code != cli.Good {
		t.Fatalf("%q is wrong use: %s", args, &told)
	}
	return given
}

func TestHealthOfRollcallIsAskedByItself(t *testing.T) {
	p := project(t)
	_, ours := services(p)
	for _, name := range ours {
		test := p.Services[name].HealthCheck.Test
		if !slices.Equal(test, []string{"CMD", "/usr/local/bin/rollcall", "health"}) {
			t.Errorf("%s: %q", name, test)
		}
	}
	var told bytes.Buffer
	if code := cli.Run(t.Context(), []string{"health", "--help"}, cli.Env{Stdout: &told, Stderr: &told}); code != cli.Good {
		t.Errorf("the program has no such command: %s", &told)
	}
}
