package access

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestRolesMayWhatTheyMay(t *testing.T) {
	may := map[Role][]Role{
		Ingest: {Open, Known, Ingest}, Viewer: {Open, Known, Viewer},
		Operator: {Open, Known, Ingest, Viewer, Operator}, Admin: {Open, Known, Ingest, Viewer, Operator, Admin},
		"": {Open}, "root": {Open}, Open: {Open}, Known: {Open},
	}
	for role, allowed := range may {
		var got []Role
		for _, least := range []Role{Open, Known, Ingest, Viewer, Operator, Admin, "", "nobody"} {
			if role.May(least) {
				got = append(got, least)
			}
		}
		if d := cmp.Diff(allowed, got); d != "" {
			t.Errorf("%q (-want +got): %s", role, d)
		}
	}
}

func TestTokensAreReadAsTheyWereWritten(t *testing.T) {
	f := newFile()
	var want []Token
	for i, role := range Roles() {
		one, _, err := NewToken(fmt.Sprintf("name-%d@host", i), role, time.Time{}, testNow)
		if err != nil {
			t.Fatal(err)
		}
		if i%2 == 0 {
			one.Expires = testNow.Add(time.Hour)
		}
		if err := f.Add(one); err != nil {
			t.Fatal(err)
		}
		want = append(want, one)
	}
	if _, changed, err := f.Revoke("name-1@host", testNow); err != nil || !changed {
		t.Fatal(changed, err)
	}
	want[1].Revoked = testNow
	read, err := ParseFile(f.bytes())
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, read.Tokens()); d != "" {
		t.Error(d)
	}
	if string(read.bytes()) != string(f.bytes()) {
		t.Errorf("%s\nbecame\n%s", f.bytes(), read.bytes())
	}
}

func TestAFaultOfTheFileIsToldWithItsLineAndRepeatsNoSecret(t *testing.T) {
	one, secret, err := NewToken("anna", Viewer, time.Time{}, testNow)
	if err != nil {
		t.Fatal(err)
	}
	good := one.line()
	with := func(old, new string) string {
		if !strings.Contains(good, old) {
			t.Fatalf("%q does not hold %q", good, old)
		}
		return strings.Replace(good, old, new, 1)
	}
	id, hash := "id="+one.ID, fmt.Sprintf("sha256=%x", one.Hash)
	for name, c := range map[string]struct{ line, says string }{
		"no key":               {"anna", "field 1: not key=value"},
		"a token pasted":       {secret, "field 1: not key=value"},
		"a token as key":       {secret + "=x", "field 1: unknown key; known are name, role"},
		"a token as name":      {with("name=anna", "name="+secret), "name: it looks like a token"},
		"a token as role":      {with("role=viewer", "role="+secret), "role: not one of ingest"},
		"a token as time":      {with("expires=never", "expires="+secret), "expires: not an instant"},
		"an unknown key":       {good + " colour=red", "field 7: unknown key"},
		"a key twice":          {good + " role=admin", "role: given twice"},
		"no role":              {with("role=viewer ", ""), "role: missing"},
		"no expiry":            {with(" expires=never", ""), "expires: missing"},
		"an unknown role":      {with("role=viewer", "role=root"), "role: not one of ingest, viewer, operator, admin"},
		"a role of a call":     {with("role=viewer", "role=open"), "role: not one of"},
		"no name":              {with("name=anna", "name="), "name: \"\" is not a name"},
		"a reserved name":      {with("name=anna", "name=local"), "says who acts without one"},
		"a name with a quote":  {with("name=anna", `name=an"na`), "is not a name"},
		"a short hash":         {with(hash, "sha256=00ff"), "sha256: not 64 hexadecimal digits"},
		"a short id":           {with(id, "id=AAAA"), "id: not 8 characters"},
		"an id in small":       {with(id, "id=aaaaaaaa"), "id: not 8 characters"},
		"created never":        {with("created=2026-11-22T05:00:00Z", "created=never"), "created: not an instant"},
		"revoked at nothing":   {good + " revoked=", "revoked: not an instant"},
		"the same token again": {good, "id: " + one.ID + " is there already"},
		"the same name again":  {with(id, "id=AAAAAAAA"), "name: a token anna is there already and is not revoked"},
	} {
		t.Run(name, func(t *testing.T) {
			first := good
			if !strings.Contains(name, "same") {
				first = "# first"
			}
			_, err := ParseFile([]byte(first + "\n\n" + c.line + "\n"))
			if err == nil || !strings.HasPrefix(err.Error(), "line 3: ") || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v; want line 3 and %q", err, c.says)
			}
			if err != nil && strings.Contains(err.Error(), secret[len(mark):]) {
				t.Errorf("the error repeats a token: %v", err)
			}
		})
	}
}

func TestAFileThatOthersCanReadIsRefused(t *testing.T) {
	path := inDir(t, "tokens")
	for mode, taken := range map[os.FileMode]bool{0o600: true, 0o400: true, 0o640: false, 0o604: false, 0o620: false, 0o644: false} {
		write(t, path, "", mode)
		if _, err := ReadFile(path); (err == nil) != taken || err != nil && !strings.Contains(err.Error(), "chmod") {
			t.Errorf("%04o: %v", mode, err)
		}
	}
	if _, err := ReadFile(filepath.Dir(path)); err == nil {
		t.Error("a directory was read")
	}
}

func TestAChangeKeepsWhatItDoesNotChangeAndIsPrivate(t *testing.T) {
	path := inDir(t, "tokens")
	link := filepath.Join(filepath.Dir(path), "link")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	create(t, path, "anna", Viewer, time.Time{})
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	kept := "#  by hand\n\n" + strings.Replace(string(text), " role=", "   role=", 1)
	write(t, path, kept, 0o400)
	create(t, link, "bert", Operator, time.Time{})
	text, err = os.ReadFile(path)
	if err != nil || !strings.HasPrefix(string(text), kept) {
		t.Errorf("%v: it was\n%s\nand is\n%s", err, kept, text)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if to, err := os.Readlink(link); err != nil || to != path {
		t.Errorf("the link is %q, %v", to, err)
	}
	if left, err := os.ReadDir(filepath.Dir(path)); err != nil || len(left) != 2 {
		t.Errorf("beside the file and the link there is %v", left)
	}
}

func TestARefusedChangeLeavesTheFileAsItIs(t *testing.T) {
	path := inDir(t, "tokens")
	create(t, path, "anna", Viewer, time.Time{})
	before, _ := os.ReadFile(path)
	again, _, err := NewToken("anna", Admin, time.Time{}, testNow)
	if err != nil {
		t.Fatal(err)
	}
	if err := Change(path, func(f *File) (bool, error) { return true, f.Add(again) }); err == nil {
		t.Error("a second token of one name was taken")
	}
	err = Change(path, func(f *File) (bool, error) {
		_, changed, err := f.Revoke("bert", testNow)
		return changed, err
	})
	if err == nil || !strings.Contains(err.Error(), `no token "bert"`) {
		t.Error(err)
	}
	if after, _ := os.ReadFile(path); string(after) != string(before) {
		t.Error("the file was changed")
	}
}

func TestARevokedNameCanBeUsedAgain(t *testing.T) {
	path := inDir(t, "tokens")
	create(t, path, "anna", Viewer, time.Time{})
	revoke(t, path, "anna")
	revoke(t, path, "anna") // twice is once
	create(t, path, "anna", Operator, time.Time{})
	revoke(t, path, "anna")
	f, err := ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, one := range f.Tokens() {
		if one.Revoked.IsZero() {
			t.Errorf("%s with role %s is not revoked", one.Name, one.Role)
		}
	}
	if n := len(f.Tokens()); n != 2 {
		t.Errorf("%d tokens", n)
	}
}

func TestOfChangesAtOnceNoneIsLost(t *testing.T) {
	path := inDir(t, "tokens")
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			one, _, err := NewToken(fmt.Sprintf("hop-%d", i), Ingest, time.Time{}, testNow)
			if err != nil {
				t.Error(err)
				return
			}
			eventually(t, 20*time.Second, "the change", func() bool {
				err := Change(path, func(f *File) (bool, error) { return true, f.Add(one) })
				if err != nil && !strings.Contains(err.Error(), "being changed by another process") {
					t.Error(err)
				}
				return err == nil
			})
		})
	}
	all.Wait()
	f, err := ReadFile(path)
	if err != nil || len(f.Tokens()) != 20 {
		t.Errorf("%d tokens, %v", len(f.Tokens()), err)
	}
}

func TestAChangedFileStaysWithItsOwner(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give a file away")
	}
	path := inDir(t, "tokens")
	create(t, path, "anna", Viewer, time.Time{})
	if err := os.Chown(path, 12345, 23456); err != nil {
		t.Fatal(err)
	}
	revoke(t, path, "anna")
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if owner := info.Sys().(*syscall.Stat_t); owner.Uid != 12345 || owner.Gid != 23456 {
		t.Errorf("it belongs to %d:%d", owner.Uid, owner.Gid)
	}
}
