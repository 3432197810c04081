# Sourced by `guards`, `attacks` and `mutations`: what changes one thing at a time in a copy of the project, and expects tests to see it.

project=$PWD
copy=$(mktemp -d "${TMPDIR:-/tmp}/wellgate-mutants.XXXXXX")
trap 'rm -rf "$copy"' EXIT
tar --exclude=./target --exclude=./.git -cf - . | tar -C "$copy" -xf -
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$project/target}
only=" $* "
failed=0

# change NAME FILE SUBSTITUTION: makes the change in the copy; false where NAME was not asked for, or the place is not there.
change() {
    [ "$only" = "  " ] || [[ $only == *" $1 "* ]] || return 1
    perl -0pi -e "$3" "$copy/$2"
    if cmp -s "$2" "$copy/$2"; then
        echo "$1: the code is not as it was: change this script"
        failed=1
        return 1
    fi
}

# undo FILE
undo() {
    cp "$1" "$copy/$1"
}

# in_copy COMMAND…: its output, whether it fails or not.
in_copy() {
    (cd "$copy" && "$@") 2>&1 || true
}

# did_not_run NAME OUTPUT
did_not_run() {
    echo "$1: the tests did not run"
    grep -a '^error' -A 8 <<<"$2" | head -n 20 >&2
    failed=1
}
