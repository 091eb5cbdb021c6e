// Package reference holds docs/reference and the README to the code: pages that can be
// generated are generated here, and the tests fail when a committed page differs
// from what the code says. It owns those checks and no code of the program;
// like internal/app it may see every package, and none may see it.
//
//	go test ./internal/reference -update
//
// writes the generated pages anew.
package reference
