# shellcheck shell=bash
# Sourced by the other scripts: where downloads and tools are kept, so that a second checkout need not fetch them.

# cache_dir prints the directory, the one that Go's os.UserCacheDir leads to; ROLLCALL_CACHE moves it.
cache_dir() {
  if [ -n "${ROLLCALL_CACHE:-}" ]; then
    echo "$ROLLCALL_CACHE"
  elif [ "$(uname -s)" = Darwin ]; then
    echo "$HOME/Library/Caches/rollcall"
  else
    echo "${XDG_CACHE_HOME:-$HOME/.cache}/rollcall"
  fi
}

# sha256 prints the checksum of a file.
sha256() {
  if command -v sha256sum >/dev/null; then sha256sum "$1"; else shasum -a 256 "$1"; fi | cut -d' ' -f1
}
